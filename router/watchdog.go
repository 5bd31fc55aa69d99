package router

import (
	"sync"
	"sync/atomic"
	"time"
)

// watchdog calls bark once when touch was not called for limit. touch is cheap
// enough for every read and write.
type watchdog struct {
	limit time.Duration
	start time.Time
	last  atomic.Int64 // nanoseconds since start

	mu    sync.Mutex // held while bark runs, so that stop waits for it
	timer *time.Timer
	done  bool
}

func newWatchdog(limit time.Duration, bark func()) *watchdog {
	w := &watchdog{limit: limit, start: time.Now()}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.timer = time.AfterFunc(limit, func() { w.check(bark) })
	return w
}

func (w *watchdog) touch() { w.last.Store(int64(time.Since(w.start))) }

func (w *watchdog) check(bark func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.done {
		return
	}
	idle := time.Since(w.start) - time.Duration(w.last.Load())
	if idle < w.limit {
		w.timer.Reset(w.limit - idle)
		return
	}
	w.done = true
	bark()
}

// stop returns when bark neither runs nor will.
func (w *watchdog) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.done = true
	w.timer.Stop()
}
