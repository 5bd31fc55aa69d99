package fleet

import (
	"container/list"
	"net"
	"net/http"
	"sync"
	"time"

	"paas/server"
)

// What one host may have under way at once. An agent of ours has a few; one
// that was broken into does not use up the control plane's memory.
const (
	maxMessages = 16 // each of at most maxBody
	maxReports  = 2  // each is a transaction for every status; an agent sends one after the other
	maxPulls    = 64
	maxAsks     = 1000 // without a body; an agent that begins asks for each instance
	maxCares    = 8    // about its own key and machine; an agent does one after the other

	// tellsPerMinute is how often a host may say anew what it has: when that has
	// changed, all apps are looked at.
	tellsPerMinute = 10
	// opensPerMinute is how often a host may begin a stream, for which all that
	// it is to run is read: an agent waits longer with each that breaks off.
	opensPerMinute = 300
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
func (s *Server) within(c *counts, most int, serve func(t *term, w http.ResponseWriter, r *http.Request, host string)) http.HandlerFunc {
	return s.forHost(func(t *term, w http.ResponseWriter, r *http.Request, host string) {
		if !c.enter(host, most) {
			s.answer(w, r, nil, server.Errorf(server.ErrRate, "This host has %d requests under way, which is the limit.", most))
			return
		}
		defer c.leave(host)
		serve(t, w, r, host)
	})
}

// opening begins a host's stream unless it has begun too many.
func (s *Server) opening(serve func(t *term, w http.ResponseWriter, r *http.Request, host string)) http.HandlerFunc {
	return s.forHost(func(t *term, w http.ResponseWriter, r *http.Request, host string) {
		if !s.opens.allow(host, time.Now()) {
			s.answer(w, r, nil, server.Errorf(server.ErrRate, "This host has begun %d streams in a minute, which is the limit.", opensPerMinute))
			return
		}
		serve(t, w, r, host)
	})
}

// caring says whether a host or router may have one more request under way about
// its own key and machine: their bodies may come slowly. Then leave is called.
func (s *Server) caring(id string) (leave func(), err error) {
	if !s.cares.enter(id, maxCares) {
		return nil, server.Errorf(server.ErrRate, "There are %d such requests under way already, which is the limit. Nothing was changed.", maxCares)
	}
	return func() { s.cares.leave(id) }, nil
}

// bounded closes connections beyond its limits at once, and those of strangers
// after a while. They have a room of their own: however many come, there is
// room for a host that comes again, since a new one takes the place of the one
// that has been there longest.
type bounded struct {
	net.Listener
	all, strangers room
	patience       time.Duration // with strangers
	lobby          lobby
}

// strangerLimit is how long a connection may be of nobody known: joining takes
// less.
const strangerLimit = 30 * time.Second

func newBounded(l net.Listener, most, perAddr int) *bounded {
	return &bounded{Listener: l, all: newRoom(most, perAddr), strangers: newRoom(max(most/4, 4), max(perAddr/8, 4)), patience: strangerLimit}
}

func (b *bounded) Accept() (net.Conn, error) {
	for {
		c, err := b.Listener.Accept()
		if err != nil {
			return nil, err
		}
		who := whoseLimit(c.RemoteAddr().String())
		if b.take(who) {
			return b.guest(c, who), nil
		}
		_ = c.Close() // an agent tries again
	}
}

func (b *bounded) take(who string) bool {
	if !b.strangers.take(who, b.lobby.turnOut) {
		return false
	}
	if !b.all.take(who, nil) {
		b.strangers.give(who)
		return false
	}
	return true
}

func (b *bounded) guest(c net.Conn, who string) *boundedConn {
	g := &boundedConn{Conn: c, free: sync.OnceFunc(func() { b.all.give(who) })}
	late := time.AfterFunc(b.patience, func() { _ = c.Close() }) // whoever serves it closes it too
	leave := b.lobby.enter(g)
	g.known = sync.OnceFunc(func() {
		late.Stop()
		leave()
		b.strangers.give(who)
	})
	return g
}

// lobby are the strangers, who has been there longest first.
type lobby struct {
	mu     sync.Mutex
	guests list.List // of *boundedConn
}

func (l *lobby) enter(g *boundedConn) (leave func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.guests.PushBack(g)
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.guests.Remove(e) // it may be out already
	}
}

// turnOut closes the first connection; false when there is none.
func (l *lobby) turnOut() bool {
	l.mu.Lock()
	first := l.guests.Front()
	if first != nil {
		l.guests.Remove(first)
	}
	l.mu.Unlock()
	if first == nil {
		return false
	}
	_ = first.Value.(*boundedConn).Close() // whoever serves it closes it too
	return true
}

// room is for so many, and so many of one address.
type room struct {
	slots   chan struct{}
	perAddr int
	addrs   *counts
}

func newRoom(most, perAddr int) room {
	return room{slots: make(chan struct{}, most), perAddr: perAddr, addrs: &counts{}}
}

// take gives a place to one of an address. Where all are taken, another may be
// turned out for it.
func (r room) take(who string, turnOut func() bool) bool {
	if !r.addrs.enter(who, r.perAddr) {
		return false
	}
	for {
		select {
		case r.slots <- struct{}{}:
			return true
		default:
		}
		if turnOut == nil || !turnOut() {
			r.addrs.leave(who)
			return false
		}
	}
}

func (r room) give(who string) {
	<-r.slots
	r.addrs.leave(who)
}

type boundedConn struct {
	net.Conn
	free  func()
	known func() // it is of a host
}

func (c *boundedConn) Close() error {
	c.known() // no stranger any more either
	c.free()
	return c.Conn.Close()
}
