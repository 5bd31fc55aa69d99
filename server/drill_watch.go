package server

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"paas/router"
	"paas/scheduler"
)

// Drills measures the drill that goes on. One control plane at a time does so:
// the one that leads, for it alone knows what routers acknowledge.
type Drills struct {
	store   drillWatchStore
	traffic *Traffic
	meter   *Meter
	bell    *Bell
	log     *slog.Logger
}

type drillWatchStore interface {
	DrillStore
	AppSnapshots(ctx context.Context, appIDs []string) ([]Snapshot, error)
	HostEntries(ctx context.Context, ids []string) ([]HostEntry, error)
}

const (
	drillLook = 100 * time.Millisecond // figures are as exact as that
	drillRest = time.Second            // between two looks once all is measured, and two writes of how many requests came
	drillIdle = 5 * time.Second        // until it is asked for though nothing rang
)

// NewDrills makes it; Run measures.
func NewDrills(store drillWatchStore, traffic *Traffic, meter *Meter, bell *Bell, log *slog.Logger) *Drills {
	return &Drills{store: store, traffic: traffic, meter: meter, bell: bell, log: log}
}

// Run watches drills until ctx ends. What one measured when its leader went is
// gone on with by the next.
func (w *Drills) Run(ctx context.Context) error {
	wake, stop := w.bell.Listen(DrillTopic)
	defer stop()
	for ctx.Err() == nil {
		d, err := w.store.RunningDrill(ctx)
		if err != nil && ctx.Err() == nil {
			w.log.Warn("look for a drill", "err", err)
		}
		if d != nil {
			w.watch(ctx, *d)
			continue
		}
		timer := time.NewTimer(drillIdle)
		select {
		case <-wake:
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
	}
	return nil
}

// watch measures one drill to its end.
func (w *Drills) watch(ctx context.Context, d Drill) {
	w.log.Warn("drill: a host is treated as if it had died", "host", d.Host, "until", d.Until, "actor", d.Actor)
	m := newDrillMeter(d, w.traffic, w.meter)
	n := drillNote{store: w.store, id: d.ID}
	for ctx.Err() == nil {
		changed, err := w.look(ctx, m)
		if err != nil && ctx.Err() == nil {
			w.log.Warn("measure a drill; trying on", "host", d.Host, "err", err)
		}
		n.due = n.due || changed
		now, gone := w.store.RunningDrill(ctx)
		over := gone == nil && (now == nil || now.ID != d.ID) // it was ended
		ending := !over && gone == nil && err == nil && now.Ended(time.Now())
		n.write(ctx, m.report, over || ending)
		if over || ending && w.store.EndDrill(ctx, d.ID, "paas") == nil {
			break
		}
		wait(ctx, m.pause())
	}
	w.log.Info("drill is over; the host is listened to again", "host", d.Host,
		"lost", m.report.Lost, "out", m.report.Out, "elsewhere", m.report.Elsewhere)
}

// drillNote writes what one drill has measured: each new figure of a host's loss
// at once, the number of requests once a second, and the whole at its end.
type drillNote struct {
	store DrillStore
	id    string
	due   bool // something is not written yet
	last  [3]time.Duration
	at    time.Time
}

func (n *drillNote) write(ctx context.Context, r DrillReport, end bool) {
	figures := [3]time.Duration{r.Lost, r.Out, r.Elsewhere}
	if !n.due || !end && figures == n.last && time.Since(n.at) < drillRest {
		return
	}
	if n.store.NoteDrill(ctx, n.id, r) == nil { // otherwise with the next look
		n.due, n.last, n.at = false, figures, time.Now()
	}
}

func (w *Drills) look(ctx context.Context, m *drillMeter) (changed bool, err error) {
	hosts, err := w.store.HostEntries(ctx, []string{m.host})
	if err != nil {
		return false, err
	}
	var snaps []Snapshot
	if ids := m.apps(); len(ids) > 0 {
		if snaps, err = w.store.AppSnapshots(ctx, ids); err != nil {
			return false, err
		}
	}
	lost := len(hosts) == 1 && hosts[0].Lost
	return m.take(lost, snaps, time.Now()), nil
}

// drillMeter measures one drill from what is seen of it, again and again.
type drillMeter struct {
	host    string
	began   time.Time // here, on the monotonic clock
	report  DrillReport
	traffic interface {
		Quiet(targetID string) bool
		Serving(targetID string) bool
	}
	total  func(app string) router.Count
	counts map[string]router.Count // by app, as last seen
	away   map[string]time.Time    // by app, since when nothing of it serves
}

func newDrillMeter(d Drill, t *Traffic, meter *Meter) *drillMeter {
	age := max(0, time.Since(d.StartedAt)) // by two clocks: the database's is as good as its machine's
	m := &drillMeter{host: d.HostID, began: time.Now().Add(-age), report: d.Report, traffic: t, counts: map[string]router.Count{}, away: map[string]time.Time{}}
	m.total = func(app string) router.Count { return meter.tally.Total(app) }
	for _, a := range d.Report.Apps {
		m.counts[a.ID] = m.total(a.ID)
	}
	return m
}

// pause is the time until the next look: when everything is up elsewhere, what is
// left is to count requests.
func (m *drillMeter) pause() time.Duration {
	if m.report.Elsewhere > 0 && len(m.away) == 0 {
		return drillRest
	}
	return drillLook
}

func (m *drillMeter) apps() []string {
	ids := make([]string, len(m.report.Apps))
	for i, a := range m.report.Apps {
		ids[i] = a.ID
	}
	return ids
}

// take adds what is seen at a moment; true when that was something new.
func (m *drillMeter) take(lost bool, snaps []Snapshot, now time.Time) (changed bool) {
	after := now.Sub(m.began).Round(time.Millisecond)
	note := func(d *time.Duration, holds bool) {
		if *d == 0 && holds {
			*d, changed = after, true
		}
	}
	note(&m.report.Lost, lost)
	out, elsewhere := true, true
	for i := range m.report.Apps {
		a := &m.report.Apps[i]
		changed = m.requests(a) || changed
		j := slices.IndexFunc(snaps, func(s Snapshot) bool { return s.App.ID == a.ID })
		if m.report.Lost == 0 || j < 0 { // it is not lost yet, or the app is no more
			out, elsewhere = out && j < 0, elsewhere && j < 0
			continue
		}
		note(&a.Out, !slices.ContainsFunc(a.Instances, func(id string) bool { return !m.traffic.Quiet(id) }))
		changed = m.gone(a, snaps[j].State, now) || changed
		note(&a.Elsewhere, m.restored(a, snaps[j].State))
		out, elsewhere = out && a.Out > 0, elsewhere && (a.Elsewhere > 0 || len(a.Waits) > 0)
	}
	note(&m.report.Out, m.report.Lost > 0 && out)
	note(&m.report.Elsewhere, m.report.Lost > 0 && elsewhere)
	return changed
}

// requests adds those that ended since the last look.
func (m *drillMeter) requests(a *DrillApp) bool {
	was, now := m.counts[a.ID], m.total(a.ID)
	m.counts[a.ID] = now
	var n int64
	for class := range now.Status {
		n += now.Status[class] - was.Status[class]
	}
	a.Requests += n
	a.Failed += now.Status[5] - was.Status[5]
	return n > 0
}

// gone adds up how long an app has no web dyno in the routers.
func (m *drillMeter) gone(a *DrillApp, st scheduler.State, now time.Time) bool {
	if a.Had[webType] == 0 {
		return false
	}
	since, away := m.away[a.ID]
	serves := slices.ContainsFunc(st.Instances, func(in scheduler.Instance) bool {
		return in.Type == webType && !in.OneOff && m.serves(in)
	})
	switch {
	case !serves && !away:
		m.away[a.ID] = now
	case away:
		a.Gone += now.Sub(since).Round(time.Millisecond)
		m.away[a.ID] = now
		if serves {
			delete(m.away, a.ID)
		}
		return true
	}
	return false
}

func (m *drillMeter) serves(in scheduler.Instance) bool {
	return in.State == scheduler.Up && in.Host != m.host && (in.Type != webType || m.traffic.Serving(in.ID))
}

// restored says that as many dynos of each type are up on other hosts as there
// were on all before, or are wanted now.
func (m *drillMeter) restored(a *DrillApp, st scheduler.State) bool {
	up := map[string]int{}
	for _, in := range st.Instances {
		if !in.OneOff && m.serves(in) {
			up[in.Type]++
		}
	}
	for _, w := range st.Wants {
		if up[w.Type] < min(a.Had[w.Type], w.Quantity) {
			return false
		}
	}
	return true
}
