package httpd

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"paas/server"
	"paas/server/api"
	"paas/server/httpd/httpdtest"
)

// Every route refuses a request without a token, but those named here, which
// prove themselves otherwise. What strangers and collaborators get of an app is
// tested on the real platform, by a walk along the same routes.
func TestEveryRouteIsGuarded(t *testing.T) {
	r := start(t)
	r.pushed("shop")
	open := map[Route]bool{
		{"GET", "/healthz"}:              true,
		{"GET", "/log-sessions/{token}"}: true, // a signed URL
		{"GET", "/terminals/{token}"}:    true, // as above
		{"POST", "/invitations/accept"}:  true, // a code, few tries
	}
	routes, err := r.srv.Routes()
	if err != nil || len(routes) < 60 {
		t.Fatalf("%d routes: %v", len(routes), err)
	}
	fill := strings.NewReplacer("{app}", "shop", "{release}", "v1", "{type}", "web", "{dyno}", "web.1")
	for _, route := range routes {
		if open[route] {
			delete(open, route)
			continue
		}
		for _, token := range []string{"", "wrong"} {
			if a := r.as(token, route.Method, fill.Replace(route.Pattern), "{}"); a.StatusCode != 401 || a.error(t).ID != "unauthorized" {
				t.Errorf("%s without a token: %d %s", route, a.StatusCode, a.body)
			}
		}
	}
	if len(open) > 0 {
		t.Errorf("no route any more: %v", open)
	}
}

// Codes of invitations cannot be tried for long from one address.
func TestJoinIsLimited(t *testing.T) {
	r := start(t)
	for range joinTries {
		if a := r.as("", "POST", "/invitations/accept", `{"code":"x"}`); a.StatusCode != 404 {
			t.Fatalf("a try: %d %s", a.StatusCode, a.body)
		}
	}
	a := r.as("", "POST", "/invitations/accept", `{"code":"x"}`)
	if a.StatusCode != 429 || a.error(t).ID != "rate_limit" || a.Header.Get("Retry-After") == "" {
		t.Fatalf("one try too many: %d %s", a.StatusCode, a.body)
	}
}

func TestTokenForms(t *testing.T) {
	r := start(t)
	for _, c := range []struct {
		header string
		code   int
	}{
		{"Bearer " + httpdtest.Token, 200},
		{"bearer " + httpdtest.Token, 200},
		{"Basic " + basic("", httpdtest.Token), 200},
		{"Basic " + basic("ann@example.com", httpdtest.Token), 200},
		{"Basic " + basic(httpdtest.Token, ""), 401},
		{"Bearer", 401},
		{"Bearer " + strings.Repeat("x", 600), 401},
		{"Digest x", 401},
	} {
		if a := r.as("", "GET", "/account", "", "Authorization", c.header); a.StatusCode != c.code {
			t.Errorf("%s: %d, want %d", c.header, a.StatusCode, c.code)
		}
	}
}

func basic(user, password string) string {
	req := &http.Request{Header: http.Header{}}
	req.SetBasicAuth(user, password)
	return strings.TrimPrefix(req.Header.Get("Authorization"), "Basic ")
}

func TestOperatorSocket(t *testing.T) {
	r := start(t)
	path := r.srv.cfg.SocketPath
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("socket: %v %v", info, err)
	}
	c := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}}}
	defer c.CloseIdleConnections()
	body := strings.NewReader(`{"email":"new@example.com","key":"ssh-ed25519 AAAA new","admin":true}`)
	res, err := c.Post("http://paas/accounts", "application/json", body)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != 201 {
		t.Fatalf("operator: %d", res.StatusCode)
	}
	if a := r.do("POST", "/accounts", `{"email":"x@example.com"}`); a.StatusCode != 403 {
		t.Errorf("a developer made an account: %d", a.StatusCode)
	}
	if operator(context.WithValue(t.Context(), peerKey{}, peer{uid: uint32(os.Getuid() + 1)})) {
		t.Error("another user is the operator")
	}
	if operator(context.WithValue(t.Context(), peerKey{}, peer{err: errors.New("unknown")})) {
		t.Error("an unknown user is the operator")
	}
}

