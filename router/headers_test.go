package router

import (
	"encoding/json"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// echoHead answers with what the app saw of the request.
type seen struct {
	Method, URI, Host, Body string
	Header                  http.Header
	Trailer                 http.Header
}

func echoHead(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(seen{r.Method, r.RequestURI, r.Host, string(body), r.Header, r.Trailer})
}

func parseSeen(t testing.TB, body string) seen {
	t.Helper()
	var s seen
	if err := json.Unmarshal([]byte(body), &s); err != nil {
		t.Fatalf("not an echo: %v in %q", err, body)
	}
	return s
}

var uuid = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)

func TestForwardingHeadersAreOursAlone(t *testing.T) {
	g := newRig(t, Config{})
	app, _ := newApp(t, echoHead)
	g.serve(t, 1, appRoute(app))
	req := g.request(t, http.MethodGet, "/a%2Fb;c?x=1;2&y=%zz", nil)
	for _, lie := range []string{
		"X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Port", "X-Forwarded-Server", "X-Forwarded-Prefix",
		"Forwarded", "X-Real-IP", "X-Request-Start", "X-Request-Id", "Proxy",
		"X_Forwarded_For", "x_forwarded-proto", "X-Forwarded_Host", "X_Real_IP", "Content_Length", "Transfer_Encoding",
	} {
		req.Header[lie] = []string{"6.6.6.6"}
	}
	req.Header.Set("Connection", "X-Secret, close")
	req.Header.Set("X-Secret", "hop by hop")
	req.Header.Set("Keep-Alive", "timeout=5")
	req.Header.Set("X-Kept", "yes")
	req.Header.Set("Under_Score", "kept")
	req.Host = "APP.test.:8443"
	before := time.Now().UnixMilli()
	resp, body := g.do(t, req)
	s := parseSeen(t, body)
	if strings.Contains(body, "6.6.6.6") {
		t.Errorf("a lie reached the app: %s", body)
	}
	want := map[string]string{
		"X-Forwarded-For": "127.0.0.1", "X-Forwarded-Proto": "http", "X-Forwarded-Port": "8443",
		"Via": "1.1 paas-router", "X-Kept": "yes", "Under_score": "kept", "X-Secret": "", "Keep-Alive": "", "Connection": "",
	}
	for name, v := range want {
		if got := s.Header.Get(name); got != v {
			t.Errorf("%s is %q for the app, want %q", name, got, v)
		}
	}
	if s.Host != "APP.test.:8443" || s.URI != "/a%2Fb;c?x=1;2&y=%zz" {
		t.Errorf("host %q, URI %q: not as the client sent them", s.Host, s.URI)
	}
	if id := s.Header.Get("X-Request-Id"); !uuid.MatchString(id) {
		t.Errorf("request id %q", id)
	}
	if at, err := strconv.ParseInt(s.Header.Get("X-Request-Start"), 10, 64); err != nil || at < before || at > time.Now().UnixMilli() {
		t.Errorf("X-Request-Start %q", s.Header.Get("X-Request-Start"))
	}
	if s.Header.Get("Accept-Encoding") != "" || s.Header.Get("User-Agent") != "Go-http-client/1.1" {
		t.Errorf("headers invented: %v", s.Header)
	}
	if got := resp.Header.Get("Via"); got != "1.1 paas-router" {
		t.Errorf("Via of the answer: %q", got)
	}
}

func TestSaneRequestIDIsKept(t *testing.T) {
	g := newRig(t, Config{})
	app, _ := newApp(t, echoHead)
	g.serve(t, 1, appRoute(app))
	for id, kept := range map[string]bool{
		"0123456789abcdef-._Z": true, strings.Repeat("a", 200): true,
		"short": false, strings.Repeat("a", 201): false, "0123456789 0123456789": false, `0123456789"0123456789`: false,
	} {
		req := g.request(t, http.MethodGet, "/", nil)
		req.Header.Set("X-Request-Id", id)
		_, body := g.do(t, req)
		if got := parseSeen(t, body).Header.Get("X-Request-Id"); (got == id) != kept {
			t.Errorf("id %q became %q, want it kept: %v", id, got, kept)
		}
	}
}

func TestTrailersPassBothWays(t *testing.T) {
	g := newRig(t, Config{})
	app, _ := newApp(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Trailer", "X-After")
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, "body")
		w.Header().Set("X-After", "got "+r.Trailer.Get("X-Sum"))
		w.Header().Set(http.TrailerPrefix+"X-Late", "unannounced")
	})
	g.serve(t, 1, appRoute(app))
	req := g.request(t, http.MethodPost, "/", io.NopCloser(strings.NewReader("hello")))
	req.Trailer = http.Header{"X-Sum": {"42"}}
	resp, body := g.do(t, req)
	if body != "body" || resp.Trailer.Get("X-After") != "got 42" || resp.Trailer.Get("X-Late") != "unannounced" {
		t.Errorf("body %q, trailers %v", body, resp.Trailer)
	}
}

func TestPlatformHostGoesToFallback(t *testing.T) {
	g := newRig(t, Config{PlatformHost: "Paas.Test", Fallback: http.HandlerFunc(echoHead)})
	req := g.request(t, http.MethodGet, "/dash", nil)
	req.Host = "paas.test:80"
	req.Header.Set("X-Forwarded-For", "6.6.6.6")
	resp, body := g.do(t, req)
	s := parseSeen(t, body)
	if resp.StatusCode != 200 || s.URI != "/dash" || s.Header.Get("X-Forwarded-For") != "" || !uuid.MatchString(s.Header.Get("X-Request-Id")) {
		t.Errorf("status %d, seen %+v", resp.StatusCode, s)
	}
	g.serve(t, 1)
	if resp, _ := g.get(t, "/"); resp.StatusCode != http.StatusNotFound {
		t.Errorf("an unknown host got %d", resp.StatusCode)
	}
}
