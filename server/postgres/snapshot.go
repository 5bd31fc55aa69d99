package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"paas/builder"
	"paas/scheduler"
	"paas/server"
)

// Snapshot reads an app and all hosts at one moment.
func (s *Store) Snapshot(ctx context.Context, appID string) (server.Snapshot, error) {
	var snap server.Snapshot
	opts := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	err := pgx.BeginTxFunc(ctx, s.pool, opts, func(tx pgx.Tx) error {
		var err error
		if snap.App, err = one(ctx, tx, scanApp, "app", appQuery+`where p.id = $1`, appID); err != nil {
			return err
		}
		if err := s.loadTarget(ctx, tx, &snap); err != nil {
			return err
		}
		if err := s.loadWants(ctx, tx, &snap); err != nil {
			return err
		}
		if err := s.loadInstances(ctx, tx, &snap); err != nil {
			return err
		}
		if snap.Domains, err = many(ctx, tx, pgx.RowTo[string], `select hostname from domains where app_id = $1 order by hostname`, appID); err != nil {
			return err
		}
		return s.loadHosts(ctx, tx, &snap)
	})
	return snap, known(err)
}

// loadHosts reads all hosts and where the app's instances may be.
func (s *Store) loadHosts(ctx context.Context, tx pgx.Tx, snap *server.Snapshot) (err error) {
	if snap.State.Hosts, err = many(ctx, tx, scanHost, hostQuery+`order by h.name`); err != nil {
		return err
	}
	// The fraction keeps whoever waits that long from being early.
	return tx.QueryRow(ctx, `select placement, coalesce(1000 * extract(epoch from (select min(steady_at) from hosts where steady_at > now()) - now()) + 1, 0)::bigint * 1000000
		from apps where id = $1`, snap.App.ID).Scan(&snap.State.Placement, &snap.Settled)
}

// loadTarget finds what shall run: the release of the rolling deploy, else
// the current one if it has an image.
func (s *Store) loadTarget(ctx context.Context, tx pgx.Tx, snap *server.Snapshot) error {
	var err error
	if snap.Current, err = one(ctx, tx, scanRelease, "release", releaseQuery+`where r.id = $1`, uuidOf(snap.App.Current)); err != nil {
		return err
	}
	snap.Target = snap.Current
	rolling, err := one(ctx, tx, scanRelease, "release", releaseQuery+`where r.id =
		(select release_id from deploys where app_id = $1 and state = 'rolling')`, snap.App.ID)
	switch {
	case err == nil:
		snap.Target, snap.State.Rolling = rolling, true
	case !server.IsID(err, server.ErrNotFound):
		return err
	}
	if snap.Target.Image.Digest != "" {
		snap.State.Release, snap.State.Arch = snap.Target.ID, snap.Target.Image.Arch
	}
	return nil
}

func (s *Store) loadWants(ctx context.Context, tx pgx.Tx, snap *server.Snapshot) error {
	snap.Formed = map[string]int{}
	rows, err := tx.Query(ctx, `select type, quantity, size from formations where app_id = $1 order by type`, snap.App.ID)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var typ, size string
		var n int
		if err := rows.Scan(&typ, &n, &size); err != nil {
			return err
		}
		if _, ok := snap.Target.Processes[typ]; !ok || typ == builder.ReleaseType {
			continue // a type the target does not have, or does not keep running
		}
		z := s.size(size)
		snap.Formed[typ] = n
		snap.State.Wants = append(snap.State.Wants, scheduler.Want{Type: typ, Quantity: n,
			MilliCPU: z.Reserved, Memory: z.Memory, Routed: typ == "web"})
	}
	return rows.Err()
}

func (s *Store) size(name string) server.Size {
	for _, z := range s.sizes {
		if z.Name == name {
			return z
		}
	}
	return s.sizes[0]
}

func (s *Store) loadInstances(ctx context.Context, tx pgx.Tx, snap *server.Snapshot) error {
	snap.Addrs, snap.Names, snap.Versions = map[string]string{}, map[string]string{}, map[string]int{}
	rows, err := tx.Query(ctx, `select id::text, release_id::text, type, ordinal, coalesce(host_id::text, ''), state, replace, reason,
		crashes, coalesce(up_at, '-infinity'), updated_at, milli_cpu, memory, addr, one_off,
		coalesce((select image->>'arch' from releases r where r.id = release_id), ''),
		coalesce((select version from releases r where r.id = release_id), 0) from instances where app_id = $1 order by created_at`, snap.App.ID)
	if err != nil {
		return err
	}
	defer rows.Close()
	serving, crashed := 0, 0
	for rows.Next() {
		var in scheduler.Instance
		var up infTime
		var addr string
		var version int
		err := rows.Scan(&in.ID, &in.Release, &in.Type, &in.Ordinal, &in.Host, &in.State, &in.Replace, &in.Reason,
			&in.Crashes, &up, &in.Since, &in.MilliCPU, &in.Memory, &addr, &in.OneOff, &in.Arch, &version)
		if err != nil {
			return err
		}
		in.UpAt = up.Time
		snap.State.Instances = append(snap.State.Instances, in)
		snap.Addrs[in.ID] = addr
		snap.Names[in.ID] = fmt.Sprintf("%s.%d", in.Type, in.Ordinal)
		snap.Versions[in.ID] = version
		switch {
		case in.Type != "web":
		case in.State == scheduler.Up:
			serving++
		case in.State == scheduler.Crashed || in.Crashes > 0:
			crashed++
		}
	}
	snap.Crashing = serving == 0 && crashed > 0
	return rows.Err()
}

