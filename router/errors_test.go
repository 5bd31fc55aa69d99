package router

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

func short() Limits {
	return Limits{Connect: 100 * time.Millisecond, FirstByte: 150 * time.Millisecond, Idle: 250 * time.Millisecond}
}

// unconnectable gives an address whose queue is full: connects to it hang.
func unconnectable(t *testing.T) Target {
	t.Helper()
	// 192.0.2.0/24 is for documentation; where it is unroutable the dial would
	// fail at once, so a listener that nobody accepts from is filled instead.
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	shrinkBacklog(t, l.(*net.TCPListener))
	for {
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		c, err := (&net.Dialer{}).DialContext(ctx, "tcp", l.Addr().String())
		cancel()
		if err != nil {
			return Target{ID: "hang", Name: "web.1", Addr: l.Addr().String()}
		}
		t.Cleanup(func() { _ = c.Close() })
	}
}

func TestCodesOfRoutesWithoutInstances(t *testing.T) {
	g := newRig(t, Config{})
	up, _ := newApp(t, echoHead)
	i := int64(0)
	for empty, want := range map[string]struct {
		desc string
		hint bool
	}{
		"H10": {"App crashed", true}, "H14": {"No web processes running", true}, "": {"No web processes running", true},
		"H20": {"App boot timeout", false}, "H80": {"Maintenance mode", false}, "H81": {"Blank app", true},
	} {
		i++
		rt := appRoute()
		rt.Empty = empty
		if empty == "H80" {
			rt.Targets = []Target{up} // maintenance holds even with instances
		}
		g.serve(t, i, rt)
		resp, body := g.get(t, "/"+empty)
		code := empty
		orDefault(&code, "H14")
		if resp.StatusCode != 503 || !strings.Contains(body, "("+code+")") {
			t.Errorf("%s: status %d, body %q", empty, resp.StatusCode, body)
		}
		if got := strings.Contains(body, "paas logs --tail -a app"); got != want.hint {
			t.Errorf("%s: hint for the owner: %v, want %v", code, got, want.hint)
		}
		g.lines.await(t, fmt.Sprintf(`at=error code=%s desc=%q method=GET path="/%s" host=app.test`, code, want.desc, empty), ` dyno= connect= service= status=503`)
	}
	rt := appRoute(up)
	rt.Empty = "H14"
	g.serve(t, i+1, rt)
	if resp, _ := g.get(t, "/"); resp.StatusCode != 200 {
		t.Errorf("Empty was not ignored with instances present: %d", resp.StatusCode)
	}
}

