package server

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"paas/router"
)

// Traffic hands routing tables to routers and knows what they acknowledged.
// It is the router.Source of every router.
type Traffic struct {
	bell *Bell

	mu      sync.Mutex
	loaded  bool // all apps are known: tables may go out
	apps    map[string][]router.Route
	begun   int64 // version before the first of this term
	version int64
	routers map[string]*routerState
	// seen remembers the tables that held a target; gone once it is quiet.
	seen map[string]sighting
	// unsettled are those that somebody may wait for: not every router has
	// acknowledged them yet, or they have left.
	unsettled map[string]bool
	doors     doors // of hosts, for apps that reach each other
	table     int64 // version of the newest routing table; links to doors have versions of their own in between
	published time.Time
	counting  bool // which routers there are is not known yet
	none      bool // there is no router anywhere
}

type sighting struct {
	app         string
	first, last int64 // versions of tables that held it; last may be stillIn
}

// stillIn is the last version that holds a target of the table that is out.
const stillIn = 0

type routerState struct {
	ch    chan router.Table
	acked int64
	busy  map[string]int
	held  bool // it counts also when it does not watch
}

// NewTraffic makes the hub; it publishes nothing before Loaded.
func NewTraffic(bell *Bell) *Traffic {
	return &Traffic{bell: bell, apps: map[string][]router.Route{},
		routers: map[string]*routerState{}, seen: map[string]sighting{}, unsettled: map[string]bool{}, doors: newDoors()}
}

// A version is the epoch of who leads, in the upper bits, and a count: so it grows
// over a change of leader whatever their clocks say. The highest bit in use is
// above the versions of before, which were microseconds.
const (
	versionMark  = 1 << 62
	versionCount = 36 // bits
)

// Begin is the start of a term under an epoch. What an earlier leader, also this
// process, has published counts no more: nothing is quiet or serving before the
// routers have acknowledged tables of this term.
func (t *Traffic) Begin(epoch int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.begun = versionMark | epoch<<versionCount
	t.version, t.table, t.loaded, t.apps = t.begun, t.begun, false, map[string][]router.Route{}
	t.seen, t.unsettled = map[string]sighting{}, map[string]bool{}
	for _, r := range t.routers {
		r.acked, r.busy = 0, nil
	}
	t.doors.begin()
}

// TableName is a version as people read it: which term, and which table of it.
func TableName(version int64) string {
	return fmt.Sprintf("%d.%d", version&^versionMark>>versionCount, version&(1<<versionCount-1))
}

// SetApp replaces an app's routes; nil removes them. Equal routes publish nothing.
func (t *Traffic) SetApp(appID string, routes []router.Route) {
	t.SetApps(map[string][]router.Route{appID: routes})
}

// SetApps does so for several apps and publishes once.
func (t *Traffic) SetApps(apps map[string][]router.Route) {
	t.mu.Lock()
	wake := t.setApps(apps)
	t.mu.Unlock()
	t.ring(wake)
}

// setApps gives the apps of which somebody may wait for nobody; t.mu is held.
func (t *Traffic) setApps(apps map[string][]router.Route) (wake map[string]bool) {
	changed := false
	for id, routes := range apps {
		old, ok := t.apps[id]
		if ok && slices.EqualFunc(old, routes, sameRoute) || !ok && routes == nil {
			continue
		}
		changed = true
		t.leaving(old)
		if routes == nil {
			delete(t.apps, id)
			continue
		}
		t.apps[id] = routes
		t.coming(id, routes)
	}
	if !changed {
		return nil
	}
	t.publish()
	t.tellCallers(apps)
	if t.none {
		return t.settle(t.version, false)
	}
	return nil
}

// leaving notes that the tables to come do not hold the targets, and coming that
// they do; t.mu is held.
func (t *Traffic) leaving(routes []router.Route) {
	for _, r := range routes {
		for _, target := range r.Targets {
			if s, ok := t.seen[target.ID]; ok && s.last == stillIn {
				s.last = t.version
				t.seen[target.ID] = s
				t.unsettled[target.ID] = true
			}
		}
	}
}

func (t *Traffic) coming(appID string, routes []router.Route) {
	if !t.loaded {
		return
	}
	for _, r := range routes {
		for _, target := range r.Targets {
			s := t.seen[target.ID]
			if s.first == 0 {
				s = sighting{app: appID, first: t.next()}
				t.unsettled[target.ID] = true
			}
			s.last = stillIn
			t.seen[target.ID] = s
		}
	}
}

func sameRoute(a, b router.Route) bool {
	return a.Host == b.Host && a.App == b.App && a.AppID == b.AppID && a.Empty == b.Empty &&
		a.MaintenancePage == b.MaintenancePage && a.ErrorPage == b.ErrorPage && slices.Equal(a.Targets, b.Targets)
}

// Loaded says that every app was set once: a partial table would cut off the rest.
func (t *Traffic) Loaded() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.loaded {
		return
	}
	t.loaded = true
	for id, routes := range t.apps {
		t.coming(id, routes)
	}
	t.publish()
	t.tellAllDoors()
}

