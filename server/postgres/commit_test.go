package postgres_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"paas/scheduler"
	"paas/scheduler/agent"
	"paas/server"
	"paas/server/postgres"
)

// crowded is a world with more apps, each of which wants some instances, and hosts
// that have room for so many instances each.
func (w *house) crowded(apps, hosts, room, quantity int) (ids, on []string) {
	w.t.Helper()
	w.sql(fmt.Sprintf(`insert into hosts (name, arch, milli_cpu, memory, key_hash) select 'crowd-' || i, 'amd64', %d * 50, %d * 536870912::bigint, sha256(i::text::bytea) from generate_series(1, %d) i`, room, room, hosts),
		fmt.Sprintf(`insert into apps (id, name, owner_id, slot, data_key, last_version) select gen_random_uuid(), 'crowd-' || i, a.id, i + 1000, 'key', 1 from generate_series(1, %d) i, accounts a where a.email = 'ann@example.com'`, apps),
		`insert into releases (app_id, version, status, description, user_id, image, processes, config) select id, 1, 'succeeded', '', owner_id, '{"digest": "sha256:0", "arch": "amd64"}', '{"web": {}}', '{}' from apps where name like 'crowd-%'`,
		`update apps p set current_release = r.id from releases r where r.app_id = p.id and name like 'crowd-%'`,
		fmt.Sprintf(`insert into formations (app_id, type, quantity, size) select id, 'web', %d, 'Standard-1X' from apps where name like 'crowd-%%'`, quantity),
		`update hosts set cordoned = true where name not like 'crowd-%'`)
	all, err := w.Apps(w.ctx, "")
	w.must(err)
	for _, a := range all {
		if strings.HasPrefix(a.Name, "crowd-") {
			ids = append(ids, a.ID)
		}
	}
	entries, err := w.HostEntries(w.ctx, nil)
	w.must(err)
	for _, e := range entries {
		if !e.Cordoned {
			on = append(on, e.ID)
		}
	}
	return ids, on
}

// planned gives the plans of apps, all made from one reading of the hosts as if
// none knew of the others.
func (w *house) planned(s *postgres.Store, ids []string) (plans []server.AppPlan) {
	w.t.Helper()
	entries, err := s.HostEntries(w.ctx, nil)
	w.must(err)
	snaps, err := s.AppSnapshots(w.ctx, ids)
	w.must(err)
	for _, snap := range snaps {
		for _, e := range entries {
			snap.State.Hosts = append(snap.State.Hosts, e.Host)
		}
		if ops := scheduler.Plan(snap.State).Ops; len(ops) > 0 {
			plans = append(plans, server.AppPlan{AppID: snap.App.ID, Revision: snap.App.Revision, Ops: ops})
		}
	}
	return plans
}

// Two that plan from the same hosts, each believing that all the room is its own,
// never promise more than there is, whoever leads.
func TestTwoPlannersNeverOverbook(t *testing.T) {
	w := newHouse(t)
	ids, hosts := w.crowded(12, 3, 4, 2) // 24 wanted, room for 12
	other, err := postgres.Open(w.ctx, postgres.Config{DSN: w.dsn, Sizes: server.DefaultSizes(), Lease: time.Minute})
	w.must(err)
	t.Cleanup(other.Close)
	for round := range 10 {
		var both sync.WaitGroup
		for i, s := range []*postgres.Store{w.Store, other} {
			mine := ids[i*6 : i*6+6]
			both.Go(func() {
				for range 3 {
					if _, err := s.CommitPlans(w.ctx, 0, w.planned(s, mine)); err != nil {
						t.Errorf("round %d: %v", round, err)
					}
				}
			})
		}
		both.Wait()
	}
	entries, err := w.HostEntries(w.ctx, hosts)
	w.must(err)
	placed := 0
	for _, e := range entries {
		if e.UsedMemory > e.Memory || e.UsedMilliCPU > e.MilliCPU {
			t.Errorf("%s has promised %d of %d bytes, %d of %d milli-CPU", e.Name, e.UsedMemory, e.Memory, e.UsedMilliCPU, e.MilliCPU)
		}
		placed += e.Instances
	}
	if placed != 12 {
		t.Errorf("%d instances have a host, there is room for 12", placed)
	}
}

