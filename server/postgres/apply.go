package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"paas/scheduler"
	"paas/server"
)

// steps are operations of one or more apps, by what they do, as columns of the
// statements that do them.
type steps struct {
	drains, stops, drops, loses []string
	placed                      placedRows
	replaced                    []string // ids that starts take the place of
	starts                      []start
}

type start struct {
	app string
	scheduler.Op
}

type placedRows struct{ ids, hosts, reasons []string }

// apply does operations, under their apps' locks, and gives the topics of the
// hosts whose assignments they change. Each is checked against the state it
// finds. What goes goes first, so that its name is free.
func (s *Store) apply(ctx context.Context, tx pgx.Tx, plans []server.AppPlan) (topics []string, err error) {
	st, hosts, placed := steps{}, map[string]bool{}, map[string]bool{}
	for _, p := range plans {
		for _, op := range p.Ops {
			if err := st.sort(p.AppID, op); err != nil {
				return nil, err
			}
		}
	}
	if err := st.end(ctx, tx, hosts); err != nil {
		return nil, fmt.Errorf("end instances: %w", err)
	}
	for _, id := range st.loses {
		host, err := s.lose(ctx, tx, id)
		if err != nil {
			return nil, fmt.Errorf("end a run: %w", err)
		}
		hosts[host] = true
	}
	if err := st.start(ctx, tx, placed); err != nil {
		return nil, fmt.Errorf("start instances: %w", err)
	}
	for _, h := range keys(hosts) {
		if h != "" {
			topics = append(topics, server.HostTopic(h))
		}
	}
	for _, h := range keys(placed) {
		if h != "" && !hosts[h] { // the planner has booked it itself
			topics = append(topics, server.PlacedTopic(h))
		}
	}
	return topics, nil
}

// sort puts one operation to its kind.
func (st *steps) sort(app string, op scheduler.Op) error {
	switch op.Kind {
	case scheduler.OpStart:
		st.starts = append(st.starts, start{app, op})
		if op.Replaces != "" {
			st.replaced = append(st.replaced, uuidOf(op.Replaces))
		}
	case scheduler.OpPlace:
		st.placed.ids = append(st.placed.ids, uuidOf(op.Instance))
		st.placed.hosts, st.placed.reasons = append(st.placed.hosts, op.Host), append(st.placed.reasons, op.Reason)
	case scheduler.OpDrain:
		st.drains = append(st.drains, uuidOf(op.Instance))
	case scheduler.OpStop:
		st.stops = append(st.stops, uuidOf(op.Instance))
	case scheduler.OpDrop:
		st.drops = append(st.drops, uuidOf(op.Instance))
	case scheduler.OpLose:
		st.loses = append(st.loses, op.Instance)
	default:
		return fmt.Errorf("%s: no such operation", op.Kind)
	}
	return nil
}

// end drains, stops and drops.
func (st *steps) end(ctx context.Context, tx pgx.Tx, hosts map[string]bool) error {
	b := &pgx.Batch{}
	told := func(rows pgx.Rows) error {
		list, err := pgx.CollectRows(rows, pgx.RowTo[string])
		for _, h := range list {
			hosts[h] = true
		}
		return err
	}
	if len(st.drops) > 0 {
		b.Queue(`delete from instances where id = any($1::uuid[]) and (state in ('pending', 'crashed')
			or `+onLostHost+`) returning coalesce(host_id::text, '')`, st.drops).Query(told)
	}
	if len(st.drains) > 0 {
		b.Queue(`update instances set state = 'draining', updated_at = now() where id = any($1::uuid[]) and state = 'up'`, st.drains)
	}
	if len(st.stops) > 0 {
		b.Queue(`update instances set state = 'stopping', updated_at = now() where id = any($1::uuid[])
			and state in ('assigned', 'starting', 'up', 'draining') returning host_id::text`, st.stops).Query(told)
	}
	if b.Len() == 0 {
		return nil
	}
	return tx.SendBatch(ctx, b).Close()
}

