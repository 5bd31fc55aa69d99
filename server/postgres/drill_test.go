package postgres_test

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"paas/router"
	"paas/scheduler/agent"
	"paas/server"
)

// rehearsing runs what leads: the loop that plans, a router that acknowledges
// each table at once, and the measuring of drills; and what hosts are told by.
func (h *house) rehearsing(epoch func() int64) *server.Control {
	h.t.Helper()
	bell, log := server.NewBell(), slog.New(slog.DiscardHandler)
	ahead := server.NewAhead(bell)
	traffic, meter := server.NewTraffic(bell), server.NewMeter(log)
	key, err := server.NewKeyring(make([]byte, server.MasterKeySize))
	h.must(err)
	r := server.NewReconciler(server.ReconcilerConfig{DrainLimit: time.Minute, Tick: time.Minute, Epoch: epoch,
		Hosts: func(app string) []string { return []string{app} }, Ahead: ahead}, h.Store, key, traffic, bell, log)
	drills := server.NewDrills(h.Store, traffic, meter, bell, log)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = h.Listen(ctx, bell.Ring) })
	running.Go(func() { _ = r.Run(ctx) })
	running.Go(func() { _ = drills.Run(ctx) })
	tables := traffic.Watch(ctx, "router")
	running.Go(func() {
		for table := range tables {
			traffic.Ack(router.Ack{Router: "router", Version: table.Version})
		}
	})
	h.t.Cleanup(func() { cancel(); running.Wait() })
	return server.NewControl(server.ControlConfig{Image: func(app, digest string) string { return "registry/" + app + "@" + digest }, Ahead: ahead},
		h.Store, key, bell, server.NewSessions(), noLogs{}, log)
}

// up has every host say that what was assigned to it serves.
func (h *house) up() {
	h.t.Helper()
	list, err := h.Instances(h.ctx, h.app.ID)
	h.must(err)
	for _, in := range list {
		if in.HostID != "" && in.State == "assigned" {
			_, err := h.Report(h.ctx, in.HostID, 0, []agent.Status{{ID: in.ID, State: agent.Up, Addr: "10.91.1.2:1"}})
			h.must(err)
		}
	}
}

// While a drill goes on a host that speaks up is lost all the same, and what it
// had is elsewhere; afterwards it is taken back. What was measured is kept.
func TestDrill(t *testing.T) {
	h := newHouse(t)
	h.live(h.roll("one", "aaaaaaaa"), "one")
	h.must(h.SetFormation(h.ctx, h.app.ID, "x", []server.Formation{{AppID: h.app.ID, Type: "web", Quantity: 2, Size: "Standard-1X"}}))
	ids := h.joins("a-host", "b-host", "c-host")
	h.sql(`update hosts set cordoned = true where local`)
	epoch := h.lease()
	h.beating(h.Store, epoch, ids...)
	for _, name := range []string{"a-host", "b-host", "c-host"} {
		h.awaitState(name, server.HostReady)
	}
	h.rehearsing(epoch)
	h.until("two serving", func() bool {
		h.up()
		list, err := h.Instances(h.ctx, h.app.ID)
		h.must(err)
		return len(list) == 2 && list[0].State == "up" && list[1].State == "up"
	})
	op := h.svc.Operator()
	plan, err := h.svc.PlanDrill(h.as(op), op, "a-host")
	h.must(err)
	if len(plan.Report.Apps) != 1 || len(plan.Report.Apps[0].Instances) != 1 || plan.Report.Apps[0].Away != "" || plan.ID != "" {
		t.Errorf("the plan: %+v", plan)
	}
	_, err = h.svc.Drill(h.as(op), op, "a-host")
	h.refused(err, server.ErrNotFound, "never rehearsed")
	_, err = h.svc.StartDrill(h.as(op), op, "a-host", server.DrillOrder{For: time.Second})
	h.refused(err, server.ErrInvalid, "10 seconds")
	_, err = h.svc.PlanDrill(h.as(op), op, "host-1")
	h.refused(err, server.ErrConflict, "own machine")
	d, err := h.svc.StartDrill(h.as(op), op, "a-host", server.DrillOrder{For: time.Hour})
	h.must(err)
	_, err = h.svc.StartDrill(h.as(op), op, "b-host", server.DrillOrder{For: time.Hour})
	h.refused(err, server.ErrConflict, "paas drill a-host --end")
	h.awaitState("a-host", server.HostLost)
	h.until("measured to the end", func() bool {
		h.up()
		d, err = h.svc.Drill(h.as(op), op, "a-host")
		h.must(err)
		return d.Report.Elsewhere > 0
	})
	if h.spread(ids[0]) != "there 0 elsewhere 2" || len(d.Report.Apps[0].Waits) > 0 || h.hostRow("a-host").Note == "" || d.Ended(time.Now()) {
		t.Errorf("%s, %+v, %+v", h.spread(ids[0]), h.hostRow("a-host"), d)
	}
	if r := d.Report; r.Lost <= 0 || r.Lost > r.Out || r.Out > r.Elsewhere || r.Apps[0].Gone != 0 {
		t.Errorf("%+v", r)
	}
	t.Logf("lost after %s, out after %s, elsewhere after %s, of a lease of 600ms", d.Report.Lost, d.Report.Out, d.Report.Elsewhere)
	d, err = h.svc.EndDrill(h.as(op), op, "a-host")
	h.must(err)
	if !d.Ended(time.Now()) {
		t.Errorf("it goes on: %+v", d)
	}
	h.awaitState("a-host", server.HostSettling)
	if again, err := h.svc.EndDrill(h.as(op), op, "a-host"); err != nil || !again.EndedAt.Equal(d.EndedAt) {
		t.Errorf("ended twice: %+v, %v", again, err)
	}
}

// A drill that nobody ends is over by its time, also when the control plane died meanwhile.
func TestDrillEndsByItself(t *testing.T) {
	h := newHouse(t)
	ids := h.joins("a-host", "b-host")
	h.beating(h.Store, h.lease(), ids...)
	h.awaitState("a-host", server.HostReady)
	h.awaitState("b-host", server.HostReady)
	op := h.svc.Operator()
	_, err := h.svc.StartDrill(h.as(op), op, "a-host", server.DrillOrder{For: time.Minute})
	h.must(err)
	h.awaitState("a-host", server.HostLost)
	h.sql(`update drills set until = now()`, `update hosts set drill_until = now() where drill_until > now()`)
	h.awaitState("a-host", server.HostSettling)
	h.sql(`update hosts set steady_at = '-infinity'`)
	h.awaitState("a-host", server.HostReady)
	d, err := h.svc.Drill(h.as(op), op, "a-host")
	h.must(err)
	if !d.Ended(time.Now()) {
		t.Errorf("it goes on: %+v", d)
	}
	if _, err := h.svc.StartDrill(h.as(op), op, "b-host", server.DrillOrder{For: time.Minute}); err != nil {
		t.Errorf("after one that nobody noted to be over: %v", err)
	}
}