// A plan made from hosts as they were is refused, whole, and those beside it are
// not held up.
func TestStaleHostsAreRefused(t *testing.T) {
	for what, change := range map[string]string{
		"cordoned": `cordoned = true`, "draining": `draining = true`, "lost": `state = 'lost', lost_at = now()`,
		"settling": `steady_at = now() + interval '1 min'`, "smaller": `kept_memory = memory - 1`, "busier": `kept_cpu = milli_cpu - 1`,
	} {
		w := newHouse(t)
		ids, hosts := w.crowded(2, 2, 8, 1)
		plans := w.planned(w.Store, ids)
		plans[0].Ops[0].Host, plans[1].Ops[0].Host = hosts[0], hosts[1]
		w.sql(fmt.Sprintf(`update hosts set %s where id = '%s'`, change, hosts[0]))
		stale, err := w.CommitPlans(w.ctx, 0, plans)
		if err != nil || !slices.Equal(stale, []string{plans[0].AppID}) {
			t.Errorf("%s: stale %v, %v", what, stale, err)
		}
		for i, n := range []int{0, 1} {
			if list, err := w.Instances(w.ctx, plans[i].AppID); err != nil || len(list) != n {
				t.Errorf("%s: app %d has %d instances, %v", what, i, len(list), err)
			}
		}
		if stale, err = w.CommitPlans(w.ctx, 0, plans[1:]); err != nil || len(stale) != 1 {
			t.Errorf("%s: the same plan again: stale %v, %v", what, stale, err)
		}
	}
}

// A leader that was relieved places nothing, in the middle of a batch or not.
func TestFormerLeaderPlacesNothing(t *testing.T) {
	w := newHouse(t)
	ids, _ := w.crowded(4, 2, 8, 2)
	first, err := w.TakeLease(w.ctx, server.LeaderLease, "one", time.Minute)
	w.must(err)
	plans := w.planned(w.Store, ids)
	w.sql(`update leases set until = now() - interval '1 s'`)
	second, err := w.TakeLease(w.ctx, server.LeaderLease, "two", time.Minute)
	w.must(err)
	if _, err := w.CommitPlans(w.ctx, first, plans); !errors.Is(err, server.ErrLost) {
		t.Errorf("the former leader commits: %v", err)
	}
	if stale, err := w.CommitPlans(w.ctx, second, plans); err != nil || len(stale) > 0 {
		t.Errorf("the leader: stale %v, %v", stale, err)
	}
}

// Many hosts report at once: each gets its own answers, instances of one app on
// several hosts and several of one host among them, and a word about an instance
// that is not a host's own changes nothing.
func TestManyHostsReportAtOnce(t *testing.T) {
	w := newHouse(t)
	ids, hosts := w.crowded(10, 20, 40, 4)
	stale, err := w.CommitPlans(w.ctx, 0, w.planned(w.Store, ids[:5]))
	w.must(err)
	more, err := w.CommitPlans(w.ctx, 0, w.planned(w.Store, ids[5:]))
	w.must(err)
	if len(stale)+len(more) > 0 {
		t.Fatalf("stale: %v %v", stale, more)
	}
	var agents sync.WaitGroup
	var mu sync.Mutex
	seen := map[string]int{}
	for _, h := range hosts {
		agents.Go(func() {
			placed, err := w.Assigned(w.ctx, h)
			if err != nil {
				t.Error(err)
				return
			}
			for _, state := range []agent.State{agent.Starting, agent.Starting, agent.Up, agent.Crashed, agent.Up} {
				list := []agent.Status{{ID: uuid.NewString(), State: state}, {ID: "no id", State: state}}
				for _, p := range placed {
					if p.Instance.HostID != h {
						t.Errorf("host %s is given an instance of %s", h, p.Instance.HostID)
					}
					list = append(list, agent.Status{ID: p.Instance.ID, State: state, Addr: "10.0.0.1:1"})
				}
				changes, err := w.Report(w.ctx, h, 0, list)
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				for _, c := range changes {
					seen[c.From+" "+c.To]++
					if c.Instance.HostID != h {
						t.Errorf("host %s is told of an instance of %s", h, c.Instance.HostID)
					}
				}
				mu.Unlock()
			}
		})
	}
	agents.Wait()
	if want := (map[string]int{"assigned starting": 40, "starting up": 40, "up crashed": 40}); fmt.Sprint(seen) != fmt.Sprint(want) {
		t.Errorf("changes %v, want %v", seen, want)
	}
	for _, id := range ids {
		list, err := w.Instances(w.ctx, id)
		w.must(err)
		for _, in := range list {
			if in.State != "crashed" {
				t.Errorf("%s.%d of %s is %s", in.Type, in.Ordinal, in.App, in.State)
			}
		}
	}
}