// Commit applies a plan to the app it was made from. An epoch that is not 0
// must be the leader's.
func (s *Store) Commit(ctx context.Context, appID string, revision, epoch int64, ops []scheduler.Op) error {
	return s.inTx(ctx, func(tx pgx.Tx) error {
		if err := leads(ctx, tx, epoch); err != nil {
			return err
		}
		var now int64
		err := tx.QueryRow(ctx, `select revision from apps where id = $1 for update`, appID).Scan(&now)
		if errors.Is(err, pgx.ErrNoRows) || err == nil && now != revision {
			return server.ErrStale
		}
		if err != nil {
			return err
		}
		hosts := map[string]bool{}
		for _, op := range ops {
			host, err := s.apply(ctx, tx, appID, op)
			if err != nil {
				return fmt.Errorf("%s: %w", op.Kind, err)
			}
			if host != "" {
				hosts[host] = true
			}
		}
		for h := range hosts {
			if err := notify(ctx, tx, server.HostTopic(h)); err != nil {
				return err
			}
		}
		return touch(ctx, tx, appID)
	})
}

// apply does one operation and gives the host whose assignments it changed.
func (s *Store) apply(ctx context.Context, tx pgx.Tx, appID string, op scheduler.Op) (host string, err error) {
	switch op.Kind {
	case scheduler.OpStart:
		return op.Host, s.start(ctx, tx, appID, op)
	case scheduler.OpPlace:
		_, err = tx.Exec(ctx, `update instances set host_id = nullif($2, '')::uuid, reason = $3, updated_at = now(),
			state = case when $2 = '' then 'pending' else 'assigned' end where id = $1 and state = 'pending'`, op.Instance, op.Host, op.Reason)
		return op.Host, err
	case scheduler.OpDrain:
		_, err = tx.Exec(ctx, `update instances set state = 'draining', updated_at = now() where id = $1 and state = 'up'`, op.Instance)
		return "", err
	case scheduler.OpStop:
		rows, qerr := tx.Query(ctx, `update instances set state = 'stopping', updated_at = now() where id = $1
			and state in ('assigned', 'starting', 'up', 'draining') returning host_id::text`, op.Instance)
		return firstHost(rows, qerr)
	case scheduler.OpDrop:
		rows, qerr := tx.Query(ctx, `delete from instances where id = $1 and (state in ('pending', 'crashed')
			or `+onLostHost+`) returning coalesce(host_id::text, '')`, op.Instance)
		return firstHost(rows, qerr)
	case scheduler.OpLose:
		return s.lose(ctx, tx, op.Instance)
	}
	return "", fmt.Errorf("no such operation")
}

func firstHost(rows pgx.Rows, err error) (string, error) {
	if err != nil {
		return "", err
	}
	hosts, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || len(hosts) == 0 {
		return "", err
	}
	return hosts[0], nil
}

func (s *Store) start(ctx context.Context, tx pgx.Tx, appID string, op scheduler.Op) error {
	if op.Replaces != "" {
		gone, err := s.replaced(ctx, tx, appID, op.Replaces)
		if err != nil || !gone {
			return err
		}
	}
	if op.Beside != "" {
		// The name is free for the one that takes its place.
		_, err := tx.Exec(ctx, `update instances set replace = true where id = $1 and app_id = $2`, uuidOf(op.Beside), uuidOf(appID))
		if err != nil {
			return err
		}
	}
	var size string
	err := tx.QueryRow(ctx, `select size from formations where app_id = $1 and type = $2`, appID, op.Type).Scan(&size)
	if err != nil {
		return fmt.Errorf("formation of %s: %w", op.Type, err)
	}
	_, err = tx.Exec(ctx, `insert into instances (app_id, release_id, type, ordinal, size, memory, milli_cpu, host_id, state, reason, crashes)
		values ($1, $2, $3, $4, $5, $6, $7, nullif($8, '')::uuid, case when $8 = '' then 'pending' else 'assigned' end, $9, $10)`,
		appID, op.Release, op.Type, op.Ordinal, size, op.Memory, op.MilliCPU, op.Host, op.Reason, op.Crashes)
	return err
}

// infTime reads a timestamp whose -infinity means never.
type infTime struct{ time.Time }

// ScanTimestamptz implements pgtype.TimestamptzScanner.
func (t *infTime) ScanTimestamptz(v pgtype.Timestamptz) error {
	if v.Valid && v.InfinityModifier == 0 {
		t.Time = v.Time
	}
	return nil
}
