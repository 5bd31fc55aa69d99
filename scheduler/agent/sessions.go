package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// early is how long a client that came before its one-off's assignment waits
// for it: the two are told apart from each other.
const early = 10 * time.Second

// roster finds instances for those who come from outside.
type roster struct {
	mu     sync.Mutex
	byID   map[string]*instance
	change chan struct{} // closed and replaced when one is added
}

func newRoster() *roster {
	return &roster{byID: map[string]*instance{}, change: make(chan struct{})}
}

func (r *roster) put(i *instance) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.byID[i.a.ID] = i
	close(r.change)
	r.change = make(chan struct{})
}

func (r *roster) drop(i *instance) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.byID[i.a.ID] == i {
		delete(r.byID, i.a.ID)
	}
}

// find gives an instance, nil when it is not there, and what tells of others.
func (r *roster) find(id string) (*instance, <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.byID[id], r.change
}

// receive serves the sessions that the control plane sends, each in a
// goroutine that Run waits for.
func (a *Agent) receive(ctx context.Context) {
	for s := range a.control.Sessions(ctx, a.cfg.Host) {
		s := s.complete()
		select {
		case a.guests <- struct{}{}:
			a.spawn(func() {
				defer func() { <-a.guests }()
				a.serve(ctx, s)
			})
		default:
			s.Ended(SessionEnd{Err: fmt.Errorf("the host serves %d sessions at once and no more; try again when one has ended", cap(a.guests))})
		}
	}
}

// complete fills in what a session left out.
func (s Session) complete() Session {
	s.IO = s.IO.complete()
	if s.Ended == nil {
		s.Ended = func(SessionEnd) {}
	}
	return s
}

func (a *Agent) serve(ctx context.Context, s Session) {
	log := a.log.With("instance", s.Instance, "session", s.Kind)
	log.Info("session begins")
	var end SessionEnd
	switch s.Kind {
	case Attach:
		a.attach(ctx, s)
		return
	case Exec:
		end = a.exec(ctx, s)
	case Forward:
		end.Err = a.forward(ctx, s)
	default:
		end.Err = fmt.Errorf("this host's agent knows no session of kind %q; is it of an older version than the server?", s.Kind)
	}
	log.Info("session ended", "exit", end.ExitCode, "err", end.Err)
	s.Ended(end)
}

// attach brings a client to the one-off that waits for it, and stays until it
// was told how that ended.
func (a *Agent) attach(ctx context.Context, s Session) {
	i, err := a.expect(ctx, s)
	if err != nil {
		s.Ended(SessionEnd{ExitCode: cannotRun, Err: err})
		return
	}
	v := newVisit(s)
	if err := i.admit(v); err != nil {
		v.tell(SessionEnd{ExitCode: cannotRun, Err: err})
		return
	}
	<-v.told // each way of an instance leads there
}

// expect waits a little for the instance of a client that came early.
func (a *Agent) expect(ctx context.Context, s Session) (*instance, error) {
	ctx, cancel := context.WithTimeout(ctx, early)
	defer cancel()
	for {
		i, change := a.roster.find(s.Instance)
		if i != nil {
			return i, nil
		}
		select {
		case <-change:
		case <-s.Gone:
			return nil, errors.New("the client went away")
		case <-ctx.Done():
			return nil, notHere(s.Instance)
		}
	}
}

func notHere(instance string) error {
	return fmt.Errorf("instance %s is not on this host any more, or not yet; see what runs with ps", instance)
}

// use runs f for as long as the client is there. name is the instance's.
func (a *Agent) use(ctx context.Context, s Session, f func(ctx context.Context, name string) error) error {
	i, _ := a.roster.find(s.Instance)
	if i == nil {
		return notHere(s.Instance)
	}
	ctx, cancel := context.WithCancel(ctx)
	left := make(chan struct{})
	go func() {
		defer close(left)
		select {
		case <-s.Gone:
			cancel()
		case <-ctx.Done():
		}
	}()
	err := f(ctx, i.a.Name)
	cancel()
	<-left
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ErrNoContainer), errors.Is(err, ErrNotRunning):
		return fmt.Errorf("%s is not running; see ps", i.a.Name)
	case closed(s.Gone):
		return errors.New("the client went away")
	}
	return err
}

func (a *Agent) exec(ctx context.Context, s Session) (end SessionEnd) {
	if len(s.Command) == 0 || s.Command[0] == "" {
		return SessionEnd{ExitCode: notFound, Err: errors.New("no command was given")}
	}
	end.Err = a.use(ctx, s, func(ctx context.Context, _ string) (err error) {
		end.ExitCode, err = a.rt.Exec(ctx, s.Instance, s.Command, s.Env, s.TTY, s.IO)
		return err
	})
	if end.Err != nil && end.ExitCode == 0 {
		end.ExitCode = cannotRun
	}
	return end
}

func (a *Agent) forward(ctx context.Context, s Session) error {
	if s.Port < 1 || s.Port > 65535 {
		return fmt.Errorf("%d is no port: it is a number from 1 to 65535", s.Port)
	}
	return a.use(ctx, s, func(ctx context.Context, name string) error {
		c, err := a.rt.Dial(ctx, s.Instance, s.Port)
		if err != nil {
			return fmt.Errorf("connect to port %d of %s: %w", s.Port, name, err)
		}
		return pass(ctx, c, s.IO)
	})
}

// pass carries bytes both ways until the instance has sent its last one.
func pass(ctx context.Context, c net.Conn, o IO) error {
	closing := context.AfterFunc(ctx, func() { _ = c.Close() })
	stop := o.Feed(c, func() {
		if h, ok := c.(interface{ CloseWrite() error }); ok {
			_ = h.CloseWrite() // when it fails so does the reading
		}
	})
	_, err := io.Copy(plainWriter{o.Out}, c)
	closing()
	_ = c.Close() // all was read
	stop()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// plainWriter hides ReadFrom, as plainReader does WriteTo.
type plainWriter struct{ io.Writer }
