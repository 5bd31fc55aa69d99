package router

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

const patience = 60 * time.Second // far above what anything here takes

// fakeSource is a Source that a test feeds by hand.
type fakeSource struct {
	mu      sync.Mutex
	table   *Table
	changed chan struct{}
	acks    []Ack
	onAck   func(Ack)
}

func newFakeSource() *fakeSource { return &fakeSource{changed: make(chan struct{})} }

func (s *fakeSource) Watch(ctx context.Context, _ string) <-chan Table {
	out := make(chan Table)
	go func() {
		defer close(out)
		var sent int64
		for {
			s.mu.Lock()
			t, changed := s.table, s.changed
			s.mu.Unlock()
			if t != nil && t.Version != sent {
				select {
				case out <- *t:
					sent = t.Version
					continue
				case <-ctx.Done():
					return
				}
			}
			select {
			case <-changed:
			case <-ctx.Done():
				return
			}
		}
	}()
	return out
}

func (s *fakeSource) Ack(a Ack) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.acks = append(s.acks, a)
	if s.onAck != nil {
		s.onAck(a)
	}
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *fakeSource) publish(t Table) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.table = &t
	close(s.changed)
	s.changed = make(chan struct{})
}

// await waits until the newest Ack is as wanted.
func (s *fakeSource) await(t testing.TB, what string, ok func(Ack) bool) {
	t.Helper()
	deadline := time.After(patience)
	for {
		s.mu.Lock()
		changed := s.changed
		done := len(s.acks) > 0 && ok(s.acks[len(s.acks)-1])
		last := fmt.Sprint(s.acks[max(0, len(s.acks)-3):])
		s.mu.Unlock()
		if done {
			return
		}
		select {
		case <-changed:
		case <-deadline:
			t.Fatalf("no Ack with %s; the last were %s", what, last)
		}
	}
}

func (s *fakeSource) awaitVersion(t testing.TB, v int64) {
	t.Helper()
	s.await(t, fmt.Sprintf("version %d", v), func(a Ack) bool { return a.Version == v })
}

// lines collects router log lines.
type lines struct {
	mu   sync.Mutex
	got  []string
	more chan struct{}
}

func newLines() *lines { return &lines{more: make(chan struct{})} }

func (l *lines) add(_ string, _ time.Time, line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.got = append(l.got, line)
	close(l.more)
	l.more = make(chan struct{})
}

// await gives the first line that holds all parts.
func (l *lines) await(t testing.TB, parts ...string) string {
	t.Helper()
	deadline := time.After(patience)
	for {
		l.mu.Lock()
		got, more := l.got, l.more
		l.mu.Unlock()
		for _, line := range got {
			if containsAll(line, parts) {
				return line
			}
		}
		select {
		case <-more:
		case <-deadline:
			t.Fatalf("no log line with %q in:\n%s", parts, strings.Join(got, "\n"))
		}
	}
}

func containsAll(s string, parts []string) bool {
	for _, p := range parts {
		if !strings.Contains(s, p) {
			return false
		}
	}
	return true
}

// rig is a running router with its surroundings.
type rig struct {
	*Router
	source *fakeSource
	lines  *lines
	stop   func() error // ends Run and gives its error; may be called again
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func newRig(t testing.TB, cfg Config) *rig {
	t.Helper()
	g := &rig{source: newFakeSource(), lines: newLines()}
	orDefault(&cfg.HTTPAddr, "127.0.0.1:0")
	if cfg.Log == nil {
		cfg.Log = g.lines.add
	}
	r, err := New(cfg, g.source, quiet())
	if err != nil {
		t.Fatal(err)
	}
	g.Router = r
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	g.stop = sync.OnceValue(func() error {
		cancel()
		select {
		case err := <-done:
			return err
		case <-time.After(patience):
			return fmt.Errorf("Run did not return within %s", patience)
		}
	})
	t.Cleanup(func() {
		if err := g.stop(); err != nil {
			t.Error(err)
		}
	})
	return g
}

// serve publishes one route and waits until it is served.
func (g *rig) serve(t testing.TB, version int64, routes ...Route) {
	t.Helper()
	g.source.publish(Table{Version: version, Routes: routes})
	g.source.awaitVersion(t, version)
}

func appRoute(targets ...Target) Route {
	return Route{Host: "app.test", AppID: "id-1", App: "app", Targets: targets}
}

// newApp starts an app that answers with h.
func newApp(t testing.TB, h http.HandlerFunc) (Target, *httptest.Server) {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return Target{ID: "i-" + s.Listener.Addr().String(), Name: "web.1", Addr: s.Listener.Addr().String()}, s
}

// newRawApp starts an app that treats each connection by hand.
func newRawApp(t testing.TB, serve func(net.Conn)) Target {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer func() { _ = c.Close() }()
				serve(c)
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		wg.Wait()
	})
	return Target{ID: "raw-" + l.Addr().String(), Name: "web.1", Addr: l.Addr().String()}
}

// readHead reads one request head from an app's connection.
func readHead(c net.Conn) (string, *bufio.Reader) {
	r := bufio.NewReader(c)
	var b strings.Builder
	for {
		line, err := r.ReadString('\n')
		b.WriteString(line)
		if err != nil || line == "\r\n" {
			return b.String(), r
		}
	}
}

// deadTarget is an address that refuses connections.
func deadTarget(t testing.TB, id string) Target {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return Target{ID: id, Name: "web.2", Addr: addr}
}

func (g *rig) request(t testing.TB, method, path string, body io.Reader) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://"+g.Addr().String()+path, body)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = "app.test"
	return req
}

// client makes an HTTP client of its own connections.
func newClient(t testing.TB) *http.Client {
	tr := &http.Transport{MaxIdleConnsPerHost: 300, DisableCompression: true}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: patience, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

func (g *rig) do(t testing.TB, req *http.Request) (*http.Response, string) {
	t.Helper()
	resp, err := newClient(t).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

func (g *rig) get(t testing.TB, path string) (*http.Response, string) {
	t.Helper()
	return g.do(t, g.request(t, http.MethodGet, path, nil))
}

// dial opens a connection for raw bytes.
func (g *rig) dial(t testing.TB) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", g.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return c
}

func write(t testing.TB, c io.Writer, s string) {
	t.Helper()
	if _, err := io.WriteString(c, s); err != nil {
		t.Fatal(err)
	}
}

// rerouted dials one address whatever it is asked for.
type rerouted struct{ addr string }

func (r *rerouted) dial(ctx context.Context, network, _ string) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, network, r.addr)
}
