package router

import (
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// fleet holds the table that is served and the instances it leads to.
//
// Draining rests on one ordering. A request first counts itself on the
// instance it picked (busy+1) and then looks whether that instance is gone. A
// swap first marks the instances that left as gone and then reads their counts.
// Go's atomics are sequentially consistent, so at least one of the two sees
// the other: either the request finds its instance gone, takes its count back
// and picks again from the new table, or the swap finds the request counted
// and reports the instance as busy. No request can go to an instance that
// some Ack already called idle.
type fleet struct {
	limits Limits
	clock  time.Time // zero of shunned
	view   atomic.Pointer[view]
	// poke wakes the publisher: the table changed, or a count on a gone
	// instance fell. One pending poke is enough, it reads everything anew.
	poke chan struct{}

	mu      sync.Mutex
	swaps   int64 // tables applied so far
	table   Table
	present map[string]*instance
	leaving map[*instance]time.Time // since when
}

// view is one table, made for looking up. It never changes.
type view struct {
	version int64
	routes  map[string]*route
	// starting says that this stands in for the first table: which hosts there
	// are is not known, so none can be called unknown.
	starting bool
}

type route struct {
	appID, app, empty string
	targets           []*instance
	maintenance, fail *ownPage // nil for the platform's
}

// lookup finds the route of a host: its own, else that of the wildcard which
// covers it.
func (v *view) lookup(host string) *route {
	if rt := v.routes[host]; rt != nil {
		return rt
	}
	_, rest, ok := strings.Cut(host, ".")
	if !ok {
		return nil
	}
	return v.routes["*."+rest]
}

func newFleet(l Limits) *fleet {
	f := &fleet{
		limits: l, clock: time.Now(), poke: make(chan struct{}, 1),
		present: make(map[string]*instance), leaving: make(map[*instance]time.Time),
	}
	f.view.Store(&view{routes: map[string]*route{}, starting: true})
	return f
}

// apply serves from t from now on. Hosts that cannot be one are returned.
func (f *fleet) apply(t Table) (bad []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	next := &view{version: t.Version, routes: make(map[string]*route, len(t.Routes))}
	present := make(map[string]*instance)
	for _, r := range t.Routes {
		host, ok := normalPattern(r.Host)
		if !ok || next.routes[host] != nil {
			bad = append(bad, r.Host)
			continue
		}
		rt := &route{appID: r.AppID, app: r.App, empty: r.Empty, targets: make([]*instance, 0, len(r.Targets)),
			maintenance: newOwnPage(r.MaintenancePage), fail: newOwnPage(r.ErrorPage)}
		for _, target := range r.Targets {
			rt.targets = append(rt.targets, f.adopt(target, present))
		}
		next.routes[host] = rt
	}
	f.swap(t, next, present)
	return bad
}

// adopt finds the instance of target or makes one.
func (f *fleet) adopt(t Target, present map[string]*instance) *instance {
	if in := present[t.ID]; in != nil && in.target == t {
		return in
	}
	in := f.present[t.ID]
	if in == nil || in.target != t {
		in = nil
		for old := range f.leaving { // it may be back before it was idle
			if old.target == t {
				in = old
			}
		}
	}
	if in == nil {
		in = newInstance(t, f.limits)
	}
	present[t.ID] = in
	return in
}

// swap is the moment of the switch; see fleet for why in this order. The
// instances that came back must not be gone before anyone can pick them, or a
// request would spin until they are.
func (f *fleet) swap(t Table, next *view, present map[string]*instance) {
	kept := make(map[*instance]bool, len(present))
	for _, r := range next.routes {
		for _, in := range r.targets {
			kept[in] = true
			in.gone.Store(false)
			in.goneAt.Store(0)
			delete(f.leaving, in)
		}
	}
	old := f.view.Swap(next)
	now := time.Now()
	for _, r := range old.routes {
		for _, in := range r.targets {
			if _, left := f.leaving[in]; !kept[in] && !left {
				in.gone.Store(true)
				in.goneAt.Store(now.UnixNano())
				in.pool.CloseIdleConnections()
				f.leaving[in] = now
			}
		}
	}
	f.table, f.present = t, present
	f.swaps++
	f.wake()
}

func (f *fleet) wake() {
	select {
	case f.poke <- struct{}{}:
	default:
	}
}

// release gives back what acquire counted.
func (f *fleet) release(in *instance) {
	in.busy.Add(-1)
	if in.gone.Load() {
		f.wake()
	}
}

// drain is what the publisher needs to know, all of one moment.
type drain struct {
	swaps   int64
	version int64
	busy    map[string]int
	overdue []*instance // their tunnels have had their time
	next    time.Time   // when the next ones will be; zero for never
}

func (f *fleet) drain(now time.Time) drain {
	f.mu.Lock()
	defer f.mu.Unlock()
	d := drain{swaps: f.swaps, version: f.table.Version, busy: make(map[string]int)}
	for in, since := range f.leaving {
		n := in.busy.Load()
		if n <= 0 {
			in.pool.CloseIdleConnections()
			delete(f.leaving, in)
			continue
		}
		if f.present[in.target.ID] == nil {
			d.busy[in.target.ID] += int(n)
		}
		if in.tunneld.Load() == 0 {
			continue
		}
		if end := since.Add(f.limits.DrainTimeout); !end.After(now) {
			d.overdue = append(d.overdue, in)
		} else if d.next.IsZero() || end.Before(d.next) {
			d.next = end
		}
	}
	return d
}

// current is the table served now, as it came, and its number among the swaps.
func (f *fleet) current() (Table, int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.table, f.swaps
}

// closeTunnels asks all tunnels of all instances to end.
func (f *fleet) closeTunnels() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, in := range f.present {
		in.closeTunnels()
	}
	for in := range f.leaving {
		in.closeTunnels()
	}
}

// addTunnel makes a counted request a tunnel. One that begins on an instance
// which is leaving starts that instance's drain clock.
func (f *fleet) addTunnel(in *instance, t *tunnel) {
	in.mu.Lock()
	in.tunneld.Add(1)
	in.tunnels[t] = struct{}{}
	in.mu.Unlock()
	if in.gone.Load() {
		f.wake()
	}
}

// closeIdle closes the connections kept for reuse.
func (f *fleet) closeIdle() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, in := range f.present {
		in.pool.CloseIdleConnections()
	}
	for in := range f.leaving {
		in.pool.CloseIdleConnections()
	}
}
