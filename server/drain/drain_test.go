package drain_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"paas/server"
	"paas/server/drain"
	"paas/server/logd"
)

// world is a real log store with drains on it.
type world struct {
	t    *testing.T
	logs *logd.Store
	bell *server.Bell

	mu     sync.Mutex
	drains []server.Drain
}

func (w *world) AllDrains(context.Context) ([]server.Drain, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]server.Drain(nil), w.drains...), nil
}

func (w *world) set(drains ...server.Drain) {
	w.mu.Lock()
	w.drains = drains
	w.mu.Unlock()
	w.bell.Ring(server.NoticeDrains)
}

func to(id, url string) server.Drain {
	return server.Drain{ID: id, AppID: "shop", App: "shop", Token: "d." + id, URL: url}
}

var loopback = &drain.Guard{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}

// begin runs a sender over drains until the test ends or stop is called.
func begin(t *testing.T, cfg drain.Config, drains ...server.Drain) (w *world, stop func()) {
	t.Helper()
	w = &world{t: t, bell: server.NewBell(), drains: drains}
	var err error
	w.logs, err = logd.New(logd.Config{Dir: t.TempDir()}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Guard == nil {
		cfg.Guard = loopback
	}
	if cfg.MinPause == 0 {
		cfg.MinPause, cfg.MaxPause = time.Millisecond, 10*time.Millisecond
	}
	s := drain.New(cfg, w, w.logs, w.bell, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(context.Background())
	logCtx, endLogs := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { _ = w.logs.Run(logCtx) })
	var running sync.WaitGroup
	running.Go(func() { _ = s.Run(ctx) })
	stop = sync.OnceFunc(func() { cancel(); running.Wait(); endLogs(); wg.Wait() })
	t.Cleanup(stop)
	<-s.Ready()
	return w, stop
}

func (w *world) say(n int) { w.sayText(fmt.Sprintf("line %d", n)) }

func (w *world) sayText(text string) {
	w.logs.Append(server.LogLine{AppID: "shop", At: time.Now(), Source: "app", Dyno: "web.1", Text: text})
}

// found are the lines of the app's log that hold text.
func (w *world) found(text string) (lines []string) {
	w.t.Helper()
	err := w.logs.Read(w.t.Context(), server.LogQuery{AppID: "shop", Text: text}, func(l server.LogLine) error {
		lines = append(lines, l.Text)
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return lines
}

// logged waits for a line of the app's log that holds text.
func (w *world) logged(text string) string {
	w.t.Helper()
	ctx, done := context.WithTimeout(w.t.Context(), 10*time.Second)
	defer done()
	found := ""
	_ = w.logs.Read(ctx, server.LogQuery{AppID: "shop", Text: text, Tail: true}, func(l server.LogLine) error {
		found = l.Text
		return io.EOF
	})
	if found == "" {
		w.t.Fatalf("no line of the log holds %q", text)
	}
	return found
}

// collector is a syslog server.
type collector struct {
	t     *testing.T
	l     net.Listener
	msgs  chan string
	conns chan net.Conn
}

func collect(t *testing.T, conf *tls.Config) *collector {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &collector{t: t, l: l, msgs: make(chan string, 100_000), conns: make(chan net.Conn, 100)}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			c.conns <- conn
			if conf != nil {
				conn = tls.Server(conn, conf)
			}
			wg.Go(func() { c.read(conn) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		for {
			select {
			case conn := <-c.conns:
				conn.Close()
				continue
			default:
			}
			break
		}
		wg.Wait()
	})
	return c
}

func (c *collector) read(conn net.Conn) {
	defer conn.Close()
	r := bufio.NewReader(conn)
	for {
		head, err := r.ReadString(' ')
		if err != nil {
			return
		}
		n, err := strconv.Atoi(strings.TrimSpace(head))
		if err != nil {
			c.t.Errorf("frame length %q", head)
			return
		}
		b := make([]byte, n)
		if _, err := io.ReadFull(r, b); err != nil {
			return
		}
		c.msgs <- string(b)
	}
}

func (c *collector) next() string {
	c.t.Helper()
	select {
	case m := <-c.msgs:
		return m
	case <-time.After(60 * time.Second):
		c.t.Fatal("the collector got nothing")
		return ""
	}
}

// want reads messages whose texts are these.
func (c *collector) want(texts ...string) {
	c.t.Helper()
	for _, want := range texts {
		if m := c.next(); !strings.HasSuffix(m, " - "+want+"\n") {
			c.t.Fatalf("got %q, want %q", m, want)
		}
	}
}

func TestSyslog(t *testing.T) {
	c := collect(t, nil)
	w, _ := begin(t, drain.Config{}, to("1", "syslog://"+c.l.Addr().String()))
	w.say(1)
	m := c.next()
	if !strings.HasPrefix(m, "<190>1 20") || !strings.HasSuffix(m, " d.1 app web.1 - line 1\n") {
		t.Errorf("%q", m)
	}
	for n := range 3000 {
		w.say(n)
	}
	for n := range 3000 {
		c.want(fmt.Sprintf("line %d", n))
	}
}

// TestCollectorComesBack: it closes its connections, goes away and returns;
// lines of that time arrive once it is there.
func TestCollectorComesBack(t *testing.T) {
	c := collect(t, nil)
	addr := c.l.Addr().String()
	w, _ := begin(t, drain.Config{}, to("1", "syslog://"+addr))
	w.say(1)
	c.want("line 1")
	(<-c.conns).Close()
	c.l.Close()
	// The closed connection is noticed before it is written to, or the write
	// after it fails: nothing can be said of a line in between, so one is said
	// that is allowed to be lost.
	for len(w.found("Error with drain d.1")) == 0 {
		w.sayText("maybe")
		time.Sleep(time.Millisecond)
	}
	text := w.logged("Error with drain d.1")
	// Which trouble comes first is the network's to say: the write that broke
	// or the connection that was refused after it.
	if !strings.Contains(text, "syslog://"+addr) {
		t.Errorf("%q", text)
	}
	w.say(2)
	w.say(3)
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	again := &collector{t: t, l: l, msgs: make(chan string, 100), conns: make(chan net.Conn, 10)}
	var wg sync.WaitGroup
	wg.Go(func() {
		conn, err := l.Accept()
		if err == nil {
			again.conns <- conn
			again.read(conn)
		}
	})
	defer wg.Wait()
	defer l.Close()
	m := again.next()
	for strings.Contains(m, "maybe") {
		m = again.next()
	}
	if !strings.HasSuffix(m, "line 2\n") {
		t.Errorf("%q: the drain's own trouble is not to be sent to it", m)
	}
	again.want("line 3")
	(<-again.conns).Close()
}

func certificate(t *testing.T) (*tls.Config, *x509.CertPool) {
	t.Helper()
	srv := httptest.NewTLSServer(nil)
	defer srv.Close()
	pool := x509.NewCertPool()
	pool.AddCert(srv.Certificate())
	return &tls.Config{Certificates: srv.TLS.Certificates}, pool
}

func TestSyslogTLS(t *testing.T) {
	conf, pool := certificate(t)
	c := collect(t, conf)
	url := "syslog+tls://" + c.l.Addr().String()
	w, stop := begin(t, drain.Config{RootCAs: pool}, to("1", url))
	w.say(1)
	c.want("line 1")
	stop()
	w, _ = begin(t, drain.Config{}, to("2", url)) // without the test's root
	w.say(2)
	if text := w.logged("drain d.2"); !strings.HasPrefix(text, "Error L14 (certificate validation): drain d.2: ") {
		t.Errorf("%q", text)
	}
}

// TestGuardStopsDelivery: a drain whose address is refused sends nothing, and
// says so.
func TestGuardStopsDelivery(t *testing.T) {
	c := collect(t, nil)
	_, port, _ := net.SplitHostPort(c.l.Addr().String())
	w, _ := begin(t, drain.Config{Guard: &drain.Guard{}}, to("1", "syslog://localhost:"+port))
	w.say(1)
	if text := w.logged("drain d.1"); !strings.Contains(text, "127.0.0.1 is this machine itself, where no log lines are sent") {
		t.Errorf("%q", text)
	}
	if len(c.conns) != 0 {
		t.Error("it was connected to")
	}
}

func TestDrainsComeAndGo(t *testing.T) {
	c := collect(t, nil)
	url := "syslog://" + c.l.Addr().String()
	w, _ := begin(t, drain.Config{})
	w.say(1)
	w.set(to("1", url))
	deadline := time.Now().Add(60 * time.Second)
	for len(c.msgs) == 0 && time.Now().Before(deadline) { // from some line on
		w.sayText("probe")
		time.Sleep(time.Millisecond)
	}
	if m := c.next(); !strings.HasSuffix(m, "probe\n") {
		t.Fatalf("%q", m)
	}
	w.set()
	conn := <-c.conns
	w.t.Cleanup(func() { conn.Close() })
	for !closed(conn) && time.Now().Before(deadline) {
		time.Sleep(time.Millisecond)
	}
	for len(c.msgs) > 0 {
		<-c.msgs
	}
	w.say(2)
	w.set(to("2", url))
	for len(c.msgs) == 0 && time.Now().Before(deadline) {
		w.sayText("probe 2")
		time.Sleep(time.Millisecond)
	}
	if m := c.next(); !strings.Contains(m, " d.2 app ") || !strings.HasSuffix(m, "probe 2\n") {
		t.Fatalf("%q", m)
	}
}

func closed(conn net.Conn) bool {
	_, err := conn.Write([]byte("x"))
	return err != nil
}

// TestStopSendsWhatWaits: a stop of the platform sends what is there.
func TestStopSendsWhatWaits(t *testing.T) {
	c := collect(t, nil)
	w, stop := begin(t, drain.Config{}, to("1", "syslog://"+c.l.Addr().String()))
	for n := range 500 {
		w.say(n)
	}
	w.sayText("last")
	c.want("line 0")
	stop()
	for n := 1; n < 500; n++ {
		c.want(fmt.Sprintf("line %d", n))
	}
	c.want("last")
}
