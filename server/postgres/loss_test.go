package postgres_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"paas/router"
	"paas/scheduler/agent"
	"paas/server"
)

// targets are the hosts that a table sends requests to.
func (h *house) targets(t router.Table) []string {
	h.t.Helper()
	list, err := h.Instances(h.ctx, h.app.ID)
	h.must(err)
	var hosts []string
	for _, r := range t.Routes {
		for _, target := range r.Targets {
			i := slices.IndexFunc(list, func(in server.Instance) bool { return in.ID == target.ID })
			if i >= 0 {
				hosts = append(hosts, list[i].HostID)
			}
		}
	}
	return hosts
}

// reconciling runs the loop that plans, as the leader, and a router's side of it.
func (h *house) reconciling(epoch func() int64) <-chan router.Table {
	h.t.Helper()
	bell := server.NewBell()
	traffic := server.NewTraffic(bell)
	key, err := server.NewKeyring(make([]byte, server.MasterKeySize))
	h.must(err)
	r := server.NewReconciler(server.ReconcilerConfig{DrainLimit: time.Minute, Tick: time.Minute, Epoch: epoch,
		Hosts: func(app string) []string { return []string{app} }}, h.Store, key, traffic, bell, slog.New(slog.NewTextHandler(io.Discard, nil)))
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = h.Listen(ctx, bell.Ring) })
	running.Go(func() { _ = r.Run(ctx) })
	h.t.Cleanup(func() { cancel(); running.Wait() })
	return traffic.Watch(ctx, "router")
}

// A host that falls silent is out of the router as soon as its lease ends, and
// its instances have another host; the loop is told and need not look.
func TestLossLeavesTheRouter(t *testing.T) {
	h := newHouse(t)
	h.live(h.roll("one", "aaaaaaaa"), "one")
	h.must(h.SetFormation(h.ctx, h.app.ID, "x", []server.Formation{{AppID: h.app.ID, Type: "web", Quantity: 2, Size: "Standard-1X"}}))
	ids := h.joins("a-host", "b-host")
	h.sql(`update hosts set cordoned = true where local`)
	epoch := h.lease()
	b := h.beating(h.Store, epoch, ids...)
	h.awaitState("a-host", server.HostReady)
	h.awaitState("b-host", server.HostReady)
	tables := h.reconciling(epoch)
	h.until("instance on each host", func() bool { return h.spread(ids[0]) == "there 1 elsewhere 1" })
	list, err := h.Instances(h.ctx, h.app.ID)
	h.must(err)
	for _, in := range list {
		_, err := h.Report(h.ctx, in.HostID, 0, []agent.Status{{ID: in.ID, State: agent.Up, Addr: "10.91.1.2:1"}})
		h.must(err)
	}
	said, err := h.svc.Activity(h.as(h.svc.Operator()), h.svc.Operator(), h.app.Name, server.ActivityQuery{Max: 20, Kinds: []string{"instance"}})
	h.must(err)
	for _, host := range []string{"a-host", "b-host"} { // events say where a dyno went
		if !slices.ContainsFunc(said, func(a server.Activity) bool { return a.Kind == "instance.up" && strings.HasSuffix(a.Text, " on "+host) }) {
			t.Errorf("no event about %s: %+v", host, said)
		}
	}
	for table := range tables {
		if len(h.targets(table)) == 2 {
			break
		}
	}
	began := time.Now()
	b.set(false, ids[0])
	for table := range tables {
		if got := h.targets(table); len(got) == 1 && got[0] == ids[1] {
			break
		}
	}
	out := time.Since(began)
	h.until("replacement", func() bool { return h.spread(ids[1]) == "there 2 elsewhere 0" })
	t.Logf("out of the router %s after the last beat, replaced after %s, of a lease of 600ms", out.Round(time.Millisecond), time.Since(began).Round(time.Millisecond))
	_, err = h.Report(h.ctx, ids[0], 0, []agent.Status{{ID: list[0].ID, State: agent.Up, Addr: fmt.Sprint("10.91.1.2:", 2)}})
	h.must(err) // what the host says of what is no more its own changes nothing
	if got := h.spread(ids[0]); got != "there 0 elsewhere 2" {
		t.Errorf("after its report: %s", got)
	}
}
