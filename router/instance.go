package router

import (
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// instance is one Target as long as any table or request knows it. Target.ID
// keeps its instance across tables, so counts survive a swap.
type instance struct {
	target Target
	// pool reuses connections to this instance alone. Its own pool dies with
	// it: an address that is given to another app's container later never
	// meets a connection that was opened for this one.
	pool *http.Transport

	// busy counts requests and tunnels. The order in which it and gone are
	// written and read is what draining rests on, see fleet.
	busy    atomic.Int64
	gone    atomic.Bool  // the present table does not hold it
	goneAt  atomic.Int64 // since when, Unix nanoseconds; 0 while it is not
	tunneld atomic.Int64
	shunned atomic.Int64 // quarantine ends, in nanoseconds of the fleet's clock

	mu      sync.Mutex
	tunnels map[*tunnel]struct{}
}

func newInstance(t Target, l Limits) *instance {
	in := &instance{target: t, tunnels: make(map[*tunnel]struct{})}
	in.pool = newPool(l, true, func() bool {
		since := in.goneAt.Load()
		return since != 0 && time.Now().UnixNano()-since > int64(longGone)
	})
	return in
}

// requests is the number of requests in flight, tunnels not counted.
func (in *instance) requests() int64 { return in.busy.Load() - in.tunneld.Load() }

func (in *instance) removeTunnel(t *tunnel) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.tunneld.Add(-1)
	delete(in.tunnels, t)
}

// closeTunnels asks every tunnel to end. It does not wait for them.
func (in *instance) closeTunnels() {
	in.mu.Lock()
	defer in.mu.Unlock()
	for t := range in.tunnels {
		t.goAway()
	}
}
