package postgres_test

import (
	"context"
	"slices"
	"testing"

	"paas/scheduler/agent"
	"paas/server"
)

// News are what a host does not know, and how all it has is.
func TestAssignedNews(t *testing.T) {
	w := newHouse(t)
	ids, on := w.crowded(3, 1, 20, 4)
	host := on[0]
	stale, err := w.CommitPlans(w.ctx, 0, w.planned(w.Store, ids[:2]))
	w.must(err)
	if len(stale) > 0 {
		t.Fatalf("stale: %v", stale)
	}
	all, err := w.Assigned(w.ctx, host)
	w.must(err)
	known := map[string]bool{}
	news := func(want, fresh int) server.AssignedNews {
		t.Helper()
		n, err := w.AssignedNews(w.ctx, host, func(id string) bool { return known[id] })
		w.must(err)
		if len(n.All) != want || len(n.Fresh) != fresh {
			t.Fatalf("%d instances, %d of them new; want %d and %d", len(n.All), len(n.Fresh), want, fresh)
		}
		return n
	}
	n := news(8, 8)
	for i, p := range all {
		if n.All[i].ID != p.Instance.ID || n.Fresh[p.Instance.ID].Release.ID != p.Release.ID {
			t.Errorf("instance %d is %+v, assigned is %s", i, n.All[i], p.Instance.ID)
		}
		known[p.Instance.ID] = true
	}
	news(8, 0)
	_, err = w.CommitPlans(w.ctx, 0, w.planned(w.Store, ids[2:]))
	w.must(err)
	for id := range news(12, 4).Fresh {
		if known[id] {
			t.Errorf("%s is not new", id)
		}
		known[id] = true
	}
	up, crashed := all[0].Instance.ID, all[1].Instance.ID
	_, err = w.Report(w.ctx, host, 0, []agent.Status{{ID: up, State: agent.Up, Addr: "10.0.0.1:1"}, {ID: crashed, State: agent.Crashed}})
	w.must(err)
	w.sql(`delete from instances where id = '` + all[2].Instance.ID + `'`)
	for _, in := range news(11, 0).All {
		want := map[string]string{up: "up", crashed: "crashed", all[2].Instance.ID: "gone"}[in.ID]
		if want == "" {
			want = "assigned"
		}
		if in.State != want {
			t.Errorf("%s is %s, want %s", in.ID, in.State, want)
		}
	}
}

// A commit tells of each app and host once, however many there are: of what it
// has placed those hosts alone, of what it has stopped everybody.
func TestCommitTellsOfEachAppAndHost(t *testing.T) {
	w := newHouse(t)
	ids, _ := w.crowded(1, 300, 2, 220)
	got := make(chan string, 1000)
	ctx, cancel := context.WithCancel(w.ctx)
	done := make(chan struct{})
	go func() { defer close(done); _ = w.Listen(ctx, func(s string) { got <- s }) }()
	defer func() { cancel(); <-done }()
	<-got
	heard := func(want ...string) {
		t.Helper()
		var list []string
		for range want {
			list = append(list, <-got)
		}
		slices.Sort(list)
		slices.Sort(want)
		if !slices.Equal(list, want) {
			t.Errorf("heard %v\nwant %v", list, want)
		}
	}
	plans := w.planned(w.Store, ids)
	placed, want := map[string]bool{}, []string(nil)
	for _, p := range plans {
		want = append(want, server.AppTopic(p.AppID))
		for _, op := range p.Ops {
			placed[op.Host] = true
		}
	}
	for h := range placed {
		want = append(want, server.PlacedTopic(h))
	}
	stale, err := w.CommitPlans(w.ctx, 0, plans)
	w.must(err)
	if len(stale) > 0 || len(placed) != 220 { // more than one notice holds
		t.Fatalf("stale %v; placed on %d hosts", stale, len(placed))
	}
	heard(want...)

	list, err := w.Instances(w.ctx, ids[0])
	w.must(err)
	w.sql(`update formations set quantity = 219 where app_id = '` + ids[0] + `'`)
	stopped := w.planned(w.Store, ids[:1])
	_, err = w.CommitPlans(w.ctx, 0, stopped)
	w.must(err)
	host := ""
	for _, in := range list {
		if in.ID == stopped[0].Ops[0].Instance {
			host = in.HostID
		}
	}
	heard(server.AppTopic(ids[0]), server.HostTopic(host))
}
