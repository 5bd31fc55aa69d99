package fleet

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// maxWays is how many requests one router or server has at the server that
	// leads at once, streams and those that wait for one counted. Each is a
	// connection there.
	maxWays = 512
	// wayEvery is the pace of new connections, and wayBurst how many may come
	// before it is kept to. Each is a handshake in the process that has to hear
	// the beats of all hosts in time, and anybody may ask for one.
	wayEvery = 10 * time.Millisecond
	wayBurst = 200
)

// ways bounds what is asked of the server that leads in the name of clients.
type ways struct {
	taken atomic.Int64

	mu   sync.Mutex
	next time.Time // when the pace allows a connection
}

// enter takes one; false when there is none left. leave gives it back.
func (w *ways) enter() bool {
	if w.taken.Add(1) > maxWays {
		w.taken.Add(-1)
		return false
	}
	return true
}

func (w *ways) leave() { w.taken.Add(-1) }

// pace waits until a connection may be opened; false when ctx ends before.
func (w *ways) pace(ctx context.Context) bool {
	until, has := ctx.Deadline()
	wait, ok := w.reserve(time.Now(), until, has)
	if !ok || wait <= 0 {
		return ok
	}
	rest(ctx, wait)
	return ctx.Err() == nil
}

// reserve gives how long to wait. Who would wait beyond its limit takes no place.
func (w *ways) reserve(now, until time.Time, has bool) (time.Duration, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	next := w.next
	if first := now.Add(-wayBurst * wayEvery); next.Before(first) {
		next = first
	}
	next = next.Add(wayEvery)
	if has && next.After(until) {
		return 0, false
	}
	w.next = next
	return next.Sub(now), true
}
