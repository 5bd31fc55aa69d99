package router

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// echoSocket is an app that sends back what it gets over a WebSocket, and
// reports how each of them ended.
func echoSocket(t *testing.T, ended chan<- error) Target {
	app, _ := newApp(t, func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer func() { _ = c.CloseNow() }()
		c.SetReadLimit(1 << 20)
		for {
			kind, msg, err := c.Read(r.Context())
			if err != nil {
				ended <- err
				return
			}
			if err := c.Write(r.Context(), kind, msg); err != nil {
				ended <- err
				return
			}
		}
	})
	return app
}

func (g *rig) socket(t *testing.T) *websocket.Conn {
	t.Helper()
	c, _, err := websocket.Dial(t.Context(), "ws://"+g.Addr().String()+"/ws", &websocket.DialOptions{Host: "app.test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.CloseNow() })
	return c
}

func echo(t *testing.T, c *websocket.Conn, msg string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := c.Write(ctx, websocket.MessageText, []byte(msg)); err != nil {
		t.Fatal(err)
	}
	if _, got, err := c.Read(ctx); err != nil || string(got) != msg {
		t.Fatalf("%q %v", got, err)
	}
}

func wantGoingAway(t *testing.T, c *websocket.Conn) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if _, _, err := c.Read(ctx); websocket.CloseStatus(err) != websocket.StatusGoingAway {
		t.Errorf("the socket ended with %v, want status 1001", err)
	}
}

func TestWebSocketOutlivesItsInstanceUpToTheDrainTimeout(t *testing.T) {
	g := newRig(t, Config{Limits: Limits{DrainTimeout: 700 * time.Millisecond}})
	ended := make(chan error, 1)
	old := echoSocket(t, ended)
	fresh, _ := newApp(t, echoHead)
	g.serve(t, 1, appRoute(old))
	c := g.socket(t)
	c.SetReadLimit(1 << 20)
	echo(t, c, "hello")
	left := time.Now()
	g.source.publish(Table{Version: 2, Routes: []Route{appRoute(fresh)}})
	g.source.await(t, "the tunnel busy", func(a Ack) bool { return a.Version == 2 && a.Busy[old.ID] == 1 })
	for range 5 {
		echo(t, c, strings.Repeat("still here ", 10000))
	}
	wantGoingAway(t, c)
	if took := time.Since(left); took < 600*time.Millisecond {
		t.Errorf("cut after %s, before the drain timeout", took)
	}
	g.source.await(t, "nothing busy", func(a Ack) bool { return a.Version == 2 && len(a.Busy) == 0 })
	if err := <-ended; websocket.CloseStatus(err) != websocket.StatusGoingAway {
		t.Errorf("the app saw %v, want the client's answer to 1001", err)
	}
	g.lines.await(t, `at=info method=GET path="/ws"`, "status=101")
}

func TestTunnelsDoNotCountAgainstTheRequestLimit(t *testing.T) {
	g := newRig(t, Config{Limits: Limits{MaxInFlight: 2, MaxTunnels: 4}})
	ended := make(chan error, 10)
	g.serve(t, 1, appRoute(echoSocket(t, ended)))
	var open []*websocket.Conn
	for range 4 {
		open = append(open, g.socket(t))
	}
	for _, c := range open {
		echo(t, c, "x")
	}
	_, resp, err := websocket.Dial(t.Context(), "ws://"+g.Addr().String()+"/", &websocket.DialOptions{Host: "app.test"})
	if err == nil || resp == nil || resp.StatusCode != 503 {
		t.Errorf("a tunnel beyond the limit: %v, %v", resp, err)
	}
	if resp, _ := g.get(t, "/"); resp.StatusCode != http.StatusUpgradeRequired {
		t.Errorf("a plain request got %d", resp.StatusCode)
	}
}

func TestStopSaysGoodbyeToWebSockets(t *testing.T) {
	g := newRig(t, Config{})
	ended := make(chan error, 1)
	g.serve(t, 1, appRoute(echoSocket(t, ended)))
	c := g.socket(t)
	echo(t, c, "hello")
	stopped := make(chan error, 1)
	go func() { stopped <- g.stop() }()
	wantGoingAway(t, c)
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}

func TestIdleWebSocketEnds(t *testing.T) {
	g := newRig(t, Config{Limits: Limits{Idle: 200 * time.Millisecond}})
	ended := make(chan error, 1)
	g.serve(t, 1, appRoute(echoSocket(t, ended)))
	c := g.socket(t)
	echo(t, c, "hello")
	if _, _, err := c.Read(t.Context()); err == nil {
		t.Error("an idle socket went on")
	}
	g.lines.await(t, "code=H15", `path="/ws"`)
	<-ended
}

// A protocol that is not WebSocket passes as it is, also what the client sent
// right behind its request.
func TestOtherUpgradesAreTunnels(t *testing.T) {
	g := newRig(t, Config{Limits: Limits{DrainTimeout: 50 * time.Millisecond}})
	app := newRawApp(t, func(c net.Conn) {
		_, r := readHead(c)
		_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: shout\r\n\r\n")
		for {
			line, err := r.ReadString('\n')
			if err != nil {
				return
			}
			_, _ = io.WriteString(c, strings.ToUpper(line))
		}
	})
	g.serve(t, 1, appRoute(app))
	c := g.dial(t)
	write(t, c, "GET / HTTP/1.1\r\nHost: app.test\r\nConnection: Upgrade\r\nUpgrade: shout\r\n\r\nearly\n")
	r := bufio.NewReader(c)
	resp, err := http.ReadResponse(r, nil)
	if err != nil || resp.StatusCode != http.StatusSwitchingProtocols || resp.Header.Get("Upgrade") != "shout" {
		t.Fatalf("%+v %v", resp, err)
	}
	for _, want := range []string{"EARLY\n", "LATER\n"} {
		if got, err := r.ReadString('\n'); err != nil || got != want {
			t.Fatalf("%q %v", got, err)
		}
		write(t, c, "later\n")
	}
	g.serve(t, 2)
	if _, err := io.ReadAll(r); err != nil && !errors.Is(err, net.ErrClosed) {
		t.Logf("ended with %v", err) // cut: any end will do, but it must end
	}
	g.source.await(t, "nothing busy", func(a Ack) bool { return len(a.Busy) == 0 })
}

func TestHTTP2CleartextUpgradeIsNotPassedOn(t *testing.T) {
	g := newRig(t, Config{})
	app, _ := newApp(t, echoHead)
	g.serve(t, 1, appRoute(app))
	req := g.request(t, http.MethodGet, "/", nil)
	req.Header.Set("Connection", "Upgrade, HTTP2-Settings")
	req.Header.Set("Upgrade", "h2c")
	req.Header.Set("HTTP2-Settings", "AAMAAABkAARAAAAAAAIAAAAA")
	resp, body := g.do(t, req)
	if s := parseSeen(t, body); resp.StatusCode != 200 || s.Header.Get("Upgrade") != "" || s.Header.Get("Http2-Settings") != "" {
		t.Errorf("status %d, app saw %v", resp.StatusCode, s.Header)
	}
}

func TestFrameScannerStopsAtBoundaries(t *testing.T) {
	long := make([]byte, 70000)
	stream := append([]byte{0x81, 5}, "hello"...)                 // text, short
	stream = append(stream, 0x01, 126, 1, 0)                      // fragment of 256
	stream = append(stream, long[:256]...)                        //
	stream = append(stream, 0x89, 0)                              // ping, empty
	stream = append(stream, 0x80, 127, 0, 0, 0, 0, 0, 1, 17, 112) // 70000
	stream = append(stream, long...)
	ends := map[int]bool{7: true, 7 + 260: true, 7 + 262: true, len(stream): true, 0: true}
	for _, step := range []int{1, 2, 3, 7, 100, len(stream)} {
		var s frameScanner
		for at := 0; at < len(stream); at += step {
			end := min(at+step, len(stream))
			if n := s.feed(stream[at:end], false); n != end-at {
				t.Fatalf("kept back %d bytes", end-at-n)
			}
			if s.boundary() != ends[end] {
				t.Fatalf("step %d: boundary at %d is %v", step, end, s.boundary())
			}
		}
	}
	var s frameScanner
	s.feed(stream[:3], false)
	if n := s.feed(stream[3:], true); n != 4 {
		t.Errorf("passed %d bytes to the boundary, want 4", n)
	}
}
