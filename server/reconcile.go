package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"paas/router"
	"paas/scheduler"
)

// ReconcilerConfig are the limits of the loop.
type ReconcilerConfig struct {
	DrainLimit time.Duration // how long a draining instance is waited for
	Tick       time.Duration // every app is looked at this often, to be sure
	Hosts      func(app string) []string
	// Epoch is of the leader's lease that plans are made under; nil: none is
	// asked for.
	Epoch func() int64
	// Passed hears how long each look at all apps took; nil: nobody asks.
	Passed func(took time.Duration)
}

// Reconciler makes what runs look like what is wanted: for each app that
// changed it reads a snapshot, asks scheduler.Plan, commits, and hands the
// routers the table that follows.
type Reconciler struct {
	cfg     ReconcilerConfig
	store   Store
	traffic *Traffic
	pages   *pages
	bell    *Bell
	log     *slog.Logger
	wakeAt  map[string]time.Time
}

// NewReconciler makes the loop; Run drives it.
func NewReconciler(cfg ReconcilerConfig, store Store, k *Keyring, t *Traffic, bell *Bell, log *slog.Logger) *Reconciler {
	return &Reconciler{cfg: cfg, store: store, traffic: t, pages: newPages(store, k), bell: bell, log: log, wakeAt: map[string]time.Time{}}
}

// Run reconciles until ctx ends.
func (r *Reconciler) Run(ctx context.Context) error {
	wake, stop := r.bell.Listen()
	defer stop()
	all := true
	dirty := map[string]bool{}
	next := time.Now().Add(r.cfg.Tick)
	for ctx.Err() == nil {
		if all {
			all = !r.lookAtAll(ctx)
			next = time.Now().Add(r.cfg.Tick)
			if all {
				next = time.Now().Add(200 * time.Millisecond)
			}
		}
		for id := range dirty {
			delete(dirty, id)
			if !r.look(ctx, id) {
				r.wakeAt[id] = time.Now().Add(200 * time.Millisecond)
			}
		}
		timer := time.NewTimer(time.Until(r.soonest(next)))
		select {
		case topic := <-wake:
			all = note(dirty, topic) || all
			for range len(wake) {
				all = note(dirty, <-wake) || all
			}
		case <-timer.C:
			all = !time.Now().Before(next) || all
			r.due(dirty)
		case <-ctx.Done():
		}
		timer.Stop()
	}
	return nil
}

// note takes a topic into the set of apps to look at; true means all.
func note(dirty map[string]bool, topic string) bool {
	if id, ok := strings.CutPrefix(topic, "app:"); ok {
		dirty[id] = true
	}
	return topic == NoticeAll
}

func (r *Reconciler) soonest(t time.Time) time.Time {
	for _, at := range r.wakeAt {
		if at.Before(t) {
			t = at
		}
	}
	return t
}

func (r *Reconciler) due(dirty map[string]bool) {
	now := time.Now()
	for id, at := range r.wakeAt {
		if !at.After(now) {
			delete(r.wakeAt, id)
			dirty[id] = true
		}
	}
}

// lookAtAll reconciles every app; true when each could be read. Only then is
// the table whole and may go out.
func (r *Reconciler) lookAtAll(ctx context.Context) bool {
	if r.cfg.Passed != nil {
		defer func(began time.Time) { r.cfg.Passed(time.Since(began)) }(time.Now())
	}
	if _, err := r.store.StopLapsed(ctx); err != nil {
		r.warn(ctx, "stop runs whose client is gone", "", err)
	}
	ids, err := r.store.AppIDs(ctx)
	if err != nil {
		r.warn(ctx, "list apps", "", err)
		return false
	}
	whole := true
	for _, id := range ids {
		whole = r.look(ctx, id) && whole
	}
	if whole {
		r.traffic.Keep(ids)
		r.traffic.Loaded()
	}
	return whole
}

