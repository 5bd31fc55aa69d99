package router

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestRestartServesFromItsSnapshotAtOnce(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "table.json")
	app, _ := newApp(t, echoHead)
	first := newRig(t, Config{SnapshotFile: file})
	first.serve(t, 41, appRoute())
	first.serve(t, 42, appRoute(app))
	if err := first.stop(); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("snapshot: %v %v", info, err)
	}
	if left, err := filepath.Glob(file + ".tmp*"); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
	began := time.Now()
	second := newRig(t, Config{SnapshotFile: file}) // its source never speaks
	if resp, body := second.get(t, "/"); resp.StatusCode != 200 {
		t.Errorf("status %d, %q", resp.StatusCode, body)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("served after %s", took)
	}
	second.source.awaitVersion(t, 42)
}

// TestWithoutATableNoHostIsUnknown: until the first table came nothing is
// known about any host, whatever is (not) in the snapshot; after it, 404 again.
func TestWithoutATableNoHostIsUnknown(t *testing.T) {
	for what, snapshot := range map[string]string{
		"missing": "", "cut": `{"version": 3, "routes": [`, "null": "null", "no table": "{}", "zeros": "\x00\x00\x00",
	} {
		t.Run(what, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "table.json")
			if snapshot != "" {
				if err := os.WriteFile(file, []byte(snapshot), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			app, _ := newApp(t, echoHead)
			g := newRig(t, Config{SnapshotFile: file})
			resp, body := g.get(t, "/")
			if resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") != "1" ||
				resp.Header.Get("Cache-Control") != "no-store" || !containsAll(body, []string{"(H99)", "The router is starting"}) {
				t.Errorf("without a table: status %d, header %v, body %q", resp.StatusCode, resp.Header, body)
			}
			g.serve(t, 4, appRoute(app))
			if got, ok, err := readSnapshot(file); err != nil || !ok || got.Version != 4 {
				t.Errorf("snapshot %+v %v %v", got, ok, err)
			}
			g.serve(t, 5)
			if resp, _ := g.get(t, "/"); resp.StatusCode != http.StatusNotFound || resp.Header.Get("Retry-After") != "" {
				t.Errorf("with an empty table: status %d, header %v", resp.StatusCode, resp.Header)
			}
		})
	}
}

func TestUnwritableSnapshotDoesNotHoldUpTheAck(t *testing.T) {
	app, _ := newApp(t, echoHead)
	g := newRig(t, Config{SnapshotFile: filepath.Join(t.TempDir(), "missing", "table.json")})
	g.serve(t, 1, appRoute(app))
	if resp, _ := g.get(t, "/"); resp.StatusCode != 200 {
		t.Errorf("status %d", resp.StatusCode)
	}
}

func TestSecondRouteForAHostIsIgnored(t *testing.T) {
	g := newRig(t, Config{})
	first, _ := newApp(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "first") })
	second, _ := newApp(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "second") })
	g.serve(t, 1, appRoute(first), appRoute(second), Route{Host: "no host!", Targets: []Target{second}})
	if _, body := g.get(t, "/"); body != "first" {
		t.Errorf("body %q", body)
	}
}

func TestStopLetsRequestsFinish(t *testing.T) {
	g := newRig(t, Config{})
	arrived, release := make(chan struct{}), make(chan struct{})
	app, _ := newApp(t, func(w http.ResponseWriter, _ *http.Request) {
		close(arrived)
		<-release
		_, _ = io.WriteString(w, "finished")
	})
	g.serve(t, 1, appRoute(app))
	body := make(chan string, 1)
	go func() {
		resp, err := newClient(t).Do(g.request(t, http.MethodGet, "/", nil))
		if err != nil {
			body <- err.Error()
			return
		}
		defer func() { _ = resp.Body.Close() }()
		b, _ := io.ReadAll(resp.Body)
		body <- string(b)
	}()
	<-arrived
	stopped := make(chan error, 1)
	go func() { stopped <- g.stop() }()
	deadline := time.Now().Add(patience)
	for { // new connections are refused while the old request goes on
		c, err := net.Dial("tcp", g.Addr().String())
		if err != nil {
			break
		}
		_ = c.Close()
		if time.Now().After(deadline) {
			t.Fatal("still accepting")
		}
	}
	close(release)
	if got := <-body; got != "finished" {
		t.Errorf("body %q", got)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}

func TestStopCutsWhatDoesNotFinish(t *testing.T) {
	g := newRig(t, Config{Limits: Limits{StopTimeout: 100 * time.Millisecond}})
	arrived := make(chan struct{})
	app, _ := newApp(t, func(_ http.ResponseWriter, r *http.Request) {
		close(arrived)
		<-r.Context().Done()
	})
	g.serve(t, 1, appRoute(app))
	failed := make(chan error, 1)
	go func() {
		resp, err := newClient(t).Do(g.request(t, http.MethodGet, "/", nil))
		if err == nil {
			_ = resp.Body.Close()
		}
		failed <- err
	}()
	<-arrived
	if err := g.stop(); err != nil {
		t.Fatal(err)
	}
	if err := <-failed; err == nil {
		t.Error("a request that was cut looks complete")
	}
}

func TestNewRefusesWhatCannotWork(t *testing.T) {
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = busy.Close() }()
	for want, cfg := range map[string]Config{
		"HTTPAddr is empty":             {},
		"address already in use":        {HTTPAddr: busy.Addr().String()},
		"needs CertFile":                {HTTPAddr: "127.0.0.1:0", HTTPSAddr: ":0"},
		"read certificate":              {HTTPAddr: "127.0.0.1:0", HTTPSAddr: ":0", CertFile: "/none", KeyFile: "/none"},
		"is not a host name":            {HTTPAddr: "127.0.0.1:0", PlatformHost: "a b"},
		"limit Idle is negative":        {HTTPAddr: "127.0.0.1:0", Limits: Limits{Idle: -1}},
		"limit MaxInFlight is negative": {HTTPAddr: "127.0.0.1:0", Limits: Limits{MaxInFlight: -1}},
	} {
		r, err := New(cfg, newFakeSource(), quiet())
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("New: %v, want %q", err, want)
		}
		if r != nil {
			_ = r.Close()
		}
	}
}