func TestCodesOfInstancesThatFail(t *testing.T) {
	hold := func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }
	cases := []struct {
		code, desc string
		app        func(net.Conn)
		target     func(*testing.T) Target
		body       string
	}{
		{code: "H12", desc: "Request timeout", app: hold},
		{code: "H12", desc: "Request timeout", app: hold, body: "with a body"},
		{code: "H13", desc: "Connection closed without response", app: func(c net.Conn) { _, _ = readHead(c) }},
		{code: "H13", desc: "Connection closed without response", app: func(c net.Conn) { _, _ = readHead(c); _, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nX: y") }},
		{code: "H17", desc: "Poorly formatted HTTP response", app: func(c net.Conn) { _, _ = readHead(c); _, _ = io.WriteString(c, "SSH-2.0-OpenSSH_9\r\n\r\n") }},
		{code: "H17", desc: "Poorly formatted HTTP response", app: func(c net.Conn) {
			_, _ = readHead(c)
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nX: "+strings.Repeat("x", 300<<10)+"\r\n\r\n")
		}},
		{code: "H19", desc: "Backend connection timeout", target: unconnectable},
		{code: "H21", desc: "Backend connection refused", target: func(t *testing.T) Target { return deadTarget(t, "dead") }},
	}
	for i, c := range cases {
		t.Run(fmt.Sprint(i, c.code), func(t *testing.T) {
			g := newRig(t, Config{Limits: short()})
			var target Target
			if c.target != nil {
				target = c.target(t)
			} else {
				target = newRawApp(t, c.app)
			}
			g.serve(t, 1, appRoute(target))
			method, body := http.MethodGet, io.Reader(nil)
			if c.body != "" {
				method, body = http.MethodPost, strings.NewReader(c.body)
			}
			resp, text := g.do(t, g.request(t, method, "/x", body))
			if resp.StatusCode != 503 || !strings.Contains(text, "("+c.code+")") {
				t.Fatalf("status %d, body %q", resp.StatusCode, text)
			}
			g.lines.await(t, fmt.Sprintf("at=error code=%s desc=%q method=%s", c.code, c.desc, method), "dyno="+target.Name, "status=503")
		})
	}
}

func TestIdleAnswerIsCut(t *testing.T) {
	g := newRig(t, Config{Limits: short()})
	app := newRawApp(t, func(c net.Conn) {
		_, _ = readHead(c)
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc")
		_, _ = io.Copy(io.Discard, c)
	})
	g.serve(t, 1, appRoute(app))
	resp, err := newClient(t).Do(g.request(t, http.MethodGet, "/", nil))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if _, err := io.ReadAll(resp.Body); err == nil {
		t.Error("a clean end")
	}
	g.lines.await(t, `at=error code=H15 desc="Idle connection"`)
}

func TestClientThatStopsSendingOrReading(t *testing.T) {
	g := newRig(t, Config{Limits: short()})
	app, _ := newApp(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			_, _ = io.Copy(io.Discard, r.Body)
			return
		}
		_, _ = io.Copy(w, noise(64<<20))
	})
	g.serve(t, 1, appRoute(app))
	c := g.dial(t)
	write(t, c, "POST /slow HTTP/1.1\r\nHost: app.test\r\nContent-Length: 1000\r\n\r\nabc")
	answer, err := io.ReadAll(c) // it ends because the router gives up
	if err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 503 ") || !strings.Contains(string(answer), "(H28)") {
		t.Errorf("answer %q, %v", answer, err)
	}
	g.lines.await(t, `at=error code=H28 desc="Client Connection Idle" method=POST path="/slow"`)

	c = g.dial(t)
	write(t, c, "GET /unread HTTP/1.1\r\nHost: app.test\r\n\r\n")
	g.lines.await(t, "code=H28", `path="/unread"`)
}

func TestBacklogTooDeep(t *testing.T) {
	g := newRig(t, Config{Limits: Limits{MaxInFlight: 2}})
	hold, arrived := make(chan struct{}), make(chan struct{}, 8)
	app, _ := newApp(t, func(http.ResponseWriter, *http.Request) { arrived <- struct{}{}; <-hold })
	g.serve(t, 1, appRoute(app))
	done := make(chan int, 2)
	for range 2 {
		go func() {
			resp, err := newClient(t).Do(g.request(t, http.MethodGet, "/", nil))
			if err != nil {
				done <- 0
				return
			}
			_ = resp.Body.Close()
			done <- resp.StatusCode
		}()
		<-arrived
	}
	if resp, body := g.get(t, "/"); resp.StatusCode != 503 || !strings.Contains(body, "(H11)") {
		t.Errorf("status %d, body %q", resp.StatusCode, body)
	}
	close(hold)
	for range 2 {
		if code := <-done; code != 200 {
			t.Errorf("a request within the limit got %d", code)
		}
	}
	g.lines.await(t, `at=error code=H11 desc="Backlog too deep"`)
}

func TestConnectFailureTriesAnotherInstanceAndAvoidsTheBadOne(t *testing.T) {
	g := newRig(t, Config{})
	good, _ := newApp(t, echoHead)
	dead := []Target{deadTarget(t, "dead-1"), deadTarget(t, "dead-2")}
	g.serve(t, 1, appRoute(dead[0], good, dead[1]))
	for i := range 60 {
		body := fmt.Sprint("body ", i)
		resp, text := g.do(t, g.request(t, http.MethodPost, "/", strings.NewReader(body)))
		if resp.StatusCode != 200 || parseSeen(t, text).Body != body {
			t.Fatalf("request %d: status %d, %q", i, resp.StatusCode, text)
		}
	}
	for _, d := range dead {
		if in := g.fleet.present[d.ID]; in.shunned.Load() <= g.fleet.now() {
			t.Errorf("%s is not in quarantine", d.ID)
		}
		if n := g.fleet.present[d.ID].busy.Load(); n != 0 {
			t.Errorf("%s counts %d requests", d.ID, n)
		}
	}
}

