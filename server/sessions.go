package server

import (
	"context"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"paas/scheduler/agent"
)

const (
	// takeWithin is how long a host may take to take up a session.
	takeWithin = 10 * time.Second
	// endWithin is how long it may take to end one whose client has gone.
	endWithin      = 15 * time.Second
	maxSessions    = 1000 // of all apps
	maxAppSessions = 50
)

var errNoHost = &Error{ID: ErrUnavailable, Message: "The host of that dyno is not connected; nothing was started.", Next: "On the server: paas doctor"}

// Sessions brings people who want into an instance together with the agent of
// its host: Service.Open offers, Control.Sessions takes.
type Sessions struct {
	mu       sync.Mutex
	offers   map[string]chan agent.Session // by host
	byApp    map[string]int
	attached map[string]bool // by run
	total    int

	takeWithin, endWithin time.Duration
}

// NewSessions makes the hub; one is shared by Service and Control.
func NewSessions() *Sessions {
	return &Sessions{offers: map[string]chan agent.Session{}, byApp: map[string]int{}, attached: map[string]bool{},
		takeWithin: takeWithin, endWithin: endWithin}
}

// Sessions is agent.Control.
func (c *Control) Sessions(ctx context.Context, host string) <-chan agent.Session {
	return c.sessions.take(ctx, host)
}

// enter counts a session of an app; the function counts it out.
func (s *Sessions) enter(appID string) (leave func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byApp[appID] >= maxAppSessions {
		return nil, Errorf(ErrConflict, "The app has %d sessions open, which is the limit. Nothing was started.", s.byApp[appID])
	}
	if s.total >= maxSessions {
		return nil, Errorf(ErrUnavailable, "The platform has %d sessions open, which is its limit. Nothing was started.", s.total)
	}
	s.byApp[appID]++
	s.total++
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.total--
		if s.byApp[appID]--; s.byApp[appID] == 0 {
			delete(s.byApp, appID)
		}
	}, nil
}

// claim makes a session the one that a run is attached to.
func (s *Sessions) claim(r Run) (drop func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.attached[r.ID] {
		return nil, Errorf(ErrConflict, "%s is attached to another client already. Nothing was changed.", r.Name())
	}
	s.attached[r.ID] = true
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.attached, r.ID)
	}, nil
}

func (s *Sessions) host(id string) chan agent.Session {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.offers[id] == nil {
		s.offers[id] = make(chan agent.Session)
	}
	return s.offers[id]
}

// take hands what is offered for a host to its agent until ctx ends.
func (s *Sessions) take(ctx context.Context, host string) <-chan agent.Session {
	out := make(chan agent.Session)
	offers := s.host(host)
	go func() { // ends with ctx, which is the agent's: closing the channel tells it
		defer close(out)
		for {
			select {
			case offer := <-offers:
				select {
				case out <- offer:
				case <-offer.Gone:
					offer.Ended(agent.SessionEnd{Err: errNoHost})
				case <-time.After(s.takeWithin):
					offer.Ended(agent.SessionEnd{Err: errNoHost})
				case <-ctx.Done():
					offer.Ended(agent.SessionEnd{Err: errNoHost})
					return
				}
			case <-ctx.Done():
				return
			}
		}
	}()
	return out
}

// open offers a session on its host and waits for its end. When ctx ends the
// host is told that the client has gone, and its end is waited for a while.
func (s *Sessions) open(ctx context.Context, host string, se agent.Session) (agent.SessionEnd, error) {
	ended := make(chan agent.SessionEnd, 1)
	se.Ended = func(e agent.SessionEnd) {
		select {
		case ended <- e:
		default: // it is told once
		}
	}
	gone := make(chan struct{})
	se.Gone = gone
	leave := sync.OnceFunc(func() { close(gone) })
	defer leave()
	guard := &guard{}
	se.IO = guard.around(se.IO)
	defer guard.close()
	select {
	case s.host(host) <- se:
	case <-time.After(s.takeWithin):
		return agent.SessionEnd{}, errNoHost
	case <-ctx.Done():
		return agent.SessionEnd{}, ctx.Err()
	}
	select {
	case e := <-ended:
		return e, nil
	case <-ctx.Done():
	}
	leave()
	select {
	case <-ended:
	case <-time.After(s.endWithin):
	}
	return agent.SessionEnd{}, ctx.Err()
}

// guard keeps a session's streams from being used after it was closed. A read
// or write that hangs then is ended by the stream's owner, who closes it.
type guard struct{ closed atomic.Bool }

func (g *guard) close() { g.closed.Store(true) }

func (g *guard) around(s agent.IO) agent.IO {
	if c, ok := s.In.(io.Closer); ok {
		s.In = guardedReadCloser{guardedReader{g, s.In}, c}
	} else if s.In != nil {
		s.In = guardedReader{g, s.In}
	}
	if s.Out != nil {
		s.Out = guardedWriter{g, s.Out}
	}
	if s.Err != nil {
		s.Err = guardedWriter{g, s.Err}
	}
	return s
}

type guardedWriter struct {
	g *guard
	w io.Writer
}

func (w guardedWriter) Write(p []byte) (int, error) {
	if w.g.closed.Load() {
		return 0, io.ErrClosedPipe
	}
	return w.w.Write(p)
}

type guardedReader struct {
	g *guard
	r io.Reader
}

// guardedReadCloser lets the agent close an input that it reads no more.
type guardedReadCloser struct {
	guardedReader
	io.Closer
}

func (r guardedReader) Read(p []byte) (int, error) {
	if r.g.closed.Load() {
		return 0, io.ErrClosedPipe
	}
	return r.r.Read(p)
}
