package postgres_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"

	"paas/scheduler/agent"
	"paas/server"
)

// The list says of each app what runs of it, and holds exactly the apps that
// Apps lists for the same person.
func TestAppList(t *testing.T) {
	h := newHouse(t)
	ann := server.Actor{Account: h.user} // an admin, with web-shop
	bob, empty := h.owner("bob@example.com", "bobs-blog")
	carl, _ := h.owner("carl@example.com", "carls-own")
	_, err := h.svc.AddCollaborator(h.as(bob), bob, empty.Name, carl.Email, []server.Permission{server.PermView})
	h.must(err)
	h.live(h.roll("worker", "c1"), "worker")
	h.sql(`update formations set quantity = 3; insert into formations (app_id, type, quantity, size) select id, 'left-over', 5, 'Standard-1X' from apps where name = 'web-shop'`)
	for i, state := range []string{"up", "crashed", "starting", "draining"} {
		h.sql(fmt.Sprintf(`insert into instances (app_id, release_id, type, ordinal, size, memory, milli_cpu, host_id, state, up_at)
			select p.id, p.current_release, 'web', %d, 'Standard-1X', 1048576, 50, h.id, '%s', now() from apps p, hosts h where p.name = 'web-shop'`, i+1, state))
	}
	for _, who := range []server.Actor{ann, bob, carl, h.person("nobody@example.com")} {
		apps, err := h.svc.Apps(h.ctx, who)
		h.must(err)
		rows, err := h.svc.AppList(h.ctx, who)
		h.must(err)
		var want, got []string
		for _, a := range apps {
			want = append(want, a.Name)
		}
		for _, r := range rows {
			got = append(got, r.Name)
		}
		if fmt.Sprint(want) != fmt.Sprint(got) {
			t.Errorf("%s is listed %v, and may see %v", who.Email, got, want)
		}
	}
	rows, err := h.svc.AppList(h.ctx, ann)
	h.must(err)
	shop, blog := rows[2], rows[0]
	if shop.Name != "web-shop" || shop.Up != 1 || shop.Crashed != 1 || shop.Starting != 1 || shop.Wanted != 3 ||
		shop.Release.Version != 2 || shop.Release.User != h.user.Email || shop.Release.At.IsZero() || shop.Deploy.Running() || shop.State() != server.AppCrashed {
		t.Errorf("web-shop: %+v is %s", shop, shop.State())
	}
	if blog.State() != server.AppNoRelease || blog.OwnerEmail != bob.Email || blog.Wanted != 0 {
		t.Errorf("bobs-blog: %+v is %s", blog, blog.State())
	}
	h.push("c2")
	if rows, err = h.svc.AppList(h.ctx, ann); err != nil || rows[2].State() != server.AppDeploying {
		t.Errorf("a push waits: %s %v", rows[2].State(), err)
	}
	o, err := h.svc.Overview(h.ctx, ann, "web-shop")
	h.must(err)
	one := o.Row
	one.App = shop.App
	if shop = rows[2]; one.Up != shop.Up || one.Crashed != shop.Crashed || one.Starting != shop.Starting || one.Wanted != shop.Wanted || one.Release != shop.Release || one.Deploy != shop.Deploy {
		t.Errorf("the overview says %+v, the list %+v", one, shop)
	}
	if len(o.Events) == 0 || len(o.Dynos) != 4 || o.Hosts[h.host.ID] != "host-1" || o.Release.Version != 2 {
		t.Errorf("overview: %+v", o)
	}
}

func TestAppStates(t *testing.T) {
	at := time.Now()
	release := server.ReleaseNote{Version: 2, At: at}
	for want, r := range map[server.AppState]server.AppRow{
		server.AppNoRelease:   {},
		server.AppMaintenance: {App: server.App{Maintenance: true}, Release: release, Crashed: 1},
		server.AppDeploying:   {Release: release, Crashed: 1, Deploy: server.DeployNote{ID: "1", State: server.DeployRolling}},
		server.AppCrashed:     {Release: release, Crashed: 1, Up: 2, Wanted: 3, Deploy: server.DeployNote{ID: "1", State: server.DeployFailed}},
		server.AppIdle:        {Release: release},
		server.AppStarting:    {Release: release, Up: 1, Wanted: 2},
		server.AppUp:          {Release: release, Up: 2, Wanted: 2},
	} {
		if got := r.State(); got != want {
			t.Errorf("%+v is %s, not %s", r, got, want)
		}
	}
}