// start places what waits and starts what is new.
func (st *steps) start(ctx context.Context, tx pgx.Tx, hosts map[string]bool) error {
	gone, err := replaced(ctx, tx, st.replaced)
	if err != nil {
		return err
	}
	b := &pgx.Batch{}
	if len(st.placed.ids) > 0 {
		b.Queue(`update instances i set host_id = nullif(o.host, '')::uuid, reason = o.reason, updated_at = now(),
			state = case when o.host = '' then 'pending' else 'assigned' end
			from unnest($1::uuid[], $2::text[], $3::text[]) o (id, host, reason) where i.id = o.id and i.state = 'pending'`,
			st.placed.ids, st.placed.hosts, st.placed.reasons)
		for _, h := range st.placed.hosts {
			hosts[h] = true
		}
	}
	st.insert(b, gone, hosts)
	if b.Len() == 0 {
		return nil
	}
	return tx.SendBatch(ctx, b).Close()
}

// insert writes the new instances, but for those that were to take the place
// of one that is still there.
func (st *steps) insert(b *pgx.Batch, gone, hosts map[string]bool) {
	var beside, besideApps []string
	var apps, releases, types, to, reasons []string
	var ordinals, crashes []int
	var memory, cpu []int64
	for _, op := range st.starts {
		if op.Replaces != "" && !gone[op.Replaces] {
			continue
		}
		if op.Beside != "" {
			beside, besideApps = append(beside, uuidOf(op.Beside)), append(besideApps, op.app)
		}
		apps, releases, types = append(apps, op.app), append(releases, op.Release), append(types, op.Type)
		to, reasons, ordinals = append(to, op.Host), append(reasons, op.Reason), append(ordinals, op.Ordinal)
		crashes, memory, cpu = append(crashes, op.Crashes), append(memory, op.Memory), append(cpu, op.MilliCPU)
		hosts[op.Host] = true
	}
	if len(beside) > 0 { // the name is free for the one that takes its place
		b.Queue(`update instances i set replace = true from unnest($1::uuid[], $2::uuid[]) o (id, app) where i.id = o.id and i.app_id = o.app`, beside, besideApps)
	}
	if len(apps) == 0 {
		return
	}
	b.Queue(`with o as (select * from unnest($1::uuid[], $2::uuid[], $3::text[], $4::int[], $5::bigint[], $6::bigint[], $7::text[], $8::text[], $9::int[])
				u (app, release, type, ordinal, memory, cpu, host, reason, crashes))
		insert into instances (app_id, release_id, type, ordinal, size, memory, milli_cpu, host_id, state, reason, crashes)
		select o.app, o.release, o.type, o.ordinal, f.size, o.memory, o.cpu, nullif(o.host, '')::uuid,
			case when o.host = '' then 'pending' else 'assigned' end, o.reason, o.crashes
		from o left join formations f on f.app_id = o.app and f.type = o.type`,
		apps, releases, types, ordinals, memory, cpu, to, reasons, crashes)
}

// onLostHost is true of an instance that counts as gone, whatever its state.
const onLostHost = `exists (select 1 from hosts h where h.id = host_id and h.state = 'lost')`

// replaced forgets instances that others take the place of: each has crashed, or
// its host is lost. Those of which neither holds any more are not among the result.
func replaced(ctx context.Context, tx pgx.Tx, ids []string) (map[string]bool, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	type row struct{ ID, App, Name, State, Host string }
	list, err := many(ctx, tx, pgx.RowToStructByPos[row], `delete from instances where id = any($1::uuid[]) and (state = 'crashed' or `+onLostHost+`)
		returning id::text, app_id::text, type || '.' || ordinal, state, coalesce((select h.name from hosts h where h.id = host_id), '')`, ids)
	if err != nil {
		return nil, err
	}
	gone := make(map[string]bool, len(list))
	var events eventRows
	for _, r := range list {
		gone[r.ID] = true
		if r.State != string(scheduler.Crashed) {
			events.add(r.App, "paas", "instance.lost", fmt.Sprintf("%s: its host %s was lost", r.Name, r.Host))
		}
	}
	b := &pgx.Batch{}
	if events.queue(b); b.Len() == 0 {
		return gone, nil
	}
	return gone, tx.SendBatch(ctx, b).Close()
}
