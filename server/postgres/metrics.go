package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"paas/server"
)

const (
	trafficColumns = `app_id::text, at, span, release, source, aborted, s1xx, s2xx, s3xx, s4xx, s5xx, bytes, latency`
	usageColumns   = `app_id::text, at, span, type, case when host_id = '00000000-0000-0000-0000-000000000000' then '' else host_id::text end,
		rounds, instances, milli_cpu, memory, memory_limit`
)

func scanTraffic(row pgx.CollectableRow) (r server.TrafficRow, err error) {
	var minutes int
	err = row.Scan(&r.AppID, &r.At, &minutes, &r.Release, &r.Source, &r.Status[0], &r.Status[1], &r.Status[2], &r.Status[3], &r.Status[4],
		&r.Status[5], &r.Bytes, &r.Latency)
	r.At, r.Span = r.At.UTC(), time.Duration(minutes)*time.Minute
	return r, err
}

func scanUsage(row pgx.CollectableRow) (r server.UsageRow, err error) {
	var minutes int
	err = row.Scan(&r.AppID, &r.At, &minutes, &r.Type, &r.Host, &r.Rounds, &r.Instances, &r.MilliCPU, &r.Memory, &r.MemoryLimit)
	r.At, r.Span = r.At.UTC(), time.Duration(minutes)*time.Minute
	return r, err
}

// WriteFigures stores rows in one transaction.
func (s *Store) WriteFigures(ctx context.Context, f server.Figures) error {
	return s.inTx(ctx, func(tx pgx.Tx) error { return writeFigures(ctx, tx, f) })
}

func writeFigures(ctx context.Context, tx pgx.Tx, f server.Figures) error {
	if err := writeTraffic(ctx, tx, f.Traffic); err != nil {
		return fmt.Errorf("write figures of traffic: %w", err)
	}
	if err := writeUsage(ctx, tx, f.Usage); err != nil {
		return fmt.Errorf("write figures of usage: %w", err)
	}
	return nil
}

func writeTraffic(ctx context.Context, tx pgx.Tx, rows []server.TrafficRow) error {
	if len(rows) == 0 {
		return nil
	}
	n := len(rows)
	apps, at, span, release, source := make([]string, n), make([]time.Time, n), make([]int, n), make([]int, n), make([]int64, n)
	bytes, latency := make([]int64, n), make([][]byte, n)
	var status [6][]int64
	for c := range status {
		status[c] = make([]int64, n)
	}
	for i, r := range rows {
		apps[i], at[i], span[i], release[i], source[i] = r.AppID, r.At, int(r.Span/time.Minute), r.Release, r.Source
		bytes[i], latency[i] = r.Bytes, r.Latency
		for c := range status {
			status[c][i] = r.Status[c]
		}
	}
	_, err := tx.Exec(ctx, `insert into traffic (app_id, at, span, release, source, aborted, s1xx, s2xx, s3xx, s4xx, s5xx, bytes, latency)
		select p.id, r.at, r.span, r.release, r.source, r.s0, r.s1, r.s2, r.s3, r.s4, r.s5, r.bytes, r.latency
		from unnest($1::text[], $2::timestamptz[], $3::int[], $4::int[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[],
			$9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[], $13::bytea[])
			as r (app, at, span, release, source, s0, s1, s2, s3, s4, s5, bytes, latency)
		join apps p on p.id = r.app::uuid
		on conflict (app_id, at, release, source) do update set span = excluded.span, aborted = excluded.aborted, s1xx = excluded.s1xx,
			s2xx = excluded.s2xx, s3xx = excluded.s3xx, s4xx = excluded.s4xx, s5xx = excluded.s5xx, bytes = excluded.bytes, latency = excluded.latency`,
		apps, at, span, release, source, status[0], status[1], status[2], status[3], status[4], status[5], bytes, latency)
	return err
}

func writeUsage(ctx context.Context, tx pgx.Tx, rows []server.UsageRow) error {
	if len(rows) == 0 {
		return nil
	}
	n := len(rows)
	apps, at, span, types, hosts, rounds := make([]string, n), make([]time.Time, n), make([]int, n), make([]string, n), make([]string, n), make([]int, n)
	instances, cpu, memory, limits := make([]float64, n), make([]float64, n), make([]float64, n), make([]float64, n)
	for i, r := range rows {
		apps[i], at[i], span[i], types[i], hosts[i], rounds[i] = r.AppID, r.At, int(r.Span/time.Minute), r.Type, uuidOf(r.Host), r.Rounds
		instances[i], cpu[i], memory[i], limits[i] = r.Instances, r.MilliCPU, r.Memory, r.MemoryLimit
	}
	_, err := tx.Exec(ctx, `insert into usage as u (app_id, at, span, type, host_id, rounds, instances, milli_cpu, memory, memory_limit)
		select p.id, r.at, r.span, r.type, r.host::uuid, r.rounds, r.instances, r.cpu, r.memory, r.memory_limit
		from unnest($1::text[], $2::timestamptz[], $3::int[], $4::text[], $5::text[], $6::int[], $7::float8[], $8::float8[], $9::float8[], $10::float8[])
			as r (app, at, span, type, host, rounds, instances, cpu, memory, memory_limit)
		join apps p on p.id = r.app::uuid
		on conflict (app_id, at, type, host_id) do update set rounds = u.rounds + excluded.rounds, instances = u.instances + excluded.instances,
			milli_cpu = u.milli_cpu + excluded.milli_cpu, memory = u.memory + excluded.memory, memory_limit = u.memory_limit + excluded.memory_limit`,
		apps, at, span, types, hosts, rounds, instances, cpu, memory, limits)
	return err
}