// look takes one app as many steps as it can go now.
func (r *Reconciler) look(ctx context.Context, id string) bool {
	for range 10 {
		epoch, leads := r.epoch()
		if !leads {
			return false
		}
		snap, err := r.store.Snapshot(ctx, id)
		if IsID(err, ErrNotFound) {
			r.traffic.SetApp(id, nil)
			r.pages.forget(id)
			return true
		}
		if err != nil {
			r.warn(ctx, "read app", id, err)
			return false
		}
		r.traffic.SetApp(id, r.routes(ctx, snap))
		r.observe(&snap)
		d := scheduler.Plan(snap.State)
		delete(r.wakeAt, id)
		if at := r.wake(snap, d); !at.IsZero() {
			r.wakeAt[id] = at
		}
		if len(d.Ops) == 0 {
			return true
		}
		err = r.store.Commit(ctx, id, snap.App.Revision, epoch, d.Ops)
		if err != nil && !errors.Is(err, ErrStale) {
			r.warn(ctx, "commit plan", id, err)
			return false
		}
	}
	r.log.Warn("plan does not come to rest", "app", id)
	return false
}

// wake is when to look at an app again though nothing has told of it: when the
// plan says so, and for what waits for a host as soon as one more takes it.
func (r *Reconciler) wake(snap Snapshot, d scheduler.Decision) time.Time {
	pending := slices.ContainsFunc(snap.State.Instances, func(in scheduler.Instance) bool { return in.State == scheduler.Pending })
	if !pending || snap.Settled == 0 {
		return d.WakeAt
	}
	settled := snap.State.Now.Add(snap.Settled)
	if d.WakeAt.IsZero() || settled.Before(d.WakeAt) {
		return settled
	}
	return d.WakeAt
}

// epoch is what plans are committed under; false: this process leads no more.
func (r *Reconciler) epoch() (int64, bool) {
	if r.cfg.Epoch == nil {
		return 0, true
	}
	e := r.cfg.Epoch()
	return e, e != 0
}

func (r *Reconciler) warn(ctx context.Context, step, app string, err error) {
	if ctx.Err() == nil {
		r.log.Warn(step, "app", app, "err", err)
	}
}

// observe adds what the store cannot know: which instances routers let go of.
func (r *Reconciler) observe(snap *Snapshot) {
	snap.State.Now = time.Now()
	snap.State.DrainLimit = r.cfg.DrainLimit
	for i := range snap.State.Instances {
		in := &snap.State.Instances[i]
		in.Quiet = in.State == scheduler.Draining && r.traffic.Quiet(in.ID)
	}
}

// routes are the app's host names with every web instance that is up on a host
// that is not lost, whichever release it is of: the plan says who stays.
func (r *Reconciler) routes(ctx context.Context, snap Snapshot) []router.Route {
	targets := []router.Target{}
	lost := map[string]bool{}
	for _, h := range snap.State.Hosts {
		lost[h.ID] = h.Lost
	}
	for _, in := range snap.State.Instances {
		if in.Type == webType && in.State == scheduler.Up && !lost[in.Host] {
			targets = append(targets, router.Target{ID: in.ID, Name: snap.Names[in.ID], Addr: snap.Addrs[in.ID], Release: snap.Versions[in.ID]})
		}
	}
	slices.SortFunc(targets, func(a, b router.Target) int {
		return strings.Compare(a.Name+a.ID, b.Name+b.ID)
	})
	own, err := r.pages.of(ctx, snap.App)
	if err != nil {
		r.warn(ctx, "read the app's own pages; the platform's are shown", snap.App.ID, err)
	}
	var routes []router.Route
	for _, host := range append(r.cfg.Hosts(snap.App.Name), snap.Domains...) {
		routes = append(routes, router.Route{Host: host, AppID: snap.App.ID, App: snap.App.Name,
			Targets: targets, Empty: empty(snap), MaintenancePage: own.maintenance, ErrorPage: own.err})
	}
	return routes
}

// empty is the code of the page to show while nothing serves, or (H80) though
// something does.
func empty(snap Snapshot) string {
	switch {
	case snap.App.Maintenance:
		return "H80"
	case snap.Current.Image.Digest == "":
		return "H81"
	case snap.Formed[webType] == 0:
		return "H14"
	case snap.Crashing:
		return "H10"
	}
	return "H20"
}

// instanceName is "web.1".
func instanceName(typ string, ordinal int) string { return fmt.Sprintf("%s.%d", typ, ordinal) }
