package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"paas/server"
)

// AppRows reads the whole list in one query: what belongs to an app is summed
// up once for all of them, not once for each. Release v1, which every app is
// born with, has no image and does not count as one.
func (s *Store) AppRows(ctx context.Context, accountID string) ([]server.AppRow, error) {
	return many(ctx, s.pool, scanAppRow, `with seen as materialized (
			select * from apps where $1 = '' or owner_id::text = $1 or id in (select app_id from collaborators where account_id::text = $1)
			order by name limit 10000),
		dynos as (select app_id, count(*) filter (where state = 'up') up,
				count(*) filter (where state in ('pending', 'assigned', 'starting')) starting,
				count(*) filter (where state = 'crashed') crashed
			from instances where not one_off and app_id in (select id from seen) group by app_id),
		wanted as (select f.app_id, sum(f.quantity) n from formations f join seen p on p.id = f.app_id
			join releases r on r.id = p.current_release and r.image is not null
			where r.processes ? f.type and f.type <> 'release' group by f.app_id)
		select p.id, p.name, p.owner_id, a.email, p.created_at, p.maintenance, p.locked,
			coalesce(r.version, 0), coalesce(r.description, ''), coalesce(u.email, ''), r.updated_at,
			coalesce(d.id::text, ''), coalesce(d.state, ''), d.updated_at,
			coalesce(i.up, 0)::int, coalesce(i.starting, 0)::int, coalesce(i.crashed, 0)::int, coalesce(w.n, 0)::int
		from seen p join accounts a on a.id = p.owner_id
		left join releases r on r.id = p.current_release and r.image is not null
		left join accounts u on u.id = r.user_id
		left join lateral (select id, state, updated_at from deploys where app_id = p.id order by seq desc limit 1) d on true
		left join dynos i on i.app_id = p.id
		left join wanted w on w.app_id = p.id
		order by p.name`, accountID)
}

func scanAppRow(row pgx.CollectableRow) (a server.AppRow, err error) {
	var live, moved *time.Time
	err = row.Scan(&a.ID, &a.Name, &a.OwnerID, &a.OwnerEmail, &a.CreatedAt, &a.Maintenance, &a.Locked,
		&a.Release.Version, &a.Release.Description, &a.Release.User, &live,
		&a.Deploy.ID, &a.Deploy.State, &moved, &a.Up, &a.Starting, &a.Crashed, &a.Wanted)
	if live != nil {
		a.Release.At = *live
	}
	if moved != nil {
		a.Deploy.At = *moved
	}
	return a, err
}

// HostRows reads hosts and what is on them in one query; a name of an app
// comes out of the database only when the account may see it.
func (s *Store) HostRows(ctx context.Context, accountID string) ([]server.HostRow, error) {
	type dyno struct {
		App, Type, State, Size string
		Ordinal, Release       int
		Memory                 int64
		Volume                 string
	}
	return many(ctx, s.pool, func(row pgx.CollectableRow) (h server.HostRow, err error) {
		var dynos []dyno
		var seen, lost, steady, until, drill infTime
		var now time.Time
		var state string
		var cordoned, draining, settling bool
		err = row.Scan(&h.ID, &h.Name, &h.Arch, &h.MilliCPU, &h.Memory, &h.ReservedCPU, &h.ReservedBytes, &seen, &h.Others, &dynos,
			&state, &h.Local, &cordoned, &draining, &settling, &h.Labels, &h.Addr, &h.Agent, &h.Engine, &h.KeptCPU, &h.KeptMemory, &lost, &steady, &until, &drill, &now, &h.Boot, &h.Findings, &h.DiskFree, &h.DiskTotal)
		ahead := clockAhead(now)
		for _, d := range dynos {
			h.Dynos = append(h.Dynos, server.HostDyno(d))
		}
		h.SeenAt, h.LostAt, h.SteadyAt, h.DrainUntil, h.DrillUntil = seen.less(ahead), lost.less(ahead), steady.less(ahead), until.less(ahead), drill.less(ahead)
		switch {
		case state == string(server.HostLost):
			h.State = server.HostLost
		case draining && len(h.Dynos)+h.Others == 0:
			h.State = server.HostDrained
		case draining:
			h.State = server.HostDraining
		case cordoned:
			h.State = server.HostCordoned
		case settling:
			h.State = server.HostSettling
		default:
			h.State = server.HostReady
		}
		return h, err
	}, `with placed as (select i.*, p.name as app, r.version,
				$1 = '' or p.owner_id::text = $1 or p.id in (select app_id from collaborators where account_id::text = $1) as seen,
				coalesce((select v.name from volumes v where v.host_id = i.host_id and v.destroyed_at is null and not i.one_off
					and r.mounts @> jsonb_build_array(jsonb_build_object('type', i.type, 'volume', v.id::text)) order by 1 limit 1), '') as volume
			from instances i join apps p on p.id = i.app_id join releases r on r.id = i.release_id where i.host_id is not null)
		select h.id::text, h.name, h.arch, h.milli_cpu, h.memory,
			coalesce(sum(i.milli_cpu) filter (where i.state <> 'crashed'), 0)::bigint,
			coalesce(sum(i.memory) filter (where i.state <> 'crashed'), 0)::bigint,
			h.seen_at, count(*) filter (where not i.seen)::int,
			coalesce(jsonb_agg(jsonb_build_object('App', i.app, 'Type', i.type, 'State', i.state, 'Size', i.size, 'Ordinal', i.ordinal,
				'Release', i.version, 'Memory', i.memory, 'Volume', i.volume) order by i.app, i.type, i.ordinal, i.created_at) filter (where i.seen), '[]'),
			h.state, h.local, h.cordoned, h.draining, h.steady_at > now() or h.seen_at = '-infinity', h.labels, h.addr, h.agent, h.engine,
			h.kept_cpu, h.kept_memory, coalesce(h.lost_at, '-infinity'), h.steady_at, h.drain_until, h.drill_until, now(), h.boot, h.findings, h.disk_free, h.disk_total
		from hosts h left join placed i on i.host_id = h.id group by h.id order by h.name`, accountID)
}
