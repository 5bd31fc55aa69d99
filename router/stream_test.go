package router

import (
	"bufio"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestServerSentEventsArriveOneByOne(t *testing.T) {
	g := newRig(t, Config{})
	next := make(chan string)
	app, _ := newApp(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		w.WriteHeader(200)
		_ = http.NewResponseController(w).Flush()
		for s := range next {
			_, _ = fmt.Fprintf(w, "data: %s\n\n", s)
			_ = http.NewResponseController(w).Flush()
		}
	})
	g.serve(t, 1, appRoute(app))
	resp, err := newClient(t).Do(g.request(t, http.MethodGet, "/", nil)) // returns at the head, before any event
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	r := bufio.NewReader(resp.Body)
	for i := range 3 {
		next <- fmt.Sprint(i) // the app says more only after this arrived
		line, err := r.ReadString('\n')
		if err != nil || line != fmt.Sprintf("data: %d\n", i) {
			t.Fatalf("event %d: %q, %v", i, line, err)
		}
		if _, err := r.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}
	close(next)
	if _, err := io.ReadAll(r); err != nil {
		t.Fatal(err)
	}
}

// slowly known length: the same must hold when the app announced a length.
func TestKnownLengthIsStreamedToo(t *testing.T) {
	g := newRig(t, Config{})
	next := make(chan struct{})
	app, _ := newApp(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "2")
		_, _ = io.WriteString(w, "a")
		_ = http.NewResponseController(w).Flush()
		<-next
		_, _ = io.WriteString(w, "b")
	})
	g.serve(t, 1, appRoute(app))
	resp, err := newClient(t).Do(g.request(t, http.MethodGet, "/", nil))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	b := make([]byte, 1)
	if _, err := io.ReadFull(resp.Body, b); err != nil || b[0] != 'a' {
		t.Fatalf("%q %v", b, err)
	}
	close(next)
	if rest, err := io.ReadAll(resp.Body); err != nil || string(rest) != "b" {
		t.Fatalf("%q %v", rest, err)
	}
}

func TestBothDirectionsStreamAtOnce(t *testing.T) {
	g := newRig(t, Config{})
	app, _ := newApp(t, func(w http.ResponseWriter, r *http.Request) {
		rc := http.NewResponseController(w)
		_ = rc.EnableFullDuplex()
		w.WriteHeader(200)
		_ = rc.Flush()
		lines := bufio.NewScanner(r.Body)
		for lines.Scan() {
			_, _ = fmt.Fprintf(w, "echo %s\n", lines.Text())
			_ = rc.Flush()
		}
	})
	g.serve(t, 1, appRoute(app))
	pr, pw := io.Pipe()
	resp, err := newClient(t).Do(g.request(t, http.MethodPost, "/", pr))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	r := bufio.NewReader(resp.Body)
	for i := range 3 {
		write(t, pw, fmt.Sprintf("%d\n", i))
		if line, err := r.ReadString('\n'); err != nil || line != fmt.Sprintf("echo %d\n", i) {
			t.Fatalf("%q %v", line, err)
		}
	}
	_ = pw.Close()
	if rest, err := io.ReadAll(r); err != nil || len(rest) > 0 {
		t.Fatalf("%q %v", rest, err)
	}
}

func TestBigBodiesPassInConstantMemory(t *testing.T) {
	const size = 128 << 20
	g := newRig(t, Config{})
	app, _ := newApp(t, func(w http.ResponseWriter, r *http.Request) {
		sum := sha256.New()
		n, err := io.Copy(sum, r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("X-Up", fmt.Sprintf("%d %x", n, sum.Sum(nil)))
		_, _ = io.Copy(w, noise(n))
	})
	g.serve(t, 1, appRoute(app))
	want := sha256.New()
	if _, err := io.Copy(want, noise(size)); err != nil {
		t.Fatal(err)
	}
	sum := fmt.Sprintf("%x", want.Sum(nil))
	peak := watchHeap(t)
	for _, chunked := range []bool{false, true} {
		req := g.request(t, http.MethodPut, "/", io.NopCloser(noise(size)))
		if !chunked {
			req.ContentLength = size
		}
		resp, err := newClient(t).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		down := sha256.New()
		n, err := io.Copy(down, resp.Body)
		_ = resp.Body.Close()
		if err != nil || n != size || fmt.Sprintf("%x", down.Sum(nil)) != sum || resp.Header.Get("X-Up") != fmt.Sprintf("%d %s", size, sum) {
			t.Fatalf("chunked %v: up %q, down %d bytes, err %v", chunked, resp.Header.Get("X-Up"), n, err)
		}
	}
	if p := peak(); p > 32<<20 {
		t.Errorf("the heap grew by %d MB for a %d MB body", p>>20, size>>20)
	}
}

func noise(n int64) io.Reader {
	return io.LimitReader(rand.NewChaCha8([32]byte{1}), n)
}

// watchHeap samples the live heap until the returned function is called, which
// gives the growth at its highest.
func watchHeap(t *testing.T) func() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	base, high := int64(m.HeapAlloc), int64(m.HeapAlloc)
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
				runtime.ReadMemStats(&m)
				high = max(high, int64(m.HeapAlloc))
			}
		}
	}()
	end := sync.OnceFunc(func() { close(stop); <-done })
	t.Cleanup(end)
	return func() int64 { end(); return high - base }
}

