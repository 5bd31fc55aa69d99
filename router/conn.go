package router

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// slotConn gives its place among MaxConns back when it closes.
type slotConn struct {
	net.Conn
	once    sync.Once
	release func()
}

func (c *slotConn) Close() error {
	c.once.Do(c.release)
	return c.Conn.Close()
}

func (c *slotConn) CloseWrite() error { return closeWrite(c.Conn) }

func closeWrite(c net.Conn) error {
	if cw, ok := c.(interface{ CloseWrite() error }); ok {
		return cw.CloseWrite()
	}
	return c.Close()
}

// lingerTime is how long a connection that is closed with unread input stays
// half open: closing it at once would reset it, and the client could lose the
// end of the answer.
const lingerTime = 500 * time.Millisecond

// guardConn is a client's HTTP/1 connection. It watches the framing (see
// headScanner), bounds how long a write may block, and can stop its input when
// an answer is complete before the request is.
type guardConn struct {
	net.Conn
	heads     headScanner
	writeIdle time.Duration
	served    int64 // requests that reached the handler; one at a time on HTTP/1
	final     bool  // the connection ends with the present request; of the handler too
	deaf      atomic.Bool
	mute      atomic.Bool
}

func newGuardConn(c net.Conn, l Limits) *guardConn {
	return &guardConn{Conn: c, writeIdle: l.Idle, heads: headScanner{limit: l.MaxHeaderBytes + 8<<10}}
}

func (c *guardConn) Read(p []byte) (int, error) {
	if c.deaf.Load() {
		return 0, io.EOF
	}
	n, err := c.Conn.Read(p)
	if c.deaf.Load() && errors.Is(err, os.ErrDeadlineExceeded) {
		return 0, io.EOF
	}
	c.heads.feed(p[:n])
	return n, err
}

func (c *guardConn) Write(p []byte) (int, error) {
	if c.mute.Load() {
		return 0, os.ErrDeadlineExceeded
	}
	if err := c.SetWriteDeadline(time.Now().Add(c.writeIdle)); err != nil {
		return 0, err
	}
	// Asked again, because stopWriting may have come between the first
	// question and the deadline just set.
	if c.mute.Load() {
		return 0, os.ErrDeadlineExceeded
	}
	return c.Conn.Write(p)
}

// stopReading ends the input for good. A deadline alone would not do: net/http
// lifts it for the next request, and what is left of this request's body would
// be read as one.
func (c *guardConn) stopReading() {
	c.deaf.Store(true)
	_ = c.SetReadDeadline(time.Unix(1, 0)) // wakes a pending Read; fails only on a closed connection
}

// stopWriting makes a pending and every later Write fail.
func (c *guardConn) stopWriting() {
	c.mute.Store(true)
	_ = c.SetWriteDeadline(time.Unix(1, 0))
}

// reset drops the connection so that the client cannot take what it got for
// all: without an end of TLS, and with a TCP reset.
func (c *guardConn) reset() {
	c.stopWriting()
	raw := c.Conn
	if t, ok := raw.(*tls.Conn); ok {
		raw = t.NetConn()
	}
	if s, ok := raw.(*slotConn); ok {
		if t, ok := s.Conn.(*net.TCPConn); ok {
			_ = t.SetLinger(0)
		}
	}
	_ = raw.Close()
}

func (c *guardConn) CloseWrite() error { return closeWrite(c.Conn) }

func (c *guardConn) Close() error {
	if c.deaf.Load() && !c.mute.Load() && c.CloseWrite() == nil {
		_ = c.SetReadDeadline(time.Now().Add(lingerTime))
		_, _ = io.CopyN(io.Discard, c.Conn, 1<<20) // only to take what is in flight
	}
	return c.Conn.Close()
}

// tlsGuardConn is a guardConn over TLS; net/http finds the TLS state by this
// method and fills Request.TLS.
type tlsGuardConn struct {
	*guardConn
	state tls.ConnectionState
}

func (c *tlsGuardConn) ConnectionState() tls.ConnectionState { return c.state }
func (c *tlsGuardConn) guard() *guardConn                    { return c.guardConn }
func (c *guardConn) guard() *guardConn                       { return c }