func TestConnectionsBeyondTheLimitWait(t *testing.T) {
	g := newRig(t, Config{Limits: Limits{MaxConns: 2}})
	app, _ := newApp(t, echoHead)
	g.serve(t, 1, appRoute(app))
	a, b := g.dial(t), g.dial(t)
	for _, c := range []net.Conn{a, b} {
		write(t, c, "GET / HTTP/1.1\r\nHost: app.test\r\n\r\n")
		if _, err := c.Read(make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
	}
	answered := make(chan error, 1)
	go func() {
		resp, err := newClient(t).Do(g.request(t, http.MethodGet, "/", nil))
		if err == nil {
			err = resp.Body.Close()
		}
		answered <- err
	}()
	select {
	case err := <-answered:
		t.Fatalf("a third connection was served: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	_ = a.Close()
	if err := <-answered; err != nil {
		t.Fatal(err)
	}
}

func TestSlowHeadIsCut(t *testing.T) {
	g := newRig(t, Config{Limits: Limits{ReadHeader: 100 * time.Millisecond}})
	c := g.dial(t)
	write(t, c, "GET / HTTP/1.1\r\nHost: app.test\r\nX-Slow:")
	if b, err := io.ReadAll(c); err != nil && !errors.Is(err, net.ErrClosed) || strings.Contains(string(b), "200 OK") {
		t.Errorf("%q %v", b, err)
	}
}

// The source may be gone for good: serving goes on.
func TestSourceThatEnds(t *testing.T) {
	app, _ := newApp(t, echoHead)
	src := &endingSource{table: Table{Version: 1, Routes: []Route{appRoute(app)}}, acked: make(chan Ack, 1)}
	r, err := New(Config{HTTPAddr: "127.0.0.1:0"}, src, quiet())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	if a := <-src.acked; a.Version != 1 || a.Router != "router" {
		t.Errorf("%+v", a)
	}
	g := &rig{Router: r}
	if resp, _ := g.get(t, "/"); resp.StatusCode != 200 {
		t.Errorf("status %d", resp.StatusCode)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

type endingSource struct {
	table Table
	acked chan Ack
}

func (s *endingSource) Watch(context.Context, string) <-chan Table {
	c := make(chan Table, 1)
	c <- s.table
	close(c)
	return c
}

func (s *endingSource) Ack(a Ack) { s.acked <- a }

func BenchmarkProxy(b *testing.B) {
	app, _ := newApp(b, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, "Hello, world!")
	})
	g := newRig(b, Config{Log: func(string, time.Time, string) {}})
	g.serve(b, 1, appRoute(app))
	for _, bench := range []struct{ name, base, method, body string }{
		{"direct", "http://" + app.Addr, http.MethodGet, ""},
		{"GET", "http://" + g.Addr().String(), http.MethodGet, ""},
		{"POST", "http://" + g.Addr().String(), http.MethodPost, strings.Repeat("x", 1000)},
	} {
		b.Run(bench.name, func(b *testing.B) {
			client := newClient(b)
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if err := hello(client, bench.method, bench.base, bench.body); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}

func hello(client *http.Client, method, base, body string) error {
	req, err := http.NewRequest(method, base+"/", strings.NewReader(body))
	if err != nil {
		return err
	}
	req.Host = "app.test"
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if b, err := io.ReadAll(resp.Body); err != nil || string(b) != "Hello, world!" {
		return fmt.Errorf("%q %w", b, err)
	}
	return nil
}
