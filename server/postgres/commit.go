package postgres

import (
	"context"
	"slices"

	"github.com/jackc/pgx/v5"

	"paas/scheduler"
	"paas/server"
)

// Commit applies a plan to the app it was made from. An epoch that is not 0
// must be the leader's.
func (s *Store) Commit(ctx context.Context, appID string, revision, epoch int64, ops []scheduler.Op) error {
	stale, err := s.CommitPlans(ctx, epoch, []server.AppPlan{{AppID: appID, Revision: revision, Ops: ops}})
	if err == nil && len(stale) > 0 {
		return server.ErrStale
	}
	return err
}

// CommitPlans applies plans in one transaction, in a few statements however
// many steps they have. What a plan was made from is looked at again here, so
// that hosts which the planner keeps in memory may be out of date.
func (s *Store) CommitPlans(ctx context.Context, epoch int64, plans []server.AppPlan) (stale []string, err error) {
	err = s.inTx(ctx, func(tx pgx.Tx) error {
		stale = nil
		if err := leads(ctx, tx, epoch); err != nil {
			return err
		}
		fresh, err := s.lockApps(ctx, tx, plans)
		if err != nil {
			return err
		}
		if fresh, err = fitting(ctx, tx, fresh); err != nil {
			return err
		}
		for _, p := range plans {
			if !slices.ContainsFunc(fresh, func(f server.AppPlan) bool { return f.AppID == p.AppID }) {
				stale = append(stale, p.AppID)
			}
		}
		if len(fresh) == 0 {
			return nil
		}
		topics, err := s.apply(ctx, tx, fresh)
		if err != nil {
			return err
		}
		ids := make([]string, len(fresh))
		for i, p := range fresh {
			ids[i] = p.AppID
		}
		b := &pgx.Batch{}
		queueTouch(b, ids, topics)
		return tx.SendBatch(ctx, b).Close()
	})
	return stale, err
}

// lockApps holds the apps until the end and gives the plans of those that are
// as they were.
func (s *Store) lockApps(ctx context.Context, tx pgx.Tx, plans []server.AppPlan) (fresh []server.AppPlan, err error) {
	ids := make([]string, len(plans))
	for i, p := range plans {
		ids[i] = uuidOf(p.AppID)
	}
	type row struct {
		ID       string
		Revision int64
	}
	list, err := many(ctx, tx, pgx.RowToStructByPos[row], `select id::text, revision from apps where id = any($1::uuid[]) order by id for update`, ids)
	if err != nil {
		return nil, err
	}
	now := make(map[string]int64, len(list))
	for _, r := range list {
		now[r.ID] = r.Revision
	}
	for _, p := range plans {
		if at, ok := now[p.AppID]; ok && at == p.Revision {
			fresh = append(fresh, p)
		}
	}
	return fresh, nil
}

// room is what a host has left, and whether it takes anything.
type room struct {
	id          string
	cpu, memory int64
	takes       bool
}

// fitting gives the plans whose hosts have the room that the plans thought they
// have. Whoever places waits for whoever does so at the same time: two can never
// promise the same room, leader or not.
func fitting(ctx context.Context, tx pgx.Tx, plans []server.AppPlan) ([]server.AppPlan, error) {
	hosts := map[string]bool{}
	for _, p := range plans {
		for _, op := range p.Ops {
			if op.Host != "" && (op.Kind == scheduler.OpStart || op.Kind == scheduler.OpPlace) {
				hosts[op.Host] = true
			}
		}
	}
	if len(hosts) == 0 {
		return plans, nil
	}
	if _, err := tx.Exec(ctx, `select pg_advisory_xact_lock(hashtext('paas.placing'))`); err != nil {
		return nil, err
	}
	left, err := rooms(ctx, tx, keys(hosts))
	if err != nil {
		return nil, err
	}
	needs, err := pendingNeeds(ctx, tx, plans)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(plans, func(p server.AppPlan) bool { return !fits(left, needs, p.Ops) }), nil
}

func rooms(ctx context.Context, tx pgx.Tx, hosts []string) (map[string]*room, error) {
	list, err := many(ctx, tx, func(row pgx.CollectableRow) (r room, err error) {
		err = row.Scan(&r.id, &r.cpu, &r.memory, &r.takes)
		return r, err
	}, `select h.id::text, (h.milli_cpu - h.kept_cpu - coalesce(u.milli_cpu, 0))::bigint, (h.memory - h.kept_memory - coalesce(u.memory, 0))::bigint,
			h.state <> 'lost' and not h.cordoned and not h.draining and h.steady_at <= now() and h.seen_at > '-infinity'
		from hosts h left join lateral (select sum(milli_cpu) milli_cpu, sum(memory) memory from instances where state <> 'crashed' and host_id = h.id) u on true
		where h.id = any($1::uuid[])`, hosts)
	left := make(map[string]*room, len(list))
	for i := range list {
		left[list[i].id] = &list[i]
	}
	return left, err
}

// pendingNeeds is what instances need that are there and get a host.
func pendingNeeds(ctx context.Context, tx pgx.Tx, plans []server.AppPlan) (map[string]room, error) {
	var ids []string
	for _, p := range plans {
		for _, op := range p.Ops {
			if op.Kind == scheduler.OpPlace && op.Host != "" {
				ids = append(ids, uuidOf(op.Instance))
			}
		}
	}
	if len(ids) == 0 {
		return nil, nil
	}
	list, err := many(ctx, tx, func(row pgx.CollectableRow) (r room, err error) {
		err = row.Scan(&r.id, &r.cpu, &r.memory)
		return r, err
	}, `select id::text, milli_cpu, memory from instances where id = any($1::uuid[])`, ids)
	needs := make(map[string]room, len(list))
	for _, r := range list {
		needs[r.id] = r
	}
	return needs, err
}

// fits books what a plan places, all of it or nothing.
func fits(left map[string]*room, needs map[string]room, ops []scheduler.Op) bool {
	var booked []func()
	for _, op := range ops {
		need := room{cpu: op.MilliCPU, memory: op.Memory}
		switch {
		case op.Host == "" || op.Kind != scheduler.OpStart && op.Kind != scheduler.OpPlace:
			continue
		case op.Kind == scheduler.OpPlace:
			need = needs[op.Instance]
		}
		h := left[op.Host]
		if h == nil || !h.takes || h.cpu < need.cpu || h.memory < need.memory {
			for _, undo := range booked {
				undo()
			}
			return false
		}
		h.cpu, h.memory = h.cpu-need.cpu, h.memory-need.memory
		booked = append(booked, func() { h.cpu, h.memory = h.cpu+need.cpu, h.memory+need.memory })
	}
	return true
}
