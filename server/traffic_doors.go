package server

import (
	"context"
	"maps"
	"reflect"
	"slices"
	"time"

	"paas/router"
)

// doorLease is how long a host whose doors say nothing keeps instances waiting
// that are on their way out. It is no longer heard of by then, or busy: a
// request from there to an instance that has gone is given to another.
const doorLease = 5 * time.Second

// doors are what Traffic knows of links: who reaches whom, and what the doors of
// each host serve. All of it is guarded by Traffic's lock.
type doors struct {
	links   map[string][]string        // by caller: the apps it reaches
	callers map[string]map[string]bool // the other way round
	placed  map[string]map[string]bool // by host: apps with something on it
	hosts   map[string]*doorState
	begun   time.Time // of this term
}

// doorState are the doors of one host.
type doorState struct {
	ch      chan router.Links
	sent    router.Links
	holds   map[string]bool  // targets in sent
	leaving map[string]int64 // targets that a version was the first without, until it is acknowledged
	acked   int64
	busy    map[string]int
	heard   time.Time
}

func newDoors() doors {
	return doors{links: map[string][]string{}, callers: map[string]map[string]bool{}, placed: map[string]map[string]bool{}, hosts: map[string]*doorState{}}
}

// begin forgets what an earlier term knew; which apps are on a host comes from
// the hosts themselves.
func (d *doors) begin() {
	d.links, d.callers, d.begun = map[string][]string{}, map[string]map[string]bool{}, time.Now()
	for _, h := range d.hosts {
		h.sent, h.holds, h.leaving, h.acked, h.busy = router.Links{}, nil, nil, 0, nil
	}
}

// SetLinks replaces which apps some apps reach from inside; those without any
// reach none.
func (t *Traffic) SetLinks(links map[string][]string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	changed := map[string]bool{}
	for app, targets := range links {
		old := t.doors.links[app]
		if slices.Equal(old, targets) {
			continue
		}
		changed[app] = true
		for _, id := range old {
			if delete(t.doors.callers[id], app); len(t.doors.callers[id]) == 0 {
				delete(t.doors.callers, id)
			}
		}
		if delete(t.doors.links, app); len(targets) > 0 {
			t.doors.links[app] = slices.Clone(targets)
		}
		for _, id := range targets {
			if t.doors.callers[id] == nil {
				t.doors.callers[id] = map[string]bool{}
			}
			t.doors.callers[id][app] = true
		}
	}
	t.tellDoorsOf(changed)
}

// Place says which apps have something on a host.
func (t *Traffic) Place(host string, apps map[string]bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if old, known := t.doors.placed[host]; known && maps.Equal(old, apps) {
		return
	}
	t.doors.placed[host] = maps.Clone(apps)
	if apps == nil {
		t.doors.placed[host] = map[string]bool{}
	}
	t.tellDoor(host)
}

// tellCallers tells the hosts of those that reach one of the apps. t.mu is held,
// as in all below.
func (t *Traffic) tellCallers(apps map[string][]router.Route) {
	callers := map[string]bool{}
	for id := range apps {
		maps.Copy(callers, t.doors.callers[id])
	}
	t.tellDoorsOf(callers)
}

func (t *Traffic) tellDoorsOf(callers map[string]bool) {
	if len(callers) == 0 {
		return
	}
	for host := range t.doors.hosts {
		if t.doors.hasAny(host, callers) {
			t.tellDoor(host)
		}
	}
}

func (d *doors) hasAny(host string, apps map[string]bool) bool {
	for app := range apps {
		if d.placed[host][app] {
			return true
		}
	}
	return false
}

func (t *Traffic) tellAllDoors() {
	for host := range t.doors.hosts {
		t.tellDoor(host)
	}
}

