package router

import (
	"crypto/sha256"
	"encoding/base64"
	"html"
	"io"
	"net/http"
	"strconv"
	"strings"
)

const pageStyle = "body{font:16px/1.5 system-ui,sans-serif;max-width:36em;margin:15vh auto;padding:0 1em;color:#222;background:#fff}" +
	"h1{font-size:1.5em}code{background:#f2f2f2;padding:.15em .35em}.id{color:#666;font-size:.85em}"

// pagePolicy lets the browser do nothing with an error page but show it with
// exactly pageStyle.
func pagePolicy() string {
	sum := sha256.Sum256([]byte(pageStyle))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
		"'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
}

// writePage answers with f, as HTML when the client asks for HTML and as plain
// text otherwise (curl). app is named only where f says the owner is served by
// it. own, when not nil, is what the app shows instead of our HTML.
func (rt *Router) writePage(w http.ResponseWriter, r *http.Request, f failure, own *ownPage, app, requestID string) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", rt.policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Vary", "Accept")
	if requestID != "" {
		h.Set("X-Request-Id", requestID)
	}
	if f.retryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(f.retryAfter))
	}
	hint := ""
	if f.owner && app != "" {
		hint = "paas logs --tail -a " + app
	}
	body := textPage(f, hint, requestID)
	h.Set("Content-Type", "text/plain; charset=utf-8")
	if acceptsHTML(r) {
		body = htmlPage(f, hint, requestID)
		h.Set("Content-Type", "text/html; charset=utf-8")
		if own != nil {
			body = own.html(f)
			h.Set("Content-Security-Policy", own.policy)
		}
	}
	w.WriteHeader(f.status)
	if r.Method != http.MethodHead {
		// An error here is the client's connection; the log line has it.
		_, _ = io.WriteString(w, body)
	}
}

func acceptsHTML(r *http.Request) bool {
	for _, v := range r.Header["Accept"] {
		if strings.Contains(strings.ToLower(v), "text/html") {
			return true
		}
	}
	return false
}

func textPage(f failure, hint, requestID string) string {
	var b strings.Builder
	b.WriteString(f.title)
	if f.code != "" {
		b.WriteString(" (" + f.code + ")")
	}
	b.WriteString("\n" + f.text + "\n")
	if hint != "" {
		b.WriteString("If the app is yours, see why: " + hint + "\n")
	}
	if requestID != "" {
		b.WriteString("Request " + requestID + "\n")
	}
	return b.String()
}

func htmlPage(f failure, hint, requestID string) string {
	esc := html.EscapeString
	var b strings.Builder
	b.WriteString("<!DOCTYPE html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\"><title>" +
		esc(f.title) + "</title><style>" + pageStyle + "</style></head>\n<body>\n<h1>" + esc(f.title) + "</h1>\n<p>" + esc(f.text) + "</p>\n")
	if hint != "" {
		b.WriteString("<p>If the app is yours, see why: <code>" + esc(hint) + "</code></p>\n")
	}
	b.WriteString("<p class=\"id\">")
	if f.code != "" {
		b.WriteString("Code " + esc(f.code) + " · ")
	}
	b.WriteString("Request " + esc(requestID) + "</p>\n</body>\n</html>\n")
	return b.String()
}