// ReadFigures gives the rows of one app.
func (s *Store) ReadFigures(ctx context.Context, q server.FiguresQuery) (f server.Figures, err error) {
	f.Traffic, err = many(ctx, s.pool, scanTraffic, `select `+trafficColumns+` from traffic
		where app_id = $1 and at >= $2 and at < $3 and (source <> $4 or at < $5)`, q.AppID, q.Since, q.Until, q.Unless.Source, orInfinity(q.Unless.From))
	if err != nil {
		return f, err
	}
	f.Usage, err = many(ctx, s.pool, scanUsage, `select `+usageColumns+` from usage where app_id = $1 and at >= $2 and at < $3`, q.AppID, q.Since, q.Until)
	return f, err
}

// orInfinity is later than everything for the zero time.
func orInfinity(t time.Time) time.Time {
	if t.IsZero() {
		return time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	return t
}

// RollUp takes one span of ten minutes out by the minute and puts it back
// whole, in one transaction: every count is there exactly once, however often
// and wherever this is broken off. Servers take turns.
func (s *Store) RollUp(ctx context.Context, before time.Time, fold func(server.Figures) (server.Figures, error)) (more bool, err error) {
	err = s.inTx(ctx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `select pg_advisory_xact_lock(hashtext('paas.metrics'))`); err != nil {
			return err
		}
		var from *time.Time
		err := tx.QueryRow(ctx, `select date_bin('10 minutes', least((select min(at) from traffic where span = 1),
			(select min(at) from usage where span = 1)), 'epoch')`).Scan(&from)
		if err != nil || from == nil || from.Add(10*time.Minute).After(before) {
			return err
		}
		var f server.Figures
		f.Traffic, err = many(ctx, tx, scanTraffic, `delete from traffic where app_id in (select app_id from traffic where span = 1 and at >= $1 and at < $2)
			and at >= $1 and at < $2 returning `+trafficColumns, *from, from.Add(10*time.Minute))
		if err != nil {
			return err
		}
		f.Usage, err = many(ctx, tx, scanUsage, `delete from usage where app_id in (select app_id from usage where span = 1 and at >= $1 and at < $2)
			and at >= $1 and at < $2 returning `+usageColumns, *from, from.Add(10*time.Minute))
		if err != nil {
			return err
		}
		if f, err = fold(f); err != nil {
			return err
		}
		more = true
		return writeFigures(ctx, tx, f)
	})
	return more && err == nil, err
}

// DropFigures removes what is too old, app by app: each has its rows in order.
func (s *Store) DropFigures(ctx context.Context, before time.Time) error {
	ids, err := s.AppIDs(ctx)
	if err != nil {
		return err
	}
	var batch pgx.Batch
	for _, id := range ids {
		batch.Queue(`delete from traffic where app_id = $1 and at < $2`, id, before)
		batch.Queue(`delete from usage where app_id = $1 and at < $2`, id, before)
	}
	return known(s.pool.SendBatch(ctx, &batch).Close())
}

// Sparks counts by minute; an app that has none comes with nulls.
func (s *Store) Sparks(ctx context.Context, accountID string, since time.Time, unless server.Unflushed) (map[string]server.Spark, error) {
	out := map[string]server.Spark{}
	_, err := many(ctx, s.pool, func(row pgx.CollectableRow) (none struct{}, err error) {
		var id string
		var minutes, requests, errs []int64
		if err := row.Scan(&id, &minutes, &requests, &errs); err != nil {
			return none, err
		}
		var spark server.Spark
		for i, m := range minutes {
			if m >= 0 && m < int64(len(spark.Requests)) {
				spark.Requests[m] += requests[i]
				spark.Errors[m] += errs[i]
			}
		}
		out[id] = spark
		return none, nil
	}, `select p.id::text, t.minutes, t.requests, t.errors from apps p left join (
			select app_id, array_agg((date_part('epoch', at - $2) / 60)::int) minutes,
				array_agg(aborted + s1xx + s2xx + s3xx + s4xx + s5xx) requests, array_agg(s5xx) errors
			from traffic where span = 1 and at >= $2 and (source <> $3 or at < $4) group by app_id) t on t.app_id = p.id
		where $1 = '' or p.owner_id::text = $1 or p.id in (select app_id from collaborators where account_id::text = $1)`,
		accountID, since, unless.Source, orInfinity(unless.From))
	return out, err
}

// LiveReleases lists what went live. A release becomes succeeded at that
// moment and never changes again.
func (s *Store) LiveReleases(ctx context.Context, appID string, since, until time.Time) ([]server.DeployMark, error) {
	return many(ctx, s.pool, func(row pgx.CollectableRow) (m server.DeployMark, err error) {
		err = row.Scan(&m.At, &m.Version, &m.Description, &m.User)
		return m, err
	}, `select r.updated_at, r.version, r.description, a.email from releases r join accounts a on a.id = r.user_id
		where r.app_id = $1 and r.status = 'succeeded' and r.image is not null and r.updated_at >= $2 and r.updated_at < $3
		order by r.version limit 1000`, appID, since, until)
}

// Census counts instances and deploys by state, of all apps.
func (s *Store) Census(ctx context.Context) ([]server.AppCensus, error) {
	return many(ctx, s.pool, func(row pgx.CollectableRow) (c server.AppCensus, err error) {
		err = row.Scan(&c.ID, &c.Name, &c.Instances, &c.Deploys)
		return c, err
	}, `select p.id::text, p.name,
			coalesce((select jsonb_object_agg(state, n) from (select state, count(*) n from instances where app_id = p.id group by state) i), '{}'),
			coalesce((select jsonb_object_agg(state, n) from (select state, count(*) n from deploys where app_id = p.id group by state) d), '{}')
		from apps p order by p.name`)
}
