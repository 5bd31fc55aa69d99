package agent

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

const (
	retryFirst = 50 * time.Millisecond // first pause before an engine call is repeated
	retryLast  = 5 * time.Second       // longest
	// drainBound is how long the last lines of a process that ended may take
	// before its end is reported without them.
	drainBound = 5 * time.Second
	killed     = 128 + 9 // exit code of a process that SIGKILL ended
)

// instance is one assignment on its way from start to removal. One goroutine
// walks it through:
//
//	start ──► boot ──► up ──► crashed ──► (told to stop) ──► stopped
//
// One that runs once is up as soon as it runs, and exited where others crash;
// see oneoff.go and, for those that belong to a client, attach.go.
//
// From everywhere an order to stop leads to stopped. A container that ended
// stays until then: it is the memory that this instance has run, which must
// not happen twice, also for an agent that knows nothing else any more.
type instance struct {
	*Agent
	a    Assignment
	log  *slog.Logger
	born time.Time

	stop     chan struct{} // closed by the order to stop
	stopOnce sync.Once
	quiet    atomic.Bool   // in no set any more: nobody wants to hear of it
	done     chan struct{} // closed when run has returned
	dropped  bool          // loop's own

	lane    *lane // of what it prints
	visits  chan *visit
	visited atomic.Bool
	refusal atomic.Pointer[error] // what clients are told that come too late
	visit   *visit                // of the client that is connected, or was
	began   atomic.Int64          // of the process, Unix nanoseconds; 0 before
	layer   layerNote
	said    Status    // the last report before the order to stop
	adopted Container // what was there already when the agent began
	end     *ending   // of the process, nil before it runs
	mu      sync.Mutex
	look    context.CancelFunc // cuts the present wait for the end short
}

func newInstance(a *Agent, as Assignment, found Container) *instance {
	i := &instance{
		Agent: a, a: as, adopted: found, born: time.Now(),
		log:  a.log.With("app", as.App, "instance", as.ID, "name", as.Name, "release", as.Release),
		stop: make(chan struct{}), done: make(chan struct{}),
		lane: a.shipper.lane(), visits: make(chan *visit, 1),
	}
	if as.Stop { // before it runs: it must not even begin to start
		i.halt()
	}
	return i
}

// halt orders the instance to stop. It may be said again.
func (i *instance) halt() { i.stopOnce.Do(func() { close(i.stop) }) }

func (i *instance) ended() bool { return closed(i.done) }

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func (i *instance) run(ctx context.Context) {
	defer close(i.done)
	if c, ok := i.start(ctx); ok {
		i.attend(ctx, c)
	}
	i.shutDoor()
	select {
	case <-i.stop:
		i.remove(ctx)
	case <-ctx.Done():
	}
	i.partWith(ctx)
	if i.end != nil {
		i.end.release()
	}
}

// report queues what is known now.
func (i *instance) report(s Status) {
	if s.State != Stopping && s.State != Stopped {
		i.said = s
	}
	if i.quiet.Load() {
		return
	}
	s.ID = i.a.ID
	if s.At.IsZero() {
		s.At = time.Now()
	}
	i.reporter.add(s)
	switch {
	case s.State == Crashed || s.Platform || s.State == Exited && s.ExitCode != 0:
		i.log.Warn("instance "+string(s.State), "reason", s.Reason, "exit", s.ExitCode, "platform", s.Platform)
	default:
		i.log.Info("instance "+string(s.State), "addr", s.Addr, "reason", s.Reason)
	}
}

// attend is with the process from its start to its end, or to an order to stop.
func (i *instance) attend(ctx context.Context, c Container) {
	if i.a.OneOff {
		i.attendOnce(ctx, c)
		return
	}
	i.end = i.watch(ctx, c)
	if !i.boot(ctx, c) {
		return
	}
	select {
	case <-i.end.c:
		i.crashed(ctx)
	case <-i.stop:
	case <-ctx.Done():
	}
}

// boot sees the process from its start to health. It is false when it did not
// come to that.
func (i *instance) boot(ctx context.Context, c Container) bool {
	verdict := make(chan error, 1)
	probing, cancel := context.WithCancel(ctx)
	defer cancel()
	i.spawn(func() { verdict <- i.healthy(probing, c) })
	select {
	case err := <-verdict:
		if probing.Err() != nil {
			return false
		}
		// When both came at once, the end explains more than a failed probe.
		if i.end.reached() {
			i.crashed(ctx)
			return false
		}
		if err != nil {
			i.tooLate(ctx, err)
			return false
		}
		i.report(Status{State: Up, Addr: i.addr(c)})
		return true
	case <-i.end.c:
		i.crashed(ctx)
	case <-i.stop:
	case <-ctx.Done():
	}
	return false
}

// crashed reports a process that ended by itself, after its last lines.
func (i *instance) crashed(ctx context.Context) {
	if ctx.Err() != nil {
		return
	}
	i.end.drain(ctx)
	i.report(i.end.status(i.a))
}

// tooLate reports an instance that was not healthy in time and kills it, as
// there is nothing to be gentle for. What it printed goes first: that is what
// a person wants to read next to the reason.
func (i *instance) tooLate(ctx context.Context, cause error) {
	flushing, cancel := context.WithTimeout(ctx, drainBound)
	i.end.flush(flushing)
	cancel()
	i.report(Status{State: Crashed, Reason: cause.Error(), ExitCode: killed, Notes: lateNotes(cause)})
	_ = i.insist(ctx, func() error { return i.rt.Stop(ctx, i.a.ID, 0) }) // fails when ctx ends
}

// remove stops the process if it runs, takes the container away and reports.
func (i *instance) remove(ctx context.Context) {
	began := time.Now()
	running := i.end != nil && !i.end.reached()
	i.lastLook(ctx)
	if running && i.a.Grace > 0 {
		i.report(Status{State: Stopping, Notes: stopNote})
	}
	err := i.insist(ctx, func() error { return i.rt.Stop(ctx, i.a.ID, i.a.Grace) })
	if err != nil {
		return
	}
	s := Status{State: Stopped}
	if i.end != nil {
		i.end.drain(ctx)
	}
	if i.end != nil && i.end.reached() {
		s.ExitCode, s.OOM = i.end.container.ExitCode, i.end.container.OOM
	}
	if running && s.ExitCode == killed && !s.OOM && time.Since(began) >= i.a.Grace {
		s.Reason = exitTimeout(i.a.Grace)
	}
	if running {
		s.Notes = stopNotes(s, s.Reason != "", i.a.Grace)
	}
	i.report(s)
}

// insist repeats an engine call until it succeeds. Its error is ctx's.
func (i *instance) insist(ctx context.Context, call func() error) error {
	for pause := retryFirst; ; pause = min(2*pause, retryLast) {
		err := call()
		if err == nil || ctx.Err() != nil {
			return ctx.Err()
		}
		i.log.Warn("cannot stop the instance; trying on", "err", err)
		if sleep(ctx, pause) != nil {
			return ctx.Err()
		}
	}
}

// sleep waits for d or the end of ctx, whose error it returns.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// untilStop is a context that also ends with the order to stop.
func (i *instance) untilStop(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	stopped := make(chan struct{})
	i.spawn(func() {
		select {
		case <-i.stop:
			cancel(errHalted)
		case <-stopped:
		}
	})
	return ctx, sync.OnceFunc(func() { close(stopped); cancel(nil) })
}

var errHalted = errors.New("told to stop")
