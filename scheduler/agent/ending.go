package agent

import (
	"context"
	"errors"
	"time"
)

// atOnce is how soon after the engine came back an end is taken to have come
// with the engine's.
const atOnce = time.Second

// ending is the end of a process, watched from its start, together with the
// reading of what it prints. Its fields are valid when c is closed.
type ending struct {
	c         chan struct{}
	container Container
	gone      bool // the container was removed by someone else
	lost      bool // the engine was away meanwhile

	read    chan struct{} // closed when the output was read to its end
	release context.CancelFunc
	flush   func(context.Context)
}

func (e *ending) reached() bool { return closed(e.c) }

// watch waits for the end and follows the output, each in a goroutine, until
// both are through or release is called.
func (i *instance) watch(ctx context.Context, c Container) *ending {
	ctx, cancel := context.WithCancel(ctx)
	e := &ending{c: make(chan struct{}), read: make(chan struct{}), release: cancel, flush: i.lane.flush}
	if c.Running {
		i.began.Store(c.Started.UnixNano())
		i.spawn(func() { i.await(ctx, e) })
	} else {
		e.container = c
		close(e.c)
	}
	i.spawn(func() {
		defer close(e.read)
		if !i.a.Attach { // its output is the client's
			i.follow(ctx)
		}
	})
	return e
}

// await waits for the end of the process, over restarts of the engine.
func (i *instance) await(ctx context.Context, e *ending) {
	defer i.began.Store(0)
	lost := false
	for pause := retryFirst; ctx.Err() == nil; pause = min(2*pause, retryLast) {
		began := time.Now()
		present, cancel := context.WithCancel(ctx)
		i.setLook(cancel)
		c, err := i.rt.Wait(present, i.a.ID)
		poked := present.Err() != nil
		cancel()
		switch {
		case err == nil:
			e.container = c
			e.lost = lost && time.Since(began) < atOnce
			close(e.c)
			return
		case errors.Is(err, ErrNoContainer):
			e.gone = true
			close(e.c)
			return
		case poked:
			pause = retryFirst
		default:
			lost = true
			_ = sleep(ctx, pause) // the loop looks at ctx
		}
	}
}

func (i *instance) setLook(f context.CancelFunc) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.look = f
}

// lookAgain makes await ask the engine anew.
func (i *instance) lookAgain() {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.look != nil {
		i.look()
	}
}

// drain waits, within a bound, until the end is known and the control plane
// was given the last line.
func (e *ending) drain(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, drainBound)
	defer cancel()
	for _, c := range []<-chan struct{}{e.c, e.read} {
		select {
		case <-c:
		case <-ctx.Done():
			e.release()
		}
	}
	e.flush(ctx)
}

// status tells of a process that ended without being told to.
func (e *ending) status(a Assignment) Status {
	s := Status{State: Crashed, ExitCode: e.container.ExitCode, OOM: e.container.OOM}
	if a.OneOff {
		s.State = Exited
		if e.gone {
			s.ExitCode = killed // nobody knows, but it was not 0
		}
	}
	switch {
	case e.gone:
		s.Reason, s.Platform = "its container was removed by someone else", true
	case e.lost && (s.ExitCode == killed || s.ExitCode == 128+15 || s.ExitCode == 0):
		s.Reason, s.Platform = "the container engine was restarted: "+exitReason(s, a), true
	default:
		s.Reason = exitReason(s, a)
	}
	s.Notes = exitNotes(s, a)
	return s
}
