package agent

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// lastOrders is how long an agent that stops is with those it has to end.
const lastOrders = 4 * time.Second

// visit is a client that came for an attached one-off.
type visit struct {
	Session
	leave  context.CancelFunc // ends the connection; set when it begins
	broken chan error         // tells that the client takes no output any more
	over   chan struct{}      // closed when the connection has ended
	err    error              // of the connection, valid then
	told   chan struct{}      // closed when the client knows how it ended
	once   sync.Once
}

func newVisit(s Session) *visit {
	return &visit{Session: s, broken: make(chan error, 1), over: make(chan struct{}), told: make(chan struct{})}
}

// breaks tells that the client takes no output any more; of no visit never.
func (v *visit) breaks() <-chan error {
	if v == nil {
		return nil
	}
	return v.broken
}

// gone is closed when the client went away; of no visit it is never.
func (v *visit) gone() <-chan struct{} {
	if v == nil {
		return nil
	}
	return v.Gone
}

// ended is closed when the connection has ended; of no visit there is none.
func (v *visit) ended() <-chan struct{} {
	if v == nil {
		return nil
	}
	return v.over
}

// tell says once how the session ended.
func (v *visit) tell(e SessionEnd) {
	v.once.Do(func() {
		v.Ended(e)
		close(v.told)
	})
}

// admit takes the one client that an attached one-off has.
func (i *instance) admit(v *visit) error {
	switch {
	case !i.a.Attach:
		return fmt.Errorf("%s was not started to be attached to; see its output with logs", i.a.Name)
	case i.visited.Swap(true):
		if why := i.refusal.Load(); why != nil {
			return *why
		}
		return fmt.Errorf("%s cannot be attached to any more: that can be done once, and within %s", i.a.Name, i.cfg.AttachWait)
	}
	i.visits <- v // has room: there is one
	return nil
}

// meet waits for the client, connects it, and starts the process. It is false
// when it did not come to that.
func (i *instance) meet(ctx context.Context) (Container, bool) {
	late := time.NewTimer(i.cfg.AttachWait)
	defer late.Stop()
	select {
	case i.visit = <-i.visits:
		if !closed(i.visit.Gone) {
			return i.connect(ctx)
		}
		close(i.visit.over)
		i.reportExit(Status{ExitCode: cannotRun, Reason: "it did not run: its client went away"})
		i.visit.tell(SessionEnd{ExitCode: cannotRun, Err: errors.New(i.said.Reason)})
	case <-late.C:
		i.reportExit(Status{ExitCode: cannotRun, Reason: fmt.Sprintf("it did not run: its client did not come within %s", i.cfg.AttachWait)})
	case <-i.stop:
	case <-ctx.Done():
	}
	return Container{}, false
}

// connect begins the connection of the client with the process. The instance
// does not wait for its end; partWith does.
func (i *instance) connect(ctx context.Context) (Container, bool) {
	v := i.visit
	// Of its own: when the agent stops the process goes first, see partWith.
	linked, cancel := context.WithCancel(context.WithoutCancel(ctx))
	v.leave = cancel
	ready := make(chan struct{})
	i.spawn(func() {
		defer close(v.over)
		v.err = i.rt.Attach(linked, i.a.ID, v.IO.Lasting(func(err error) { v.broken <- err }), func() { close(ready) })
	})
	// A client that leaves or an order that comes now is seen to once it runs:
	// whether it does must be known.
	select {
	case <-ready:
	case <-v.over:
	case <-ctx.Done():
		return Container{}, false
	}
	if !closed(ready) {
		i.notConnected(ctx)
		return Container{}, false
	}
	c := Container{Instance: i.a.ID, Running: true, Started: time.Now()}
	i.end = i.watch(ctx, c)
	return c, true
}

// notConnected reports an attached one-off whose process did not start.
func (i *instance) notConnected(ctx context.Context) {
	if ctx.Err() != nil {
		return
	}
	err := i.visit.err
	if err == nil {
		err = errors.New("attach: the connection ended before the process began")
	}
	s := Status{State: Exited, ExitCode: startCode(err), Reason: err.Error(), Platform: KindOf(err) != FaultApp}
	i.report(s)
	i.visit.tell(SessionEnd{ExitCode: s.ExitCode, Err: err})
}

// shutDoor sends away a client that came for a process which will not run.
func (i *instance) shutDoor() {
	if i.visit != nil {
		return
	}
	why := i.said.Reason
	if why == "" {
		why = "it was stopped before it ran"
	}
	err := fmt.Errorf("%s: %s", i.a.Name, why)
	i.refusal.Store(&err)
	if i.visited.Swap(true) {
		(<-i.visits).tell(SessionEnd{ExitCode: cannotRun, Err: err})
	}
}

// dismiss waits until the client has all output of a process that ended, and
// tells it how that was. One that does not take it is left to partWith.
func (i *instance) dismiss(ctx context.Context) {
	if i.visit == nil {
		return
	}
	select {
	case <-i.visit.over:
	case <-i.visit.Gone:
	case <-i.stop:
		return
	case <-ctx.Done():
		return
	}
	i.partWith(ctx)
}

// partWith ends the connection of the client, if there is one, when there is
// no process any more or nobody to be with it.
func (i *instance) partWith(ctx context.Context) {
	if i.visit == nil {
		return
	}
	if i.visit.leave != nil {
		i.endAbandoned(ctx)
		i.visit.leave()
	}
	<-i.visit.over
	i.visit.tell(i.farewell(ctx))
}

// endAbandoned ends a process that runs while its agent stops. Its client is
// about to be cut off, and a process that saw its input end would take half of
// it for the whole. What is not done here the next agent does.
func (i *instance) endAbandoned(ctx context.Context) {
	if ctx.Err() == nil || i.end != nil && i.end.reached() {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastOrders)
	defer cancel()
	if err := i.rt.End(ctx, i.a.ID, min(i.a.Grace, lastOrders/2)); err != nil {
		i.log.Warn("cannot end a one-off whose client is cut off", "err", err)
		return
	}
	_ = i.reporter.send(ctx, []Status{{ID: i.a.ID, State: Exited, ExitCode: terminate, Platform: true, Halted: true, At: time.Now(),
		Reason: "its client was cut off: the agent of its host was stopped"}}) // else the next agent says how it ended
}

// farewell is what the client is told.
func (i *instance) farewell(ctx context.Context) SessionEnd {
	exited := i.said.State == Exited
	end := SessionEnd{ExitCode: killed}
	if exited {
		end.ExitCode = i.said.ExitCode
	} else if i.end != nil && i.end.reached() {
		end.ExitCode = i.end.container.ExitCode
	}
	switch {
	case exited && (i.said.Halted || i.said.Platform):
		end.Err = fmt.Errorf("%s: %s", i.a.Name, i.said.Reason)
	case exited:
		end.Err = i.visit.err
	case ctx.Err() != nil:
		end.Err = fmt.Errorf("%s was cut off: the agent of its host is stopping", i.a.Name)
	default:
		end.Err = fmt.Errorf("%s was stopped", i.a.Name)
	}
	return end
}
