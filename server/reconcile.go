package server

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"time"

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
	// Say writes lines of apps' logs; nil: nobody reads them.
	Say func(lines ...LogLine)
	// Passed hears how long each look at all apps took; nil: nobody asks.
	Passed func(took time.Duration)
	// Ahead is told which images hosts are to fetch before they run; nil: none.
	Ahead *Ahead
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
	book    *book
	seen    map[string]*sight    // by app
	checked []string             // apps in the order they are looked at to be sure
	toSay   map[string][]LogLine // by app, once its plan is committed
}

// sight is how an app was when it was last looked at.
type sight struct {
	revision int64    // at which there was nothing to do; unrest: there was something
	hosts    []string // of its instances
	pending  bool     // some wait for a host
	planned  int64    // revision its last plan was made from
	steps    int      // plans in a row without anything else having happened
	// echo: its last plan only starts instances, so that the notice of its own
	// commit is none to look again for. It holds until the next look, for which
	// a time is set.
	echo bool
}

const (
	unrest      = -1
	lookBatch   = 64 // apps that are read and committed together
	checkApps   = 16 // apps that each pass looks at though nothing tells of a change
	checkHosts  = 64 // hosts that each pass reads though nothing tells of a change
	retryLook   = 200 * time.Millisecond
	echoLimit   = 100 * time.Millisecond // for the notice of an own commit
	mostSteps   = 10
	staleRounds = 10
)

// NewReconciler makes the loop; Run drives it.
func NewReconciler(cfg ReconcilerConfig, store Store, k *Keyring, t *Traffic, bell *Bell, log *slog.Logger) *Reconciler {
	return &Reconciler{cfg: cfg, store: store, traffic: t, pages: newPages(store, k), bell: bell, log: log}
}

// Run reconciles until ctx ends. What an earlier run knew may be long out of
// date: it begins anew.
func (r *Reconciler) Run(ctx context.Context) error {
	epoch, leads := r.epoch()
	if !leads {
		return nil // the term is over already
	}
	ears, stop := listen(r.bell)
	defer stop()
	r.traffic.Begin(epoch)
	r.cfg.Ahead.begin()
	r.book, r.seen, r.wakeAt, r.toSay = newBook(r.store), map[string]*sight{}, map[string]time.Time{}, map[string][]LogLine{}
	var next time.Time
	for ctx.Err() == nil {
		got := ears.take()
		if got.all || !time.Now().Before(next) {
			next = time.Now().Add(r.cfg.Tick)
			if !r.lookAtAll(ctx, got) {
				next = time.Now().Add(retryLook)
			}
		} else if r.ignoreEchoes(got); r.hear(ctx, got) {
			r.lookAt(ctx, got.apps)
		}
		timer := time.NewTimer(time.Until(r.soonest(next)))
		select {
		case <-ears.wake:
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
	}
	return nil
}

func (r *Reconciler) soonest(t time.Time) time.Time {
	for _, at := range r.wakeAt {
		if at.Before(t) {
			t = at
		}
	}
	return t
}

// hear brings the hosts up to date and adds to the apps that were told of those
// that are due, and those that a change of a host concerns.
func (r *Reconciler) hear(ctx context.Context, got notices) bool {
	now := time.Now()
	for id, at := range r.wakeAt {
		if !at.After(now) {
			delete(r.wakeAt, id)
			got.apps[id] = true
		}
	}
	for id := range got.hosts {
		r.book.mark(id)
	}
	ch, err := r.book.refresh(ctx)
	if err != nil {
		r.warn(ctx, "read hosts", "", err)
		r.again(got.apps, retryLook)
		return false
	}
	r.concern(ch, got.apps)
	return true
}

// ignoreEchoes takes out the apps of which only an own commit told.
func (r *Reconciler) ignoreEchoes(got notices) {
	for id := range got.apps {
		if s := r.seen[id]; s != nil && s.echo && !got.more[id] {
			s.echo = false
			delete(got.apps, id)
		}
	}
}

func (r *Reconciler) again(apps map[string]bool, after time.Duration) {
	at := time.Now().Add(after)
	for id := range apps {
		r.wakeAt[id] = at
	}
}

// concern adds the apps that have something on hosts that changed, and those
// that wait for one.
func (r *Reconciler) concern(ch bookChange, apps map[string]bool) {
	if !ch.all && len(ch.hosts) == 0 {
		return
	}
	for id, s := range r.seen {
		if ch.all || s.pending || slices.ContainsFunc(s.hosts, func(h string) bool { return ch.hosts[h] }) {
			apps[id] = true
		}
	}
}

// lookAtAll reconciles every app that is not known to be at rest; true when each
// could be read. Only then is the table whole and may go out.
func (r *Reconciler) lookAtAll(ctx context.Context, got notices) bool {
	if r.cfg.Passed != nil {
		defer func(began time.Time) { r.cfg.Passed(time.Since(began)) }(time.Now())
	}
	if _, err := r.store.StopLapsed(ctx); err != nil {
		r.warn(ctx, "stop runs whose client is gone", "", err)
	}
	r.book.whole = r.book.whole && !got.all // what was told may have been missed
	r.book.check(checkHosts)
	if !r.hear(ctx, got) {
		return false
	}
	at, err := r.store.Revisions(ctx)
	if err != nil {
		r.warn(ctx, "list apps", "", err)
		r.again(got.apps, retryLook)
		return false
	}
	for id, revision := range at {
		if s := r.seen[id]; s == nil || s.revision != revision || s.pending {
			got.apps[id] = true
		}
	}
	for id := range r.seen {
		if _, there := at[id]; !there {
			got.apps[id] = true
		}
	}
	for _, id := range r.turn(at) {
		got.apps[id] = true
	}
	whole := r.lookAt(ctx, got.apps)
	if whole {
		r.traffic.Keep(slices.Collect(maps.Keys(at)))
		r.traffic.Loaded()
	}
	return whole
}

// turn is the next few apps to look at to be sure: of a small installation all.
func (r *Reconciler) turn(at map[string]int64) []string {
	if len(r.checked) == 0 {
		r.checked = slices.Collect(maps.Keys(at))
	}
	n := min(checkApps, len(r.checked))
	ids := r.checked[:n]
	r.checked = r.checked[n:]
	return ids
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
	snap.State.DrainLimit = r.cfg.DrainLimit
	for i := range snap.State.Instances {
		in := &snap.State.Instances[i]
		in.Quiet = in.State == scheduler.Draining && r.traffic.Quiet(in.ID)
	}
}

// instanceName is "web.1".
func instanceName(typ string, ordinal int) string { return typ + "." + strconv.Itoa(ordinal) }
