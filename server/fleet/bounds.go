package fleet

import (
	"net"
	"net/http"
	"sync"

	"paas/server"
)

// What one host may have under way at once. An agent of ours has a few; one
// that was broken into does not use up the control plane's memory.
const (
	maxMessages = 16 // each of at most maxBody
	maxPulls    = 64
	maxAsks     = 1000 // without a body; an agent that begins asks for each instance
)

// counts are how many of something each has.
type counts struct {
	mu sync.Mutex
	of map[string]int
}

// enter counts one more; false when there are most already.
func (c *counts) enter(who string, most int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.of == nil {
		c.of = map[string]int{}
	}
	if c.of[who] >= most {
		return false
	}
	c.of[who]++
	return true
}

func (c *counts) leave(who string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.of[who]--; c.of[who] <= 0 {
		delete(c.of, who)
	}
}

// within serves a host's request unless it has too many of the kind under way.
func (s *Server) within(c *counts, most int, serve func(w http.ResponseWriter, r *http.Request, host string)) http.HandlerFunc {
	return s.forHost(func(w http.ResponseWriter, r *http.Request, host string) {
		if !c.enter(host, most) {
			s.answer(w, r, nil, server.Errorf(server.ErrRate, "This host has %d requests under way, which is the limit.", most))
			return
		}
		defer c.leave(host)
		serve(w, r, host)
	})
}

// bounded closes connections beyond its limits at once, so that strangers
// leave room for hosts.
type bounded struct {
	net.Listener
	slots   chan struct{}
	perAddr int
	addrs   counts
}

func newBounded(l net.Listener, most, perAddr int) net.Listener {
	return &bounded{Listener: l, slots: make(chan struct{}, most), perAddr: perAddr}
}

func (b *bounded) Accept() (net.Conn, error) {
	for {
		c, err := b.Listener.Accept()
		if err != nil {
			return nil, err
		}
		addr, _, err := net.SplitHostPort(c.RemoteAddr().String())
		if err == nil && b.take(addr) {
			return &boundedConn{Conn: c, free: sync.OnceFunc(func() { b.give(addr) })}, nil
		}
		_ = c.Close() // an agent tries again
	}
}

func (b *bounded) take(addr string) bool {
	if !b.addrs.enter(addr, b.perAddr) {
		return false
	}
	select {
	case b.slots <- struct{}{}:
		return true
	default:
		b.addrs.leave(addr)
		return false
	}
}

func (b *bounded) give(addr string) {
	<-b.slots
	b.addrs.leave(addr)
}

type boundedConn struct {
	net.Conn
	free func()
}

func (c *boundedConn) Close() error {
	c.free()
	return c.Conn.Close()
}
