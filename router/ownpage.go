package router

import (
	"crypto/sha256"
	"encoding/base64"
	"html"
	"net/http"
	"net/url"
	"strings"
)

const (
	maxPageURL   = 2048 // bytes
	ownPageStyle = "html,body{margin:0;height:100%}iframe{border:0;display:block;width:100%;height:100%}"
)

// ownPage is a page of the app's owner, shown in a frame in place of ours.
type ownPage struct {
	src    string // its address
	policy string // Content-Security-Policy: the frame, and nothing else
}

// PageURL says whether an address can be shown in a frame: http or https, a
// plain host, no user, of at most 2048 bytes. src is how it is written from
// then on, origin what a Content-Security-Policy calls it; both are free of
// anything that could end a header's value or a directive.
func PageURL(address string) (src, origin string, ok bool) {
	if address == "" || len(address) > maxPageURL {
		return "", "", false
	}
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.User != nil || u.Opaque != "" {
		return "", "", false
	}
	if host, ok := normalHost(u.Host); !ok || host == "" || strings.HasSuffix(u.Host, ":") {
		return "", "", false
	}
	src, origin = u.String(), u.Scheme+"://"+strings.ToLower(u.Host)
	if len(src) > maxPageURL {
		return "", "", false
	}
	for i := range len(src) {
		if src[i] <= ' ' || src[i] >= 0x7f {
			return "", "", false
		}
	}
	return src, origin, true
}

// newOwnPage is nil for what PageURL does not let pass.
func newOwnPage(address string) *ownPage {
	src, origin, ok := PageURL(address)
	if !ok {
		return nil
	}
	sum := sha256.Sum256([]byte(ownPageStyle))
	return &ownPage{src: src, policy: "default-src 'none'; frame-src " + origin +
		"; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
		"'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"}
}

// page is what the app's owner wants shown for a failure, or nil.
func (rt *route) page(f failure) *ownPage {
	switch {
	case f.code == "" || f.code == "H99" || f.status != http.StatusServiceUnavailable:
		return nil // none of the app's
	case f.code == "H80":
		return rt.maintenance
	}
	return rt.fail
}

func (p *ownPage) html(f failure) string {
	return "<!DOCTYPE html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\"><title>" +
		html.EscapeString(f.title) + "</title><style>" + ownPageStyle + "</style></head>\n<body><iframe src=\"" +
		html.EscapeString(p.src) + "\" title=\"" + html.EscapeString(f.title) + "\"></iframe></body>\n</html>\n"
}
