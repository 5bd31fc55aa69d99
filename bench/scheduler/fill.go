package main

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// A host takes an even share of all instances with room to spare; every
// hundredth is twice as large and so has twice as many.
const hostsSQL = `insert into hosts (name, arch, milli_cpu, memory, labels, addr, key_hash)
	select 'host-' || i, 'amd64', $2::bigint * k * 100, $2::bigint * k * 536870912, '{"zone": "a", "disk": "ssd"}', '10.0.0.1', sha256(i::text::bytea)
	from generate_series(1, $1::int) i, lateral (select case when i % 100 = 0 then 2 else 1 end k) k`

// fill makes the hosts and apps with one release each, at quantity 0. They are
// written at once: making them one by one is not what is measured.
func fill(ctx context.Context, pl *plane, b *bench) (hosts []string, err error) {
	owner, err := pl.store.EnsureAccount(ctx, "bench@example.com", true)
	if err != nil {
		return nil, err
	}
	conn, err := pgx.Connect(ctx, pl.dsn)
	if err != nil {
		return nil, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	var apps, releases []string
	var keys, configs [][]byte
	for range b.apps {
		app, release := uuid.NewString(), uuid.NewString()
		key, err := pl.keyring.NewDataKey(app)
		if err != nil {
			return nil, err
		}
		config, err := pl.keyring.SealConfig(key, app, release, map[string]string{"GREETING": "hello", "DATABASE_URL": "postgres://db.example.com/app"})
		if err != nil {
			return nil, err
		}
		apps, releases, keys, configs = append(apps, app), append(releases, release), append(keys, key), append(configs, config)
	}
	room := 2 * (b.apps*b.each/b.hosts + 1) // instances of the smallest size
	for _, st := range []struct {
		sql  string
		args []any
	}{
		{hostsSQL, []any{b.hosts, room}},
		{`insert into apps (id, name, owner_id, slot, data_key, last_version)
			select a.id, 'bench-' || a.n, $2, a.n, a.key, 1 from unnest($1::uuid[], $3::bytea[]) with ordinality a (id, key, n)`, []any{apps, owner.ID, keys}},
		{`insert into releases (id, app_id, version, status, description, user_id, image, processes, config)
			select r.id, r.app, 1, 'succeeded', 'Deploy', $3, '{"digest": "sha256:0", "arch": "amd64", "port": 8080}', '{"web": {}}', r.config
			from unnest($1::uuid[], $2::uuid[], $4::bytea[]) r (id, app, config)`, []any{releases, apps, owner.ID, configs}},
		{`update apps p set current_release = r.id from releases r where r.app_id = p.id`, nil},
		{`insert into formations (app_id, type, quantity, size) select id, 'web', 0, 'Standard-1X' from apps`, nil},
		{`analyze`, nil},
	} {
		if _, err := conn.Exec(ctx, st.sql, st.args...); err != nil {
			return nil, fmt.Errorf("fill the database: %w", err)
		}
	}
	rows, err := conn.Query(ctx, `select id::text from hosts order by name`)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

// overbooked is how many hosts have promised more than they have.
func (pl *plane) overbooked(ctx context.Context) (n int, err error) {
	conn, err := pgx.Connect(ctx, pl.dsn)
	if err != nil {
		return 0, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	err = conn.QueryRow(ctx, `select count(*) from (select h.id from hosts h join instances i on i.host_id = h.id and i.state <> 'crashed'
		group by h.id having sum(i.memory) > h.memory or sum(i.milli_cpu) > h.milli_cpu) x`).Scan(&n)
	return n, err
}

// versions of what was measured.
func (pl *plane) versions(ctx context.Context) map[string]string {
	v := ownVersions()
	conn, err := pgx.Connect(ctx, pl.dsn)
	if err != nil {
		return v
	}
	defer conn.Close(context.WithoutCancel(ctx))
	var pg string
	if conn.QueryRow(ctx, `show server_version`).Scan(&pg) == nil {
		v["postgres"] = pg
	}
	return v
}