func TestSocketIsNotStolen(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("keep"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := listenSocket(file); err == nil {
		t.Error("replaced a file")
	}
	path := filepath.Join(dir, "s")
	live, err := listenSocket(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := listenSocket(path); err == nil {
		t.Error("replaced a live socket")
	}
	live.(*net.UnixListener).SetUnlinkOnClose(false) // as kill -9 leaves it
	live.Close()
	again, err := listenSocket(path)
	if err != nil {
		t.Fatalf("did not take over a dead socket: %v", err)
	}
	again.Close()
	if _, err := listenSocket(filepath.Join(dir, strings.Repeat("x", 120))); err == nil {
		t.Error("took a path that is too long")
	}
}

func TestBadBodies(t *testing.T) {
	r := start(t)
	r.pushed("shop")
	for _, c := range []struct {
		method, path, body string
		code               int
		says               string
	}{
		{"POST", "/apps", `{"name":7}`, 422, "Field name must be a string, not number"},
		{"POST", "/apps", `[]`, 422, "must be an object"},
		{"POST", "/apps", `{"name":`, 400, "not valid JSON"},
		{"POST", "/apps", `{} {}`, 400, "more than one"},
		{"POST", "/apps", `{"name":"` + strings.Repeat("a", 1<<20) + `"}`, 413, "larger than 1048576"},
		{"POST", "/apps", `{"region":"eu"}`, 422, "region"},
		{"POST", "/apps", `{"name":"fine","feature_flags":[]}`, 201, ""},
		{"PATCH", "/apps/shop/config-vars", `{"A":1}`, 422, "must be a string"},
		{"PATCH", "/apps/shop/config-vars", `{}`, 422, "No config var"},
		{"PATCH", "/apps/shop/config-vars", "{\"A\":\"\xff\"}", 400, "not UTF-8"},
		{"PATCH", "/apps/shop/config-vars", `{"A":"\ud800"}`, 400, "not UTF-8"},
		{"PATCH", "/apps/shop/config-vars", `{"A":"\udc00\ud800"}`, 400, "not UTF-8"},
		{"PATCH", "/apps/shop/config-vars", `{"A":"\\ud800 \ud83d\ude00"}`, 200, ""},
		{"PATCH", "/apps/shop/formation", `{"updates":{}}`, 422, "updates must be an array"},
		{"PATCH", "/apps/shop/formation", `{"updates":[{"type":"web","quantity":"2"}]}`, 422, "quantity must be an integer"},
		{"PATCH", "/apps/shop/formation", `{"updates":[]}`, 422, "updates"},
		{"POST", "/apps/shop/releases", `{"slug":"x"}`, 422, "git push"},
		{"POST", "/apps/shop/log-sessions", `{"lines":0}`, 422, "1 to 100000"},
		{"POST", "/apps/shop/log-sessions", `{"source":"x"}`, 422, "source"},
		{"POST", "/apps/shop/log-sessions", `{"dyno":"../x"}`, 422, "dyno"},
		{"PUT", "/apps/shop", `{}`, 405, "PUT is not possible"},
		{"GET", "/nowhere", ``, 404, "endpoint"},
	} {
		a := r.do(c.method, c.path, c.body)
		if a.StatusCode != c.code || !strings.Contains(string(a.body), c.says) {
			t.Errorf("%s %s %.40s: %d %.200s, want %d %q", c.method, c.path, c.body, a.StatusCode, a.body, c.code, c.says)
		}
	}
}

func TestConfigKeepsBytes(t *testing.T) {
	r := start(t)
	r.pushed("shop")
	value := "a=b\n\t\"quoted\" \\ <&> \u2028 \u0000 grün 😀 "
	patch := fmt.Sprintf(`{"V":%s,"EMPTY":"","FOO":null}`, mustJSON(t, value))
	a := r.want(r.do("PATCH", "/apps/shop/config-vars", patch), 200)
	if a.Header.Get(api.HeaderDeploy) == "" {
		t.Error("no Paas-Deploy header")
	}
	vars := decodeAs[map[string]string](t, r.want(r.do("GET", "/apps/shop/config-vars", ""), 200))
	if empty, ok := vars["EMPTY"]; vars["V"] != value || !ok || empty != "" {
		t.Errorf("got %q", vars)
	}
	if _, ok := vars["FOO"]; ok {
		t.Error("null did not remove FOO")
	}
}

func TestErrors(t *testing.T) {
	r := start(t)
	for _, c := range []struct {
		err    error
		method string
		code   int
		id     string
		says   string
		logged bool
	}{
		{server.Errorf(server.ErrConflict, "busy"), "GET", 409, "conflict", "busy", false},
		{server.Errorf(server.ErrUnavailable, "down"), "GET", 503, "service_unavailable", "down", false},
		{server.Errorf(server.ErrTooLarge, "big"), "GET", 413, "too_large", "big", false},
		{fmt.Errorf("wrapped: %w", server.Errorf(server.ErrForbidden, "no")), "GET", 403, "forbidden", "no", false},
		{errors.New("secret inside"), "GET", 500, "internal_server_error", "Nothing was changed", true},
		{errors.New("secret inside"), "POST", 500, "internal_server_error", "not known", true},
		{context.DeadlineExceeded, "GET", 503, "service_unavailable", "in time", true},
	} {
		r.fake.Break(c.err)
		before := r.log.String()
		a := r.want(r.do(c.method, "/apps", `{}`), c.code)
		e := a.error(t)
		if e.ID != c.id || !strings.Contains(e.Message, c.says) || strings.Contains(string(a.body), "secret") {
			t.Errorf("%v: %s", c.err, a.body)
		}
		news := strings.TrimPrefix(r.log.String(), before)
		if got := strings.Count(news, "\n"); c.logged != (got == 1) || c.logged != strings.Contains(news, a.Header.Get(api.HeaderRequestID)) {
			t.Errorf("%v: logged %q", c.err, news)
		}
	}
}

func TestPanicIsAnswered(t *testing.T) {
	r := start(t)
	h := r.srv.outermost(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("boom") }))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: h, ReadHeaderTimeout: time.Second}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(l) }()
	a := r.want(r.do("GET", "http://"+l.Addr().String()+"/", ""), 500)
	if strings.Contains(string(a.body), "boom") || !strings.Contains(r.log.String(), "boom") {
		t.Errorf("answered %s, logged %s", a.body, r.log)
	}
	srv.Close()
	<-served
}

