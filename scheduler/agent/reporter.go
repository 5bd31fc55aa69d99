package agent

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"
)

const (
	reportLimit = 10 * time.Second // one call of Control.Report
	reportBatch = 256              // statuses in one call
	tellAgain   = time.Minute      // between two words about reports that are not taken
)

// reporter brings statuses to the control plane, in order, until each was
// taken.
type reporter struct {
	host    string
	control Control
	log     *slog.Logger
	wake    chan struct{}

	mu      sync.Mutex
	pending []Status
	fewer   chan struct{} // closed, and made anew, when pending shrinks
}

func newReporter(host string, control Control, log *slog.Logger) *reporter {
	return &reporter{host: host, control: control, log: log, wake: make(chan struct{}, 1), fewer: make(chan struct{})}
}

// add queues a status. A Starting that still waits is replaced by the newer
// one, so an instance never has more than a few in the queue.
func (r *reporter) add(s Status) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.pending = slices.DeleteFunc(r.pending, func(p Status) bool {
		return s.State == Starting && p.ID == s.ID && p.State == Starting
	})
	r.pending = append(r.pending, s)
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// forget drops what waits of an instance that nobody asks for any more.
func (r *reporter) forget(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.pending = slices.DeleteFunc(r.pending, func(p Status) bool { return p.ID == id })
	r.shrunk()
}

// shrunk wakes whoever waits in told; mu is held.
func (r *reporter) shrunk() {
	close(r.fewer)
	r.fewer = make(chan struct{})
}

// told waits until nothing of an instance waits to be taken, or ctx ends.
func (r *reporter) told(ctx context.Context, id string) {
	for {
		r.mu.Lock()
		waits := slices.ContainsFunc(r.pending, func(p Status) bool { return p.ID == id })
		fewer := r.fewer
		r.mu.Unlock()
		if !waits {
			return
		}
		select {
		case <-fewer:
		case <-ctx.Done():
			return
		}
	}
}

func (r *reporter) run(ctx context.Context) {
	pause, told := retryFirst, time.Time{}
	for {
		batch := r.batch()
		if len(batch) == 0 {
			select {
			case <-r.wake:
				continue
			case <-ctx.Done():
				return
			}
		}
		if err := r.send(ctx, batch); err != nil {
			if ctx.Err() != nil {
				return
			}
			if time.Since(told) > tellAgain { // a control plane may be away for days
				r.log.Warn("report was not taken; saying it again until it is", "statuses", len(batch), "err", err)
				told = time.Now()
			}
			if sleep(ctx, pause) != nil {
				return
			}
			pause = min(2*pause, retryLast)
			continue
		}
		pause, told = retryFirst, time.Time{}
		r.taken(batch)
	}
}

func (r *reporter) batch() []Status {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.pending[:min(len(r.pending), reportBatch)])
}

func (r *reporter) send(ctx context.Context, batch []Status) error {
	ctx, cancel := context.WithTimeout(ctx, reportLimit)
	defer cancel()
	return r.control.Report(ctx, r.host, batch)
}

// taken removes what was sent; the queue may have changed meanwhile.
func (r *reporter) taken(batch []Status) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.pending = slices.DeleteFunc(r.pending, func(p Status) bool { return slices.Contains(batch, p) })
	r.shrunk()
}
