package fleet

import (
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"path"
	"regexp"
	"time"
)

// pullPath is all that a host may ask the registry: manifests and layers of
// one repository, by digest.
var pullPath = regexp.MustCompile(`^/v2/([A-Za-z0-9][A-Za-z0-9._/-]*)/(?:manifests|blobs)/sha256:[0-9a-f]{64}$`)

// newPull passes requests on to the registry, with its credentials.
func newPull(reg Registry, log *slog.Logger) (*httputil.ReverseProxy, error) {
	to, err := url.Parse(reg.URL)
	if err != nil || to.Host == "" {
		return nil, fmt.Errorf("the registry's URL %q is none", reg.URL)
	}
	return &httputil.ReverseProxy{
		Rewrite: func(p *httputil.ProxyRequest) {
			p.SetURL(to)
			p.Out.Host = to.Host
			p.Out.Header.Del("Authorization")
			p.Out.Header.Del("Cookie")
			if reg.User != "" {
				p.Out.SetBasicAuth(reg.User, reg.Password)
			}
		},
		Transport: &http.Transport{DialContext: (&net.Dialer{Timeout: 5 * time.Second}).DialContext, MaxIdleConnsPerHost: 32,
			IdleConnTimeout: time.Minute, ResponseHeaderTimeout: time.Minute, DisableCompression: true},
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			log.Warn("a host's image pull failed", "path", r.URL.Path, "err", err)
			w.WriteHeader(http.StatusBadGateway)
		},
	}, nil
}

// images lets a host pull what it runs, and nothing else.
func (s *term) images(w http.ResponseWriter, r *http.Request, host string) {
	m := pullPath.FindStringSubmatch(r.URL.Path)
	switch {
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		w.WriteHeader(http.StatusMethodNotAllowed)
	case m == nil || path.Clean(r.URL.Path) != r.URL.Path || !s.known.runs(host, m[1]):
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusNotFound)
		_, _ = w.Write([]byte(`{"errors":[{"code":"NAME_UNKNOWN","message":"this host runs no such image"}]}` + "\n")) // it may have gone
	default:
		s.pull.ServeHTTP(w, r)
	}
}