func TestQuarantineNeverTakesTheLastInstance(t *testing.T) {
	g := newRig(t, Config{Limits: Limits{Quarantine: time.Hour}})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	_ = l.Close()
	g.serve(t, 1, appRoute(Target{ID: "i", Name: "web.1", Addr: addr}))
	if _, body := g.get(t, "/"); !strings.Contains(body, "(H21)") {
		t.Fatalf("body %q", body)
	}
	if l, err = net.Listen("tcp", addr); err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: http.HandlerFunc(echoHead), ReadHeaderTimeout: time.Second}
	go func() { _ = srv.Serve(l) }()
	t.Cleanup(func() { _ = srv.Close() })
	if resp, body := g.get(t, "/"); resp.StatusCode != 200 {
		t.Fatalf("the only instance was not asked again: %q", body)
	}
}

// A kept connection that the app closes right when it is used costs nobody an
// error: safe requests are repeated, others never travel on one.
func TestDyingKeptConnections(t *testing.T) {
	g := newRig(t, Config{})
	app := newRawApp(t, func(c net.Conn) {
		head, r := readHead(c)
		_ = r
		if head == "" {
			return
		}
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
		_, _ = readHead(c) // takes one more request, and dies
	})
	g.serve(t, 1, appRoute(app))
	for i := range 30 {
		for _, method := range []string{http.MethodGet, http.MethodDelete, http.MethodPost} {
			var body io.Reader
			if method == http.MethodPost {
				body = strings.NewReader("")
			}
			if resp, text := g.do(t, g.request(t, method, "/", body)); resp.StatusCode != 200 {
				t.Fatalf("%s %d: status %d, %q", method, i, resp.StatusCode, text)
			}
		}
	}
}

func TestPages(t *testing.T) {
	g := newRig(t, Config{Domain: "apps.test"})
	hostile := Route{Host: "evil.test", AppID: "x", App: `<script>alert("1")</script>`, Empty: "H14"}
	g.serve(t, 1, appRoute(), hostile)
	ask := func(host, accept, method string) (*http.Response, string) {
		req := g.request(t, method, "/<script>", nil)
		req.Host = host
		req.Header.Set("Accept", accept)
		return g.do(t, req)
	}
	resp, body := ask("evil.test", "text/html,application/xhtml+xml,*/*;q=0.8", http.MethodGet)
	if strings.Contains(body, "<script") || !strings.Contains(body, "&lt;script&gt;") {
		t.Errorf("not escaped: %s", body)
	}
	sum := sha256.Sum256([]byte(body[strings.Index(body, "<style>")+7 : strings.Index(body, "</style>")]))
	csp := resp.Header.Get("Content-Security-Policy")
	if !strings.HasPrefix(csp, "default-src 'none';") || !strings.Contains(csp, "'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"'") {
		t.Errorf("policy %q does not fit the page's style", csp)
	}
	if resp.Header.Get("Content-Type") != "text/html; charset=utf-8" || resp.Header.Get("Cache-Control") != "no-store" || resp.Header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("headers %v", resp.Header)
	}
	if id := resp.Header.Get("X-Request-Id"); !strings.Contains(body, id) {
		t.Errorf("the page does not name request %s", id)
	}
	resp, body = ask("app.test", "*/*", http.MethodGet)
	if resp.Header.Get("Content-Type") != "text/plain; charset=utf-8" || strings.Contains(body, "<") {
		t.Errorf("plain: %v %q", resp.Header, body)
	}
	resp, body = ask("other.test", "*/*", http.MethodGet)
	if resp.StatusCode != 404 || !strings.Contains(body, "apps.test") || strings.Contains(body, "evil") || strings.Contains(body, "paas logs") {
		t.Errorf("unknown host: %d %q", resp.StatusCode, body)
	}
	if resp, body = ask("app.test", "text/html", http.MethodHead); resp.StatusCode != 503 || body != "" {
		t.Errorf("HEAD: %d %q", resp.StatusCode, body)
	}
}