// Everybody sees how full hosts are; whose dynos fill them, only who may see
// those apps.
func TestHostsTellNoNamesOfOthers(t *testing.T) {
	h := newHouse(t)
	svc, meter := h.metered()
	bob, _ := h.owner("bob@example.com", "bobs-blog")
	for i, app := range []string{"web-shop", "web-shop", "bobs-blog"} {
		h.sql(fmt.Sprintf(`insert into instances (app_id, release_id, type, ordinal, size, memory, milli_cpu, host_id, state, up_at)
			select p.id, p.current_release, 'web', %d, 'Standard-1X', 1048576, 50, h.id, 'up', now() from apps p, hosts h where p.name = '%s'`, i+1, app))
	}
	h.sql(`update hosts set seen_at = now() - interval '1 hour'`)
	look := func(who server.Actor) server.HostRow {
		rows, err := svc.Hosts(h.ctx, who)
		h.must(err)
		if len(rows) != 1 {
			t.Fatalf("%d hosts", len(rows))
		}
		return rows[0]
	}
	if r := look(bob); !r.Silent(time.Now()) || r.Used != nil {
		t.Errorf("not heard of for an hour: %+v", r)
	}
	meter.Usage(h.host.ID, time.Now(), []agent.Usage{{AppID: h.app.ID, Name: "web.1", MilliCPU: 70, Memory: 1 << 20}, {AppID: uuid.NewString(), Name: "web.3", MilliCPU: 30, Memory: 1 << 20}})
	for _, c := range []struct {
		who        server.Actor
		sees, more int
	}{{server.Actor{Account: h.user}, 3, 0}, {bob, 1, 2}, {h.person("nobody@example.com"), 0, 3}} {
		r := look(c.who)
		if len(r.Dynos) != c.sees || r.Others != c.more || r.ReservedBytes != 3<<20 || r.ReservedCPU != 150 || r.Silent(time.Now()) || r.State != server.HostReady || !r.Local ||
			r.Used == nil || *r.Used != (server.HostUse{MilliCPU: 100, Memory: 2 << 20}) {
			t.Errorf("%s sees %+v %+v", c.who.Email, r, r.Used)
		}
		for _, d := range r.Dynos {
			if c.sees == 1 && d.App != "bobs-blog" {
				t.Errorf("%s sees %+v", c.who.Email, d)
			}
		}
	}
}

// busy makes apps as a busy platform has them: releases, deploys, dynos, and
// an hour of requests.
func (h *house) busy(apps int) {
	h.t.Helper()
	h.sql(fmt.Sprintf(`insert into apps (id, name, owner_id, slot, data_key, last_version) select gen_random_uuid(), 'filled-' || i, a.id, i + 1000, 'key', 20
			from generate_series(1, %d) i, accounts a where a.email = 'ann@example.com'`, apps),
		`insert into releases (app_id, version, status, description, user_id, image, processes, config)
			select p.id, v, 'succeeded', 'Deploy ' || v, p.owner_id, '{"digest": "sha256:0"}', '{"web": {}, "worker": {}}', '{}' from apps p, generate_series(1, 20) v where name like 'filled-%'`,
		`update apps p set current_release = r.id from releases r where r.app_id = p.id and r.version = 20`,
		`insert into deploys (app_id, kind, state, user_id, release_id) select app_id, 'config', 'live', user_id, id from releases where version > 1`,
		`insert into formations (app_id, type, quantity, size) select id, t, 2, 'Standard-1X' from apps, unnest(array['web', 'worker', 'gone']) t where name like 'filled-%'`,
		`insert into instances (app_id, release_id, type, ordinal, size, memory, milli_cpu, host_id, state, up_at)
			select p.id, p.current_release, t, n, 'Standard-1X', 1, 1, h.id, 'up', now() from apps p, hosts h, unnest(array['web', 'worker']) t, generate_series(1, 2) n where p.name like 'filled-%'`,
		`insert into traffic (app_id, at, span, release, source, aborted, s1xx, s2xx, s3xx, s4xx, s5xx, bytes, latency)
			select p.id, date_trunc('minute', now()) - m * interval '1 minute', 1, 20, 7, 0, 0, 100, 0, 0, 1, 0, '' from apps p, generate_series(1, 59) m where p.name like 'filled-%'`,
		`analyze`)
}

// The front page's data of 500 apps comes in two queries, in a fraction of the
// 100 ms that page may take.
func TestAppListOf500(t *testing.T) {
	h := newHouse(t)
	h.busy(500)
	ann := server.Actor{Account: h.user}
	best := time.Hour
	for range 5 {
		from := time.Now()
		rows, err := h.svc.AppList(h.ctx, ann)
		h.must(err)
		best = min(best, time.Since(from))
		if len(rows) != 501 || rows[0].Up != 4 || rows[0].Wanted != 4 || rows[0].Release.Version != 20 || rows[0].Spark.Requests[50] != 101 || rows[0].Spark.Errors[50] != 1 {
			t.Fatalf("%d rows: %+v", len(rows), rows[0])
		}
	}
	t.Logf("500 apps in %s", best)
	if best > time.Second { // whatever else the machine does
		t.Errorf("500 apps take %s", best)
	}
}