func TestExpectContinue(t *testing.T) {
	g := newRig(t, Config{})
	app, _ := newApp(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/no" {
			w.WriteHeader(http.StatusExpectationFailed)
			return
		}
		echoHead(w, r)
	})
	g.serve(t, 1, appRoute(app))
	t.Run("wanted", func(t *testing.T) {
		c := g.dial(t)
		write(t, c, "PUT / HTTP/1.1\r\nHost: app.test\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
		r := bufio.NewReader(c)
		if line, err := r.ReadString('\n'); err != nil || !strings.HasPrefix(line, "HTTP/1.1 100") {
			t.Fatalf("%q %v", line, err)
		}
		_, _ = r.ReadString('\n')
		write(t, c, "hello")
		resp, err := http.ReadResponse(r, nil)
		// The app's own "100 Continue" may be passed on behind the router's: a
		// client takes one or more of them (RFC 9110, 15.2).
		for err == nil && resp.StatusCode == http.StatusContinue {
			resp, err = http.ReadResponse(r, nil)
		}
		if err != nil || resp.StatusCode != 200 {
			t.Fatalf("%+v %v", resp, err)
		}
		body, _ := io.ReadAll(resp.Body)
		if s := parseSeen(t, string(body)); s.Body != "hello" {
			t.Errorf("body %q", s.Body)
		}
	})
	t.Run("refused", func(t *testing.T) {
		c := g.dial(t)
		write(t, c, "PUT /no HTTP/1.1\r\nHost: app.test\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil || resp.StatusCode != http.StatusExpectationFailed {
			t.Fatalf("%+v %v", resp, err)
		}
	})
}

func TestHTTP10Client(t *testing.T) {
	g := newRig(t, Config{})
	app, _ := newApp(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "part one, ")
		_ = http.NewResponseController(w).Flush() // chunked from the app
		_, _ = io.WriteString(w, "part two")
	})
	g.serve(t, 1, appRoute(app))
	c := g.dial(t)
	write(t, c, "GET / HTTP/1.0\r\nHost: app.test\r\n\r\n")
	all, err := io.ReadAll(c)
	if err != nil {
		t.Fatal(err)
	}
	if s := string(all); !strings.HasPrefix(s, "HTTP/1.0 200 OK\r\n") || !strings.HasSuffix(s, "\r\n\r\npart one, part two") || strings.Contains(s, "chunked") {
		t.Errorf("answer %q", s)
	}
}

// An app that breaks off must never look complete to the client.
func TestTruncatedAnswerIsNotACleanEnd(t *testing.T) {
	for name, head := range map[string]string{
		"length":  "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc",
		"chunked": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			g := newRig(t, Config{})
			app := newRawApp(t, func(c net.Conn) {
				_, _ = readHead(c)
				_, _ = io.WriteString(c, head)
			})
			g.serve(t, 1, appRoute(app))
			resp, err := newClient(t).Do(g.request(t, http.MethodGet, "/", nil))
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = resp.Body.Close() }()
			if body, err := io.ReadAll(resp.Body); err == nil {
				t.Errorf("a clean end after %q", body)
			}
			g.lines.await(t, "at=error code=H18", "status=503", "bytes=3", "dyno=web.1")

			c := g.dial(t)
			write(t, c, "GET / HTTP/1.0\r\nHost: app.test\r\n\r\n")
			if body, err := io.ReadAll(c); err == nil && !strings.Contains(string(body), "Content-Length: 100") {
				t.Errorf("a clean end for HTTP/1.0 after %q", body)
			}
		})
	}
}

func TestClientThatLeaves(t *testing.T) {
	g := newRig(t, Config{})
	arrived, gone := make(chan struct{}), make(chan struct{})
	app, _ := newApp(t, func(_ http.ResponseWriter, r *http.Request) {
		close(arrived)
		<-r.Context().Done() // the app is told
		close(gone)
	})
	g.serve(t, 1, appRoute(app))
	c := g.dial(t)
	write(t, c, "GET /left HTTP/1.1\r\nHost: app.test\r\n\r\n")
	<-arrived
	_ = c.Close()
	<-gone
	g.lines.await(t, `at=error code=H27 desc="Client Request Interrupted" method=GET path="/left"`, "status=499")
}

func TestClientThatLeavesDuringItsUpload(t *testing.T) {
	g := newRig(t, Config{})
	app, _ := newApp(t, func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) })
	g.serve(t, 1, appRoute(app))
	c := g.dial(t)
	write(t, c, "POST /up HTTP/1.1\r\nHost: app.test\r\nContent-Length: 1000\r\n\r\nabc")
	_ = c.Close()
	g.lines.await(t, "code=H27", `path="/up"`)
}

// An app may answer without reading the body; the client gets the answer, and
// the rest of the body is never taken for a request.
func TestEarlyAnswerToALongUpload(t *testing.T) {
	g := newRig(t, Config{})
	app, _ := newApp(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/smuggled" {
			t.Error("a piece of a body became a request")
		}
		w.Header().Set("Connection", "close")
		http.Error(w, "too big", http.StatusRequestEntityTooLarge)
	})
	g.serve(t, 1, appRoute(app))
	c := g.dial(t)
	write(t, c, "POST / HTTP/1.1\r\nHost: app.test\r\nContent-Length: 100000\r\n\r\n"+strings.Repeat("x", 1000))
	r := bufio.NewReader(c)
	resp, err := http.ReadResponse(r, nil)
	if err != nil || resp.StatusCode != http.StatusRequestEntityTooLarge {
		t.Fatalf("%+v %v", resp, err)
	}
	if body, err := io.ReadAll(resp.Body); err != nil || string(body) != "too big\n" {
		t.Fatalf("%q %v", body, err)
	}
	_, _ = io.WriteString(c, "GET /smuggled HTTP/1.1\r\nHost: app.test\r\n\r\n") // may fail: it is closing
	if rest, _ := io.ReadAll(r); len(rest) > 0 {
		t.Errorf("a second answer: %q", rest)
	}
}
