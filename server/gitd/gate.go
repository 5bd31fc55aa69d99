package gitd

import (
	"io"
	"net"
	"net/netip"
	"sync"
	"time"
)

// gate counts connections: those of one address that have not proven a key
// yet, and all.
type gate struct {
	maxPending, maxConns int

	mu      sync.Mutex
	pending map[netip.Prefix]int
	conns   map[*guardConn]struct{}
	closed  bool
}

func newGate(maxPending, maxConns int) *gate {
	return &gate{maxPending: maxPending, maxConns: maxConns,
		pending: map[netip.Prefix]int{}, conns: map[*guardConn]struct{}{}}
}

// origin is what one client can be told by: an IPv4 address, an IPv6 /64.
func origin(a net.Addr) netip.Prefix {
	ap, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return netip.Prefix{}
	}
	ip := ap.Addr().Unmap().WithZone("")
	bits := 32
	if ip.Is6() {
		bits = 64
	}
	p, err := ip.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return p
}

// admit takes a connection in and starts its handshake's deadline. It gives
// nil when there are too many.
func (g *gate) admit(c net.Conn, handshake, idle time.Duration) *guardConn {
	from := origin(c.RemoteAddr())
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed || g.pending[from] >= g.maxPending || len(g.conns) >= g.maxConns {
		return nil
	}
	if err := c.SetDeadline(time.Now().Add(handshake)); err != nil {
		return nil
	}
	gc := &guardConn{Conn: c, gate: g, from: from, idle: idle, waiting: true}
	g.pending[from]++
	g.conns[gc] = struct{}{}
	return gc
}

// settle ends a connection's time as pending.
func (g *gate) settle(c *guardConn) {
	if !c.waiting {
		return
	}
	c.waiting = false
	if g.pending[c.from]--; g.pending[c.from] == 0 {
		delete(g.pending, c.from)
	}
}

func (g *gate) leave(c *guardConn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.settle(c)
	delete(g.conns, c)
}

func (g *gate) closeAll() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = true
	for c := range g.conns {
		c.hangUp()
	}
}

// guardConn keeps the deadlines of a connection: one for the handshake, one
// for idling. The SSH library sets and clears deadlines of its own with every
// read; those are ignored.
type guardConn struct {
	net.Conn
	gate    *gate
	from    netip.Prefix
	idle    time.Duration
	waiting bool // guarded by gate.mu

	mu      sync.Mutex
	running int
	refused int // keys
}

func (c *guardConn) SetDeadline(time.Time) error      { return nil }
func (c *guardConn) SetReadDeadline(time.Time) error  { return nil }
func (c *guardConn) SetWriteDeadline(time.Time) error { return nil }

func (c *guardConn) hangUp() { c.Conn.Close() } //nolint:errcheck // being thrown away

// proven lifts the handshake's deadline.
func (c *guardConn) proven() error {
	c.gate.mu.Lock()
	c.gate.settle(c)
	c.gate.mu.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.Conn.SetWriteDeadline(time.Time{}); err != nil {
		return err
	}
	return c.Conn.SetReadDeadline(time.Now().Add(c.idle))
}

// refuse counts a key that is not known.
func (c *guardConn) refuse() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refused++
	return c.refused
}

// begin says that a command runs: the connection may be silent. It is false
// when there are max of them already.
func (c *guardConn) begin(max int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.running >= max {
		return false
	}
	if c.running++; c.running == 1 {
		c.Conn.SetReadDeadline(time.Time{}) //nolint:errcheck // a closed connection is noticed by its reader
	}
	return true
}

func (c *guardConn) finish() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.running--; c.running == 0 {
		c.Conn.SetReadDeadline(time.Now().Add(c.idle)) //nolint:errcheck // as above
	}
}

// stallReader calls fire when one Read takes longer than limit.
type stallReader struct {
	r     io.Reader
	limit time.Duration
	fire  func()
}

func (s *stallReader) Read(p []byte) (int, error) {
	t := time.AfterFunc(s.limit, s.fire)
	defer t.Stop()
	return s.r.Read(p)
}

// stallWriter calls fire when one Write takes longer than limit: a pusher that
// stopped reading must not hold anyone up.
type stallWriter struct {
	w     io.Writer
	limit time.Duration
	fire  func()
}

func (s *stallWriter) Write(p []byte) (int, error) {
	t := time.AfterFunc(s.limit, s.fire)
	defer t.Stop()
	return s.w.Write(p)
}