func TestVersionsAndOrigins(t *testing.T) {
	r := start(t)
	for accept, code := range map[string]int{
		"": 200, "*/*": 200, "application/json": 200,
		"application/vnd.heroku+json; version=3":       200,
		"application/vnd.heroku+json; version=3.sdk":   200,
		"application/vnd.heroku+json; version=2":       406,
		"application/vnd.heroku+json; version=33, */*": 406,
	} {
		if a := r.do("GET", "/account", "", "Accept", accept); a.StatusCode != code {
			t.Errorf("Accept %q: %d, want %d", accept, a.StatusCode, code)
		}
	}
	if a := r.do("POST", "/apps", "{}", "Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site"); a.StatusCode != 403 {
		t.Errorf("cross-origin: %d", a.StatusCode)
	}
}

func TestETag(t *testing.T) {
	r := start(t)
	a := r.want(r.do("GET", "/account", ""), 200)
	etag := a.Header.Get("Etag")
	if b := r.want(r.do("GET", "/account", "", "If-None-Match", "W/"+etag), 304); len(b.body) != 0 {
		t.Errorf("304 with a body: %s", b.body)
	}
	r.want(r.do("GET", "/account", "", "If-None-Match", `"other"`), 200)
}

func TestHealth(t *testing.T) {
	var failing error
	r := start(t, func(c *Config) { c.Ready = func(context.Context) error { return failing } })
	r.want(r.as("", "GET", "/healthz", ""), 200)
	failing = errors.New("postgres: secret")
	if a := r.want(r.as("", "GET", "/healthz", ""), 503); strings.Contains(string(a.body), "secret") {
		t.Errorf("shows %s", a.body)
	}
}

func TestLargeHeadIsRefused(t *testing.T) {
	r := start(t)
	c, err := net.Dial("tcp", r.srv.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: x\r\nBig: %s\r\n\r\n", strings.Repeat("x", 80<<10))
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil || res.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("large head: %v %v", res, err)
	}
}

func TestConnectionLimit(t *testing.T) {
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := newLimitListener(tcp, 10, 2)
	defer l.Close()
	accepted := make(chan net.Conn, 4)
	go func() {
		defer close(accepted)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			accepted <- c
		}
	}()
	dial := func() net.Conn {
		c, err := net.Dial("tcp", tcp.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
	dial()
	dial()
	first := <-accepted
	defer (<-accepted).Close()
	third := dial()
	third.SetReadDeadline(time.Now().Add(5 * time.Second))
	var timeout net.Error
	if _, err := third.Read(make([]byte, 1)); err == nil || errors.As(err, &timeout) && timeout.Timeout() {
		t.Fatalf("the third connection was not closed: %v", err)
	}
	first.Close()
	first.Close() // counts once
	dial()
	defer (<-accepted).Close()
}

func TestKeyByFingerprint(t *testing.T) {
	r := start(t)
	r.want(r.do("POST", "/account/keys", `{"public_key":"ssh-ed25519 AAAA root@host/1"}`), 201)
	k := decodeAs[[]api.Key](t, r.do("GET", "/account/keys", ""))[0]
	r.want(r.do("GET", "/account/keys/"+url.PathEscape(k.Fingerprint), ""), 200)
	r.want(r.do("DELETE", "/account/keys/"+url.PathEscape("root@host/1"), ""), 200)
	r.want(r.do("DELETE", "/account/keys/"+k.ID, ""), 404)
}