// next is the version of the table that goes out next.
func (t *Traffic) next() int64 { return t.version + 1 }

// publish sends the whole table; t.mu is held.
func (t *Traffic) publish() {
	if !t.loaded {
		return
	}
	t.version, t.published = t.next(), time.Now()
	t.table = t.version
	table := router.Table{Version: t.version, Routes: make([]router.Route, 0, len(t.apps))}
	for _, id := range slices.Sorted(maps.Keys(t.apps)) {
		table.Routes = append(table.Routes, t.apps[id]...)
	}
	for _, r := range t.routers {
		offer(r.ch, table)
	}
}

// offer puts the newest table in place of one that was not taken yet.
func offer(ch chan router.Table, table router.Table) {
	select {
	case <-ch:
	default:
	}
	ch <- table
}

// Watch is router.Source.
func (t *Traffic) Watch(ctx context.Context, id string) <-chan router.Table {
	in := make(chan router.Table, 1)
	t.mu.Lock()
	t.routers[id] = &routerState{ch: in, held: t.routers[id] != nil && t.routers[id].held}
	if t.loaded {
		t.publish()
	}
	t.mu.Unlock()
	out := make(chan router.Table)
	go func() {
		defer close(out)
		defer t.leave(id, in)
		for {
			select {
			case <-ctx.Done():
				return
			case table := <-in:
				select {
				case out <- table:
				case <-ctx.Done():
					return
				}
			}
		}
	}()
	return out
}

func (t *Traffic) leave(id string, ch chan router.Table) {
	t.mu.Lock()
	defer t.mu.Unlock()
	r := t.routers[id]
	switch {
	case r == nil || r.ch != ch:
	case r.held:
		r.ch = make(chan router.Table, 1) // nobody reads it
	default:
		delete(t.routers, id)
	}
}

// Ack is router.Source. Whoever waits for an app's traffic is woken. What a router
// serves from that is not of this term says nothing about it.
func (t *Traffic) Ack(a router.Ack) {
	t.mu.Lock()
	r := t.routers[a.Router]
	if r == nil || a.Version <= t.begun || a.Version > t.version {
		t.mu.Unlock()
		return
	}
	fresh := r.acked == 0
	r.acked, r.busy = a.Version, a.Busy
	wake := t.settle(a.Version, fresh)
	t.mu.Unlock()
	t.ring(wake)
}

// settle gives the apps that may have waited for an acknowledgement of a version:
// the first of a router may be waited for by all. t.mu is held.
func (t *Traffic) settle(version int64, fresh bool) map[string]bool {
	wake := map[string]bool{}
	if fresh {
		for _, s := range t.seen {
			if s.first <= version {
				wake[s.app] = true
			}
		}
	}
	for id := range t.unsettled {
		s := t.seen[id]
		if s.first <= version {
			wake[s.app] = true
		}
		switch {
		case s.last != stillIn && t.quiet(id):
			delete(t.seen, id) // Quiet of an unknown target holds from the first ack on
			delete(t.unsettled, id)
		case s.last == stillIn && t.acked(s.first):
			delete(t.unsettled, id)
		}
	}
	return wake
}

// acked says that every router serves from that version or a later one.
func (t *Traffic) acked(version int64) bool {
	if t.counting || t.none {
		return t.none && t.loaded
	}
	for _, r := range t.routers {
		if r.acked < version {
			return false
		}
	}
	return len(t.routers) > 0
}

// Quiet says that no router sends to the target any more and none has a
// request in flight to it.
func (t *Traffic) Quiet(targetID string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.quiet(targetID)
}

func (t *Traffic) quiet(targetID string) bool {
	last := int64(-1) // one that is not known was in no table
	if s, ok := t.seen[targetID]; ok {
		if last = s.last; last == stillIn {
			last = t.version
		}
	}
	if t.counting || t.none {
		return t.none && t.loaded && last < t.version && t.doors.quiet(targetID, time.Now())
	}
	if len(t.routers) == 0 {
		return false // a router that is away may still serve from its snapshot
	}
	for _, r := range t.routers {
		if r.acked == 0 || r.acked <= last || r.busy[targetID] > 0 {
			return false
		}
	}
	return t.doors.quiet(targetID, time.Now())
}

// Serving says that every router serves from a table that holds the target.
func (t *Traffic) Serving(targetID string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	s, ok := t.seen[targetID]
	return ok && s.last == stillIn && t.acked(s.first)
}

// Left says that no router chooses the target any more; some may have requests
// in flight to it.
func (t *Traffic) Left(targetID string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	s, ok := t.seen[targetID]
	return !ok || s.last != stillIn && t.acked(s.last+1)
}

// Keep drops the routes of apps that are not among ids.
func (t *Traffic) Keep(ids []string) {
	keep := make(map[string]bool, len(ids))
	for _, id := range ids {
		keep[id] = true
	}
	t.mu.Lock()
	gone := map[string][]router.Route{}
	for id := range t.apps {
		if !keep[id] {
			gone[id] = nil
		}
	}
	t.mu.Unlock()
	t.SetApps(gone)
}
