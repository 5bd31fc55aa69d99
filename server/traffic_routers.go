package server

import (
	"time"

	"paas/router"
)

// A router in this process is counted while it watches. One elsewhere is held:
// it counts from when it is known until it is lost or removed, whether or not
// it is connected, for it serves on meanwhile.

// uncounted says that it is not known yet which routers there are elsewhere:
// until counted nothing is called quiet or serving.
func (t *Traffic) uncounted() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.counting, t.none = true, false
}

// counted says that all routers there are were held. When there is none, and
// none in this process, nothing waits for one.
func (t *Traffic) counted(none bool) {
	t.mu.Lock()
	wake := t.after(func() { t.counting, t.none = false, none })
	t.mu.Unlock()
	t.ring(wake)
}

// hold counts a router as one that may serve any table that was ever sent.
func (t *Traffic) hold(id string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.none = false
	if r := t.routers[id]; r != nil {
		r.held = true
		return
	}
	t.routers[id] = &routerState{ch: make(chan router.Table, 1), held: true}
}

// release counts a router no more. Whoever waited for it is woken.
func (t *Traffic) release(id string) {
	t.mu.Lock()
	wake := t.after(func() { delete(t.routers, id) })
	t.mu.Unlock()
	t.ring(wake)
}

// after makes a change of which routers there are, and gives the apps that may
// have waited for it; t.mu is held.
func (t *Traffic) after(change func()) map[string]bool {
	change()
	wake := map[string]bool{}
	for id := range t.unsettled {
		wake[t.seen[id].app] = true
	}
	return wake
}

func (t *Traffic) ring(apps map[string]bool) {
	for app := range apps {
		t.bell.Ring(AppTopic(app))
	}
}

// standing is how far a router is: the table it serves from, and how many
// requests are in flight to instances that left it.
type standing struct {
	there     bool
	acked     int64
	newest    int64
	published time.Time // the newest
	busy      int
}

func (t *Traffic) standing(id string) standing {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := standing{newest: t.table, published: t.published}
	if r := t.routers[id]; r != nil {
		s.there, s.acked = true, r.acked
		for _, n := range r.busy {
			s.busy += n
		}
	}
	return s
}

// Newest is the version of the newest table.
func (t *Traffic) Newest() int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.version
}

// routes says whether an app has routes.
func (t *Traffic) routes(appID string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, ok := t.apps[appID]
	return ok
}

// without says that nothing waits for a router, because there is none.
func (t *Traffic) without() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.none
}
