package server

import (
	"context"
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
	now  func() time.Time

	mu      sync.Mutex
	loaded  bool // all apps are known: tables may go out
	apps    map[string][]router.Route
	version int64
	routers map[string]*routerState
	// seen remembers the tables that held a target; gone once it is quiet.
	seen map[string]sighting
}

type sighting struct {
	app         string
	first, last int64 // versions of tables that held it
}

type routerState struct {
	ch    chan router.Table
	acked int64
	busy  map[string]int
}

// NewTraffic makes the hub; it publishes nothing before Loaded.
func NewTraffic(bell *Bell) *Traffic {
	return &Traffic{bell: bell, now: time.Now, apps: map[string][]router.Route{},
		routers: map[string]*routerState{}, seen: map[string]sighting{}}
}

// SetApp replaces an app's routes; nil removes them. Equal routes publish nothing.
func (t *Traffic) SetApp(appID string, routes []router.Route) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if old, ok := t.apps[appID]; ok && slices.EqualFunc(old, routes, sameRoute) {
		return
	}
	if routes == nil {
		delete(t.apps, appID)
	} else {
		t.apps[appID] = routes
	}
	t.publish()
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
	t.publish()
}

// publish sends the whole table; t.mu is held. Versions come from the clock so
// that they grow across restarts of the server.
func (t *Traffic) publish() {
	if !t.loaded {
		return
	}
	t.version = max(t.version+1, t.now().UnixMicro())
	table := router.Table{Version: t.version}
	for _, id := range slices.Sorted(maps.Keys(t.apps)) {
		for _, r := range t.apps[id] {
			table.Routes = append(table.Routes, r)
			for _, target := range r.Targets {
				s := t.seen[target.ID]
				if s.first == 0 {
					s = sighting{app: id, first: t.version}
				}
				s.last = t.version
				t.seen[target.ID] = s
			}
		}
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
	t.routers[id] = &routerState{ch: in}
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
	if r := t.routers[id]; r != nil && r.ch == ch {
		delete(t.routers, id)
	}
}

// Ack is router.Source. Whoever waits for an app's traffic is woken.
func (t *Traffic) Ack(a router.Ack) {
	t.mu.Lock()
	r := t.routers[a.Router]
	if r == nil {
		t.mu.Unlock()
		return
	}
	r.acked, r.busy = a.Version, a.Busy
	wake := map[string]bool{}
	for id, s := range t.seen {
		if s.first <= a.Version {
			wake[s.app] = true
		}
		if s.last < t.version && t.quiet(id) {
			delete(t.seen, id) // Quiet of an unknown target holds from the first ack on
		}
	}
	t.mu.Unlock()
	for app := range wake {
		t.bell.Ring(AppTopic(app))
	}
}

// Quiet says that no router sends to the target any more and none has a
// request in flight to it.
func (t *Traffic) Quiet(targetID string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.quiet(targetID)
}

func (t *Traffic) quiet(targetID string) bool {
	if len(t.routers) == 0 {
		return false // a router that is away may still serve from its snapshot
	}
	last := t.seen[targetID].last
	for _, r := range t.routers {
		if r.acked == 0 || r.acked <= last || r.busy[targetID] > 0 {
			return false
		}
	}
	return true
}

// Serving says that every router serves from a table that holds the target.
func (t *Traffic) Serving(targetID string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	s, ok := t.seen[targetID]
	if !ok || len(t.routers) == 0 || s.last < t.version {
		return false
	}
	for _, r := range t.routers {
		if r.acked < s.first {
			return false
		}
	}
	return true
}

// Keep drops the routes of apps that are not among ids.
func (t *Traffic) Keep(ids []string) {
	t.mu.Lock()
	var gone []string
	for id := range t.apps {
		if !slices.Contains(ids, id) {
			gone = append(gone, id)
		}
	}
	t.mu.Unlock()
	for _, id := range gone {
		t.SetApp(id, nil)
	}
}
