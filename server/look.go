package server

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"paas/router"
	"paas/scheduler"
)

// lookAt takes apps the step that they can go now, a few at a time.
func (r *Reconciler) lookAt(ctx context.Context, apps map[string]bool) bool {
	whole := true
	for ids := range slices.Chunk(slices.Collect(maps.Keys(apps)), lookBatch) {
		failed := r.look(ctx, ids)
		r.again(failed, retryLook)
		whole = whole && len(failed) == 0
	}
	return whole
}

// look gives the apps that could not be looked at.
func (r *Reconciler) look(ctx context.Context, ids []string) map[string]bool {
	failed := map[string]bool{}
	for range staleRounds {
		epoch, leads := r.epoch()
		if !leads {
			return setOf(ids)
		}
		snaps, err := r.store.AppSnapshots(ctx, ids)
		if err != nil && len(ids) > 1 {
			return r.lookAlone(ctx, ids)
		}
		if err != nil {
			r.warn(ctx, "read app", ids[0], err)
			return setOf(ids)
		}
		if now, _ := r.epoch(); now != epoch {
			return setOf(ids) // routers must not hear of what was read so long ago
		}
		stale := r.commit(ctx, epoch, r.plan(ctx, ids, snaps), failed)
		if len(stale) == 0 {
			return failed
		}
		ids = stale
		if !r.hear(ctx, nothingHeard()) {
			break
		}
	}
	maps.Copy(failed, setOf(ids))
	return failed
}

// lookAlone keeps an app that cannot be read from holding up others.
func (r *Reconciler) lookAlone(ctx context.Context, ids []string) map[string]bool {
	failed := map[string]bool{}
	for _, id := range ids {
		maps.Copy(failed, r.look(ctx, []string{id}))
	}
	return failed
}

func setOf(ids []string) map[string]bool {
	set := make(map[string]bool, len(ids))
	for _, id := range ids {
		set[id] = true
	}
	return set
}

// plan hands out the routes of apps and plans one after the other, each with what
// those before it take of the hosts.
func (r *Reconciler) plan(ctx context.Context, ids []string, snaps []Snapshot) (plans []AppPlan) {
	routes, links, there := make(map[string][]router.Route, len(ids)), make(map[string][]string, len(ids)), map[string]bool{}
	for _, id := range ids {
		routes[id], links[id] = nil, nil
	}
	for i := range snaps {
		snaps[i].State.Hosts = r.book.hosts
		there[snaps[i].App.ID] = true
		routes[snaps[i].App.ID] = r.routes(ctx, snaps[i])
		links[snaps[i].App.ID] = snaps[i].Links
	}
	r.traffic.SetApps(routes)
	r.traffic.SetLinks(links)
	for _, id := range ids {
		if !there[id] {
			r.pages.forget(id)
			delete(r.wakeAt, id)
			delete(r.seen, id)
			r.cfg.Ahead.forget(id)
		}
	}
	for i := range snaps {
		snap := &snaps[i]
		snap.Settled = r.book.settles()
		r.observe(snap)
		snap.State.Fetched = r.cfg.Ahead.fetched(snap)
		d := scheduler.Plan(snap.State)
		r.cfg.Ahead.note(snap, len(d.Ops) == 0)
		delete(r.wakeAt, snap.App.ID)
		if at := r.wake(*snap, d); !at.IsZero() {
			r.wakeAt[snap.App.ID] = time.Now().Add(at.Sub(snap.State.Now)) // that is of the database's clock
		}
		if r.note(snap, d.Ops) {
			r.book.promise(snap.State.Instances, d.Ops)
			if lines := lossLines(snap, d.Ops); len(lines) > 0 {
				r.toSay[snap.App.ID] = lines
			}
			plans = append(plans, AppPlan{AppID: snap.App.ID, Revision: snap.App.Revision, Ops: d.Ops})
		}
	}
	return plans
}

// note remembers how an app was seen; true when something is to be done now.
func (r *Reconciler) note(snap *Snapshot, ops []scheduler.Op) bool {
	id, s := snap.App.ID, &sight{revision: snap.App.Revision, planned: unrest}
	if was := r.seen[id]; was != nil {
		s.planned, s.steps = was.planned, was.steps
	}
	on := map[string]bool{}
	for _, in := range snap.State.Instances {
		s.pending = s.pending || in.State == scheduler.Pending
		if in.Host != "" && !on[in.Host] {
			on[in.Host] = true
			s.hosts = append(s.hosts, in.Host)
		}
	}
	r.seen[id] = s
	if len(ops) == 0 {
		s.steps = 0
		return false
	}
	s.revision = unrest
	if s.steps++; s.planned+1 != snap.App.Revision {
		s.steps = 1
	}
	if s.steps > mostSteps {
		r.log.Warn("plan does not come to rest", "app", id)
		s.steps = 0
		r.wakeAt[id] = time.Now().Add(retryLook)
		return false
	}
	s.planned = snap.App.Revision
	return true
}

// commit gives the apps whose plan was refused, and adds those to failed whose
// plan could not be committed.
func (r *Reconciler) commit(ctx context.Context, epoch int64, plans []AppPlan, failed map[string]bool) (stale []string) {
	if len(plans) == 0 {
		return nil
	}
	stale, err := r.store.CommitPlans(ctx, epoch, plans)
	if err != nil && len(plans) > 1 && !errors.Is(err, ErrLost) && !IsID(err, ErrUnavailable) {
		for _, p := range plans { // one must not hold up the others
			stale = append(stale, r.commit(ctx, epoch, []AppPlan{p}, failed)...)
		}
		return stale
	}
	for _, p := range plans {
		switch {
		case err != nil:
			failed[p.AppID] = true
			r.unmade(p)
		case slices.Contains(stale, p.AppID):
			r.unmade(p)
		default:
			r.say(p.AppID)
			// What starts says so, and everything else the notice of the commit;
			// this has it looked at again if neither comes.
			r.again(map[string]bool{p.AppID: true}, echoLimit)
			r.seen[p.AppID].echo = startsOnly(p.Ops)
		}
	}
	if err != nil {
		r.warn(ctx, "commit plan", plans[0].AppID, err)
	}
	return stale
}

// unmade forgets what a plan promised and was to say: the next one is made from
// what is so then.
func (r *Reconciler) unmade(p AppPlan) {
	r.book.doubt(p.Ops)
	delete(r.toSay, p.AppID)
}

func startsOnly(ops []scheduler.Op) bool {
	return !slices.ContainsFunc(ops, func(op scheduler.Op) bool { return op.Kind != scheduler.OpStart && op.Kind != scheduler.OpPlace })
}
