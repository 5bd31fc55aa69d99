package postgres_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"paas/scheduler"
	"paas/server"
)

func on(v bool) *bool       { return &v }
func amount(n int64) *int64 { return &n }

// What an operator says of a host is what the planner sees, and who looks.
func TestChangeHost(t *testing.T) {
	h := newHouse(t)
	op := h.svc.Operator()
	ids := h.joins("a-host")
	_, err := h.Pulse(h.ctx, []server.HostBeat{{Host: ids[0], Engine: true}}, time.Minute)
	h.must(err)
	for _, c := range []struct {
		change server.HostChange
		state  server.HostState
		plan   string // cordoned, draining, settling
	}{
		{server.HostChange{Labels: map[string]string{"zone": "b", "disk": "ssd"}, Unset: []string{"rack"}}, server.HostReady, "false false false"},
		{server.HostChange{Cordon: on(true)}, server.HostCordoned, "true false false"},
		{server.HostChange{Cordon: on(false), KeptCPU: amount(1000), KeptMemory: amount(1 << 30)}, server.HostReady, "false false false"},
		{server.HostChange{Drain: on(true), Deadline: time.Hour}, server.HostDrained, "true true false"},
		{server.HostChange{Drain: on(false)}, server.HostCordoned, "true false false"},
		{server.HostChange{Drain: on(true)}, server.HostDrained, "true true false"},
		{server.HostChange{Cordon: on(false)}, server.HostReady, "false false false"},
	} {
		r, err := h.svc.ChangeHost(h.as(op), op, "a-host", c.change)
		h.must(err)
		snap, err := h.Snapshot(h.ctx, h.app.ID)
		h.must(err)
		p := snap.State.Hosts[0]
		if got := fmt.Sprint(p.Cordoned, p.Draining, p.Settling); r.State != c.state || got != c.plan || p.Labels["zone"] != "b" {
			t.Errorf("after %+v: %s, planned with %s %v", c.change, r.State, got, p.Labels)
		}
		if r.DrainUntil.IsZero() != (c.change.Deadline == 0) {
			t.Errorf("after %+v it is drained until %s", c.change, r.DrainUntil)
		}
		if (c.change.KeptCPU != nil) && (p.MilliCPU != 3000 || p.Memory != 3<<30 || r.MilliCPU != 4000) {
			t.Errorf("what is kept: %+v", p)
		}
	}
	for says, c := range map[string]server.HostChange{
		"nothing to change": {},
		"at the same time":  {Drain: on(true), Cordon: on(false)},
		"Only a drain":      {Cordon: on(true), Deadline: time.Second},
		"at most 168 hours": {Drain: on(true), Deadline: 1000 * time.Hour},
		"less than nothing": {KeptCPU: amount(-1)},
		"must be less":      {KeptMemory: amount(1 << 40)},
		`Label "Zone"`:      {Labels: map[string]string{"Zone": "a"}},
		"Value":             {Labels: map[string]string{"zone": "a b"}},
	} {
		_, err := h.svc.ChangeHost(h.as(op), op, "a-host", c)
		h.refused(err, server.ErrInvalid, says)
	}
	_, err = h.svc.ChangeHost(h.as(op), op, "nobody", server.HostChange{Cordon: on(true)})
	h.refused(err, server.ErrNotFound, "paas hosts")
	_, err = h.svc.AddHost(h.as(op), op, "Not_A_Name", nil)
	h.refused(err, server.ErrInvalid, "Host name")
	var kinds []string
	for _, e := range h.logged("") {
		if strings.HasPrefix(e.Kind, "host.") {
			kinds = append(kinds, e.Kind)
		}
	}
	if got := strings.Join(kinds[:3], " "); got != "host.invited host.joined host.changed" && got != "host.invited host.changed host.changed" {
		t.Errorf("audit %s", got)
	}
}