// tellDoor sends a host what its doors serve, unless it has it. Before all apps
// and what runs there are known it would be too little.
func (t *Traffic) tellDoor(host string) {
	h, placed := t.doors.hosts[host], t.doors.placed[host]
	if h == nil || placed == nil || !t.loaded {
		return
	}
	apps := []router.AppLinks{}
	for _, id := range slices.Sorted(maps.Keys(placed)) {
		if routes := t.linkRoutes(id); len(routes) > 0 {
			apps = append(apps, router.AppLinks{AppID: id, Routes: routes})
		}
	}
	if h.sent.Version != 0 && reflect.DeepEqual(apps, h.sent.Apps) {
		return
	}
	t.version = t.next()
	h.send(router.Links{Version: t.version, Apps: apps})
}

func (h *doorState) send(l router.Links) {
	was := h.holds
	h.sent, h.holds = l, map[string]bool{}
	for _, a := range l.Apps {
		for _, r := range a.Routes {
			for _, target := range r.Targets {
				h.holds[target.ID] = true
			}
		}
	}
	if h.leaving == nil {
		h.leaving = map[string]int64{}
	}
	for id := range was {
		if !h.holds[id] {
			h.leaving[id] = l.Version
		}
	}
	maps.DeleteFunc(h.leaving, func(id string, _ int64) bool { return h.holds[id] })
	select {
	case <-h.ch:
	default:
	}
	h.ch <- h.sent
}

// linkRoutes are the apps that one reaches, each with the targets that the edge
// has. One that is gone, or was not read yet, is left out.
func (t *Traffic) linkRoutes(app string) (routes []router.Route) {
	for _, id := range t.doors.links[app] {
		edge := t.apps[id]
		if len(edge) == 0 {
			continue
		}
		r := edge[0]
		r.Host = r.App + LinkSuffix
		routes = append(routes, r)
	}
	slices.SortFunc(routes, func(a, b router.Route) int { return compareHosts(a, b) })
	return routes
}

func compareHosts(a, b router.Route) int {
	switch {
	case a.Host < b.Host:
		return -1
	case a.Host > b.Host:
		return 1
	}
	return 0
}

// WatchLinks is router.LinkSource.
func (t *Traffic) WatchLinks(ctx context.Context, host string) <-chan router.Links {
	mine := &doorState{ch: make(chan router.Links, 1), heard: time.Now()}
	t.mu.Lock()
	if old := t.doors.hosts[host]; old != nil { // what it held it may still hold
		mine.holds, mine.leaving, mine.busy = old.holds, old.leaving, old.busy
	}
	t.doors.hosts[host] = mine
	t.tellDoor(host)
	t.mu.Unlock()
	out := make(chan router.Links)
	go func() {
		defer close(out)
		for {
			select {
			case <-ctx.Done():
				return
			case l := <-mine.ch:
				select {
				case out <- l:
				case <-ctx.Done():
					return
				}
			}
		}
	}()
	return out
}

// AckLinks is router.LinkSource.
func (t *Traffic) AckLinks(a router.Ack) {
	t.mu.Lock()
	h := t.doors.hosts[a.Router]
	if h == nil {
		t.mu.Unlock()
		return
	}
	h.heard = time.Now()
	if a.Version == h.acked && maps.Equal(a.Busy, h.busy) {
		t.mu.Unlock()
		return
	}
	h.acked, h.busy = a.Version, a.Busy
	maps.DeleteFunc(h.leaving, func(_ string, version int64) bool { return version <= a.Version })
	wake := t.settle(t.version, false)
	t.mu.Unlock()
	for app := range wake {
		t.bell.Ring(AppTopic(app))
	}
}

// quiet says that no host's door leads to the target any more, and none has a request under way to it. A host that is not heard of is not waited
// for, and at the begin of a term, when it is not known yet what the doors hold
// from the one before, each has time to be heard.
func (d *doors) quiet(targetID string, now time.Time) bool {
	if len(d.links) > 0 && now.Sub(d.begun) < doorLease {
		return false
	}
	for _, h := range d.hosts {
		if now.Sub(h.heard) > doorLease {
			continue
		}
		if h.holds[targetID] || h.leaving[targetID] > h.acked || h.busy[targetID] > 0 {
			return false
		}
	}
	return true
}
