package router

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// closeGrace is how long the two ends of a WebSocket have to answer the close
// frame before the connection is cut.
const closeGrace = 2 * time.Second

// Hijack turns the exchange into a tunnel, for httputil.ReverseProxy after a
// "101 Switching Protocols".
func (x *exchange) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(x.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	x.status = http.StatusSwitchingProtocols
	t := &tunnel{
		Conn: conn, early: rw.Reader, x: x, done: make(chan struct{}),
		websocket: strings.EqualFold(x.in.Header.Get("Upgrade"), "websocket"),
	}
	x.tunnel.Store(t)
	x.router.fleet.addTunnel(x.target, t)
	return t, rw, nil
}

// tunnel is the client's side of an upgraded connection. What the app sends
// passes through Write, which keeps track of WebSocket frames so that the
// router can say goodbye between two of them.
type tunnel struct {
	net.Conn
	early     *bufio.Reader // may hold bytes the client sent right behind its request
	x         *exchange
	websocket bool
	bytes     atomic.Int64 // towards the client

	leaving sync.Once
	done    chan struct{} // closed by end

	mu     sync.Mutex // of Write and what follows
	frames frameScanner
	bye    bool // a close frame is due at the next boundary
	closed bool // it was sent; whatever the app still says is dropped
}

func (t *tunnel) Read(p []byte) (int, error) {
	t.x.dog.touch()
	if n := t.early.Buffered(); n > 0 {
		return t.early.Read(p[:min(n, len(p))])
	}
	n, err := t.Conn.Read(p)
	t.x.dog.touch()
	return n, err
}

func (t *tunnel) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.x.dog.touch()
	if t.closed {
		return len(p), nil
	}
	if !t.websocket {
		n, err := t.Conn.Write(p)
		t.bytes.Add(int64(n))
		return n, err
	}
	pass := t.frames.feed(p, t.bye)
	n, err := t.Conn.Write(p[:pass])
	t.bytes.Add(int64(n))
	if err != nil {
		return n, err
	}
	if t.bye && t.frames.boundary() {
		return len(p), t.sendClose()
	}
	return len(p), nil
}

// sendClose writes an unmasked close frame with status 1001, "going away".
func (t *tunnel) sendClose() error {
	t.closed = true
	_, err := t.Conn.Write([]byte{0x88, 2, 1001 >> 8, 1001 & 0xff})
	return err
}

// goAway ends the tunnel from our side: a WebSocket gets a close frame as soon
// as no other frame is under way and a moment to answer it, anything else is
// cut. It returns at once.
func (t *tunnel) goAway() {
	t.leaving.Do(func() {
		t.x.router.work.Add(1) // the request that owns the tunnel is still counted there
		go t.depart()
	})
}

func (t *tunnel) depart() {
	defer t.x.router.work.Add(-1)
	defer t.force()
	if !t.websocket {
		return
	}
	grace := time.NewTimer(closeGrace)
	defer grace.Stop()
	said := make(chan struct{})
	t.x.router.work.Add(1)
	go func() { // apart, because a client that does not read can hold Write, and so mu
		defer t.x.router.work.Add(-1)
		defer close(said)
		t.sayBye()
	}()
	select {
	case <-t.done:
	case <-grace.C:
	}
	t.force()
	<-said
}

func (t *tunnel) sayBye() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.bye = true
	if t.frames.boundary() {
		_ = t.sendClose() // on failure the connection is gone, which is what we want
	}
}

// force cuts both sides.
func (t *tunnel) force() {
	_ = t.Conn.Close()
	t.x.cancel(nil)
}

// end is called once by the exchange when nothing is copied any more.
func (t *tunnel) end() {
	t.x.target.removeTunnel(t)
	close(t.done)
}

// CloseWrite passes on that the app finished its side.
func (t *tunnel) CloseWrite() error { return closeWrite(t.Conn) }

// appTunnel is the app's side of an upgraded connection.
type appTunnel struct{ io.ReadWriteCloser }

// CloseWrite passes on that the client finished its side.
func (t appTunnel) CloseWrite() error {
	if cw, ok := t.ReadWriteCloser.(interface{ CloseWrite() error }); ok {
		return cw.CloseWrite()
	}
	return t.Close()
}