// A drain that does not come to its end by its deadline ends what is left; a
// host with something on it is removed only by force, and then that starts
// elsewhere.
func TestDrainDeadlineAndRemoval(t *testing.T) {
	h := newHouse(t)
	op := h.svc.Operator()
	h.live(h.roll("one", "aaaaaaaa"), "one")
	ids := h.joins("a-host")
	h.placed()
	run := h.createRun()
	h.placed()
	h.sql(fmt.Sprintf(`update instances set host_id = '%s', state = 'up', up_at = now()`, ids[0]))
	_, err := h.svc.ChangeHost(h.as(op), op, "a-host", server.HostChange{Drain: on(true), Deadline: time.Minute})
	h.must(err)
	p, err := h.Pulse(h.ctx, nil, time.Minute)
	h.must(err)
	if len(p.Drained) > 0 || h.hostRow("a-host").State != server.HostDraining {
		t.Errorf("before its deadline: %v", p.Drained)
	}
	h.sql(`update hosts set drain_until = now() - interval '1 s' where draining`)
	p, err = h.Pulse(h.ctx, nil, time.Minute)
	h.must(err)
	var states []string
	list, err := h.Instances(h.ctx, h.app.ID)
	h.must(err)
	for _, in := range list {
		states = append(states, in.Type+" "+in.State)
	}
	if got := strings.Join(states, ", "); len(p.Drained) != 1 || got != "run stopping, web draining" {
		t.Errorf("at its deadline: %v, %s", p.Drained, got)
	}
	if p, err = h.Pulse(h.ctx, nil, time.Minute); err != nil || len(p.Drained) > 0 {
		t.Errorf("again: %v, %v", p.Drained, err)
	}
	_, err = h.svc.RemoveHost(h.as(op), op, "a-host", false)
	h.refused(err, server.ErrConflict, "Dynos on host a-host: 2.")
	_, err = h.svc.RemoveHost(h.as(op), op, "a-host", true)
	h.must(err)
	h.placed()
	if got := h.spread(ids[0]); got != "there 0 elsewhere 1" {
		t.Errorf("after the removal: %s", got)
	}
	if r := h.run(run.ID); r.State != server.RunStopped || r.Reason != "its host is drained" {
		t.Errorf("the one-off: %+v", r)
	}
}

// Constraints are kept as they are given, and what no host satisfies says so.
func TestPlacementAndWhy(t *testing.T) {
	h := newHouse(t)
	ann := server.Actor{Account: h.user}
	h.live(h.roll("one", "aaaaaaaa"), "one")
	h.placed()
	p := scheduler.Placement{Constraints: []scheduler.Constraint{{Label: "zone", Value: "a"}, {Label: "disk", Value: "slow", Not: true}}, Spread: "rack", Unique: true}
	_, err := h.svc.SetPlacement(h.as(ann), ann, h.app.Name, server.PlacementChange{Placement: p})
	h.refused(err, server.ErrConflict, "No host meets zone=a disk!=slow")
	got, err := h.svc.SetPlacement(h.as(ann), ann, h.app.Name, server.PlacementChange{Placement: p, Force: true, Had: &scheduler.Placement{}})
	h.must(err)
	_, err = h.svc.SetPlacement(h.as(ann), ann, h.app.Name, server.PlacementChange{Had: &scheduler.Placement{}})
	h.refused(err, server.ErrConflict, "changed the constraints meanwhile")
	again, err := h.svc.SetPlacement(h.as(ann), ann, h.app.Name, server.PlacementChange{Placement: p, Force: true, Had: &p})
	if err != nil || server.SpellPlacement(again) != server.SpellPlacement(got) {
		t.Errorf("what is so already is set: %+v, %v", again, err)
	}
	if server.SpellPlacement(got) != "zone=a disk!=slow spread by rack unique per host" {
		t.Errorf("placement %+v", got)
	}
	w, err := h.svc.Why(h.ctx, ann, h.app.Name, "web.1")
	h.must(err)
	if w.Host != "host-1" || len(w.Refusals) != 1 || !strings.Contains(w.Refusals[0].Why, "zone") {
		t.Errorf("why %+v", w)
	}
	h.up()
	h.placed() // a second one is wanted, and pending
	w, err = h.svc.Why(h.ctx, ann, h.app.Name, "web.1")
	h.must(err)
	if w.Host != "" || w.Old != "host-1" || w.Instance.State != "pending" || !strings.Contains(w.Reason, "zone") {
		t.Errorf("the one that is pending: %+v", w)
	}
	_, err = h.svc.Why(h.ctx, ann, h.app.Name, "web.9")
	h.refused(err, server.ErrNotFound, "paas ps -a web-shop")
	for says, p := range map[string]scheduler.Placement{
		"at most 20":        {Constraints: make([]scheduler.Constraint, 21)},
		"twice":             {Constraints: []scheduler.Constraint{{Label: "a"}, {Label: "a"}}},
		"Label":             {Spread: "NO"},
		"both a=1 and a=2":  {Constraints: []scheduler.Constraint{{Label: "a", Value: "1"}, {Label: "a", Value: "2"}}},
		"both a=1 and a!=1": {Constraints: []scheduler.Constraint{{Label: "a", Value: "1"}, {Label: "b", Value: "1"}, {Label: "a", Value: "1", Not: true}}},
		"Value":             {Constraints: []scheduler.Constraint{{Label: "a", Value: "'"}}},
	} {
		_, err := h.svc.SetPlacement(h.as(ann), ann, h.app.Name, server.PlacementChange{Placement: p})
		h.refused(err, server.ErrInvalid, says)
	}
}
