package postgres_test

import (
	"fmt"
	"strings"
	"testing"

	"paas/server"
)

// Three dynos that are on one host of three are spread, a few at a time, and
// then there is nothing to do.
func TestRebalance(t *testing.T) {
	h := newHouse(t)
	h.live(h.roll("one", "aaaaaaaa"), "one")
	h.must(h.SetFormation(h.ctx, h.app.ID, "x", []server.Formation{{AppID: h.app.ID, Type: "web", Quantity: 3, Size: "Standard-1X"}}))
	names := []string{"a-host", "b-host", "c-host"}
	ids := h.joins(names...)
	care := func(local, others bool) {
		for _, name := range append(names, h.host.Name) {
			on := others
			if name == h.host.Name {
				on = local
			}
			_, err := h.svc.ChangeHost(h.as(h.svc.Operator()), h.svc.Operator(), name, server.HostChange{Cordon: &on})
			h.must(err)
		}
	}
	care(false, true)
	epoch := h.lease()
	h.beating(h.Store, epoch, ids...)
	h.rehearsing(epoch)
	allUp := func() bool {
		h.up()
		list, err := h.Instances(h.ctx, h.app.ID)
		h.must(err)
		for _, in := range list {
			if in.State == "stopping" {
				h.sql(fmt.Sprintf(`delete from instances where id = '%s'`, in.ID), fmt.Sprintf(`update apps set revision = revision + 1 where id = '%s'`, h.app.ID))
			}
			if in.State != "up" || in.Replace {
				return false
			}
		}
		return len(list) == 3
	}
	h.until("three up", allUp)
	care(false, false)
	for _, name := range names {
		h.awaitState(name, server.HostReady)
	}
	op := h.svc.Operator()
	plan, err := h.svc.Rebalance(h.as(op), op, server.RebalanceOrder{DryRun: true})
	h.must(err)
	if len(plan.Moves) != 2 || plan.Begun != 0 || plan.Moves[0].From != "host-1" || !strings.HasPrefix(plan.Moves[0].Why, "3 web dynos are on host-1") {
		t.Fatalf("%+v", plan)
	}
	moved := 0
	h.until("nothing to move", func() bool {
		r, err := h.svc.Rebalance(h.as(op), op, server.RebalanceOrder{App: h.app.Name})
		h.must(err)
		moved += r.Begun
		allUp()
		return len(r.Moves) == 0 && r.Underway == 0
	})
	on := map[string]int{}
	list, err := h.Instances(h.ctx, h.app.ID)
	h.must(err)
	for _, in := range list {
		on[in.HostID]++
	}
	if moved != 2 || len(on) != 3 {
		t.Errorf("%d moves, and the dynos are on %v", moved, on)
	}
	_, err = h.svc.Rebalance(h.as(op), op, server.RebalanceOrder{App: "nobody"})
	h.refused(err, server.ErrNotFound, "Couldn't find")
	stale := h.MoveInstance(h.ctx, server.Moved{AppID: h.app.ID, Instance: h.app.ID}, "x")
	if stale != server.ErrStale {
		t.Errorf("what is not there: %v", stale)
	}
}
