package postgres_test

import (
	"fmt"
	"testing"
	"time"

	"paas/scheduler"
	"paas/server"
)

// TestFleetOf5000 measures what the loops do at 5,000 hosts and 100,000
// instances of 2,500 apps: one pulse with a beat of each host, one look at an
// app, and the loss of a host with 40 instances until each has another.
func TestFleetOf5000(t *testing.T) {
	if testing.Short() {
		t.Skip("fills a database")
	}
	h := newHouse(t)
	h.sql(`insert into hosts (name, arch, milli_cpu, memory, labels, addr) select 'filled-' || i, 'amd64', 64000, 64 * 1073741824::bigint, '{"zone": "a"}', '10.0.0.1' from generate_series(1, 5000) i`,
		`insert into apps (id, name, owner_id, slot, data_key, last_version) select gen_random_uuid(), 'filled-' || i, a.id, i + 1000, 'key', 1 from generate_series(1, 2500) i, accounts a where a.email = 'ann@example.com'`,
		`insert into releases (app_id, version, status, description, user_id, image, processes, config) select id, 1, 'succeeded', '', owner_id, '{"digest": "sha256:0", "arch": "amd64"}', '{"web": {}}', '{}' from apps where name like 'filled-%'`,
		`update apps p set current_release = r.id from releases r where r.app_id = p.id and name like 'filled-%'`,
		`insert into formations (app_id, type, quantity, size) select id, 'web', 40, 'Standard-1X' from apps where name like 'filled-%'`,
		`insert into instances (app_id, release_id, type, ordinal, size, memory, milli_cpu, host_id, state, up_at)
			select p.id, p.current_release, 'web', n, 'Standard-1X', 536870912, 50, h.id, 'up', now()
			from (select *, row_number() over (order by name) - 1 k from apps where name like 'filled-%') p, generate_series(1, 40) n
			join (select *, row_number() over (order by name) - 1 k from hosts where name like 'filled-%') h on true
			where h.k = (p.k * 40 + n) / 20 % 5000`, `vacuum analyze instances`, `vacuum analyze hosts`)
	rows, err := h.HostRows(h.ctx, "")
	h.must(err)
	var beats []server.HostBeat
	var lost server.HostRow
	for _, r := range rows {
		if len(r.Dynos) > len(lost.Dynos) {
			lost = r
		}
		beats = append(beats, server.HostBeat{Host: r.ID, Engine: true})
	}
	report := func(what string, from time.Time) {
		took := time.Since(from)
		t.Logf("%s: %s", what, took.Round(time.Millisecond))
		if took > 5*time.Second { // whatever else the machine does
			t.Errorf("%s takes %s", what, took)
		}
	}
	from := time.Now()
	_, err = h.Pulse(h.ctx, beats, time.Minute)
	h.must(err)
	report(fmt.Sprintf("a pulse with %d beats", len(beats)), from)
	from = time.Now()
	_, err = h.Pulse(h.ctx, nil, time.Minute)
	h.must(err)
	report("a pulse without beats", from)

	epoch := h.lease()()
	h.sql(`update hosts set seen_at = now() - interval '1 hour' where id = '` + lost.ID + `'`)
	from = time.Now()
	names, err := h.LoseHosts(h.ctx, []string{lost.ID}, time.Minute, epoch)
	h.must(err)
	if len(names) != 1 {
		t.Fatalf("lost %v", names)
	}
	report("declared lost", from)
	apps := map[string]bool{}
	for _, d := range lost.Dynos {
		apps[d.App] = true
	}
	for name := range apps {
		app, err := h.App(h.ctx, name)
		h.must(err)
		at := time.Now()
		snap, err := h.Snapshot(h.ctx, app.ID)
		h.must(err)
		report("a snapshot", at)
		at = time.Now()
		plan := scheduler.Plan(snap.State)
		report(fmt.Sprintf("a plan of %d steps", len(plan.Ops)), at)
		at = time.Now()
		h.must(h.Commit(h.ctx, app.ID, snap.App.Revision, epoch, plan.Ops))
		report("a commit", at)
	}
	report(fmt.Sprintf("%d instances of %d apps have another host", len(lost.Dynos), len(apps)), from)
}
