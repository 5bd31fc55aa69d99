package postgres

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"paas/scheduler"
	"paas/scheduler/agent"
	"paas/server"
)

// What a host reserves for itself is not there for instances. One that has
// joined and was not heard of yet takes nothing, like one that settles.
const hostColumns = `select h.id::text, h.name, h.arch, h.milli_cpu - h.kept_cpu, h.memory - h.kept_memory,
	coalesce(u.milli_cpu, 0)::bigint, coalesce(u.memory, 0)::bigint, coalesce(u.n, 0)::int,
	h.labels, h.state = 'lost', h.cordoned, h.draining, h.steady_at > now() or h.seen_at = '-infinity',
	h.disk_free, h.disk_total, h.stocked_at is not null`

const hostTables = `from hosts h `

// hostEntries reads hosts by name, all when ids is nil. What each has promised is
// summed up for those that are asked for only.
func hostEntries(ctx context.Context, q querier, ids []string) ([]server.HostEntry, error) {
	scan := func(row pgx.CollectableRow) (e server.HostEntry, err error) {
		h := &e.Host
		err = row.Scan(&h.ID, &h.Name, &h.Arch, &h.MilliCPU, &h.Memory, &h.UsedMilliCPU, &h.UsedMemory, &h.Instances,
			&h.Labels, &h.Lost, &h.Cordoned, &h.Draining, &h.Settling, &h.DiskFree, &h.DiskTotal, &h.Stocked, &e.Settled)
		return e, err
	}
	// The fraction keeps whoever waits that long from being early.
	const settled = `, case when h.steady_at > now() then 1000000 * (1000 * extract(epoch from h.steady_at - now()) + 1)::bigint else 0 end `
	if ids == nil {
		return many(ctx, q, scan, hostColumns+settled+hostTables+`left join (select host_id, sum(milli_cpu) milli_cpu, sum(memory) memory, count(*) n
			from instances where state <> 'crashed' group by host_id) u on u.host_id = h.id order by h.name`)
	}
	return many(ctx, q, scan, hostColumns+settled+hostTables+`left join lateral (select sum(milli_cpu) milli_cpu, sum(memory) memory, count(*) n
		from instances where state <> 'crashed' and host_id = h.id) u on true where h.id = any($1::uuid[]) order by h.name`, ids)
}

// HostEntries reads what plans are made from of hosts, by name; all when ids is nil.
func (s *Store) HostEntries(ctx context.Context, ids []string) ([]server.HostEntry, error) {
	return hostEntries(ctx, s.pool, ids)
}

// EnsureHost registers the machine of the control plane by name or notes its
// new capacity. One that it had under another name is a host like others from
// then on: when nothing is heard of it, it is lost.
func (s *Store) EnsureHost(ctx context.Context, h scheduler.Host) (scheduler.Host, error) {
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		err := tx.QueryRow(ctx, `insert into hosts (name, arch, milli_cpu, memory, local) values ($1, $2, $3, $4, true)
			on conflict (name) do update set arch = $2, milli_cpu = $3, memory = $4, seen_at = now(), local = true, state = 'ready',
				kept_cpu = least(hosts.kept_cpu, $3 - 1), kept_memory = least(hosts.kept_memory, $4 - 1)
			where hosts.key_hash is null returning id::text`, h.Name, h.Arch, h.MilliCPU, h.Memory).Scan(&h.ID)
		if errors.Is(err, pgx.ErrNoRows) {
			return server.Errorf(server.ErrConflict, "Another machine has joined as the host %s, which is the name of this one.", h.Name)
		}
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `update hosts set local = false where local and name <> $1`, h.Name)
		return err
	})
	return h, err
}

// DisownHosts makes the machine that ran dynos beside the control plane a host
// like others. Nothing was heard of it since, most likely: it is lost then, until
// it joins as the host it was.
func (s *Store) DisownHosts(ctx context.Context) error {
	_, err := s.pool.Exec(ctx, `update hosts set local = false where local`)
	return known(err)
}

// advance writes the state of a one-off that follows from a report; "" means
// that nothing does.
func advance(ctx context.Context, tx pgx.Tx, in server.Instance, r agent.Status) (string, error) {
	to := next(in, r)
	switch to {
	case "", "stopping":
		return to, nil
	case "down":
		_, err := tx.Exec(ctx, `delete from instances where id = $1`, in.ID)
		return to, err
	}
	_, err := tx.Exec(ctx, `update instances set state = $5, reason = $2, addr = $3, exit_code = $4,
		up_at = case when $5 = 'up' then coalesce(up_at, now()) else up_at end,
		updated_at = case when $5 = 'starting' and state = 'starting' then updated_at else now() end where id = $1`,
		in.ID, r.Reason, r.Addr, r.ExitCode, to)
	return to, err
}
