package scheduler

import (
	"fmt"
	"testing"
)

// at puts an instance on a host.
func at(host string, in Instance) Instance {
	in.Host = host
	return in
}

// replaced marks one to be replaced.
func replaced(in Instance) Instance {
	in.Replace = true
	return in
}

// crashedOften is one that would wait long for its next start.
func crashedOften(in Instance) Instance {
	in.State, in.Crashes = Crashed, 9
	return in
}

// Host h0 is lost; h1 and h2 are well.
func TestPlanAfterALoss(t *testing.T) {
	cases := []struct {
		name    string
		release string
		rolling bool
		wants   []Want
		have    []Instance
		want    string
	}{
		{"up, starting and assigned are started anew", "r1", false, web(3),
			[]Instance{inst("a", "r1", 1, Up), inst("b", "r1", 2, Starting), inst("c", "r1", 3, Assigned)},
			"start web.1 of r1, start web.2 of r1, start web.3 of r1"},
		{"elsewhere nothing changes", "r1", false, web(2),
			[]Instance{at("h1", inst("a", "r1", 1, Up)), inst("b", "r1", 2, Up)}, "start web.2 of r1"},
		{"a crash there waits no longer", "r1", false, web(1), []Instance{crashedOften(inst("a", "r1", 1, Up))}, "start web.1 of r1"},
		{"nor is it left to the deploy", "r1", true, web(1), []Instance{inst("a", "r1", 1, Crashed)}, "start web.1 of r1"},
		{"while rolling", "r2", true, web(1), []Instance{at("h1", inst("a", "r1", 1, Up)), inst("b", "r2", 1, Starting)}, "start web.1 of r2"},
		{"what was leaving is gone", "r1", false, web(0), []Instance{inst("a", "r1", 1, Draining), inst("b", "r1", 2, Stopping)}, "drop a, drop b"},
		{"what is surplus is dropped", "r1", false, web(1), []Instance{at("h1", inst("a", "r1", 1, Up)), inst("b", "r1", 2, Up)}, "drop b"},
		{"an old release's is dropped", "r2", false, web(1), []Instance{inst("a", "r1", 1, Up), at("h1", inst("b", "r2", 1, Up))}, "drop a"},
		{"but mended while it must serve", "r2", true, web(2),
			[]Instance{inst("a", "r1", 1, Up), at("h1", inst("b", "r1", 2, Up)), at("h1", inst("c", "r2", 1, Starting))}, "start web.1 of r1"},
		{"no more of it than needed", "r2", true, web(2),
			[]Instance{inst("a", "r1", 1, Up), inst("b", "r1", 2, Up), at("h1", inst("c", "r2", 1, Up)), at("h1", inst("d", "r2", 2, Starting))},
			"start web.1 of r1, drop b"},
		{"and not one that crashed as well", "r2", true, web(1),
			[]Instance{inst("a", "r1", 1, Up), at("h1", inst("b", "r1", 2, Crashed)), at("h1", inst("c", "r2", 1, Starting))}, "start web.1 of r1"},
		{"a restarted one whose successor is there", "r1", false, web(1),
			[]Instance{replaced(inst("a", "r1", 1, Up)), at("h1", inst("b", "r1", 1, Starting))}, "drop a"},
		{"a restarted one and its successor", "r1", false, web(1),
			[]Instance{replaced(inst("a", "r1", 1, Up)), inst("b", "r1", 1, Starting)}, "start web.1 of r1, drop a"},
		{"a restarted one before it has a successor", "r1", false, web(2),
			[]Instance{replaced(inst("a", "r1", 1, Up)), at("h1", replaced(inst("b", "r1", 2, Up)))}, "start web.1 of r1"},
		{"a type that is gone", "r1", false, nil, []Instance{inst("a", "r1", 1, Up)}, "drop a"},
		{"nothing is deployed", "", false, web(1), []Instance{inst("a", "r1", 1, Up)}, "drop a"},
		{"a one-off ends", "r1", false, nil, []Instance{once("o", "r1", Up), once("p", "r1", Assigned), once("q", "r1", Stopping)}, "lose o, lose p, lose q"},
		{"one elsewhere does not", "r1", false, nil, []Instance{at("h1", once("o", "r1", Up))}, ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			hs := hosts(3)
			hs[0].Lost = true
			d := Plan(State{Now: t0, Release: c.release, Rolling: c.rolling, Wants: c.wants, Instances: c.have, Hosts: hs})
			if got := spell(d.Ops); got != c.want {
				t.Errorf("plan: %q, want %q", got, c.want)
			}
			for _, op := range d.Ops {
				if op.Kind == OpStart && (op.Replaces == "" || op.Host == "h0" || op.Host == "") {
					t.Errorf("%+v", op)
				}
			}
			if !d.WakeAt.IsZero() {
				t.Errorf("it waits until %s", d.WakeAt)
			}
		})
	}
}

func TestALossCountsAsNoCrash(t *testing.T) {
	hs := hosts(2)
	hs[0].Lost = true
	s := State{Now: t0, Release: "r1", Wants: web(1), Hosts: hs, Instances: []Instance{crashedOften(inst("a", "r1", 1, Up))}}
	d := Plan(s)
	if len(d.Ops) != 1 || d.Ops[0].Crashes != 9 || d.Ops[0].Replaces != "a" || d.Ops[0].Host != "h1" {
		t.Errorf("%+v", d.Ops)
	}
	if p := Measure(s); p.Up != 0 || len(p.Crashed) != 0 {
		t.Errorf("measured %+v", p)
	}
	hs[1].Cordoned = true
	want := "no host takes it: host-0 is lost; host-1 is cordoned"
	if d := Plan(s); d.Ops[0].Host != "" || d.Ops[0].Reason != want {
		t.Errorf("without another host: %+v, want %q", d.Ops[0], want)
	}
}

// Host h0 is drained; h1 and h2 are well.
func TestPlanOfADrain(t *testing.T) {
	cases := []struct {
		name  string
		wants []Want
		have  []Instance
		want  string
	}{
		{"start first", web(1), []Instance{inst("a", "r1", 1, Up)}, "start web.1 of r1 beside a"},
		{"then drain", web(1), []Instance{replaced(inst("a", "r1", 1, Up)), at("h1", inst("b", "r1", 1, Up))}, "drain a"},
		{"not before", web(1), []Instance{replaced(inst("a", "r1", 1, Up)), at("h1", inst("b", "r1", 1, Starting))}, ""},
		{"one that starts moves too, and may come up first", web(1), []Instance{inst("a", "r1", 1, Starting)}, "start web.1 of r1 beside a"},
		{"it is not stopped meanwhile", web(1), []Instance{replaced(inst("a", "r1", 1, Starting)), at("h1", inst("b", "r1", 1, Starting))}, ""},
		{"but when it is not needed", web(1), []Instance{replaced(inst("a", "r1", 1, Starting)), at("h1", inst("b", "r1", 1, Up))}, "stop a"},
		{"a quarter at once", web(8), func() (l []Instance) {
			for i := range 8 {
				l = append(l, inst(fmt.Sprint("i", i+1), "r1", i+1, Up))
			}
			return l
		}(), "start web.1 of r1 beside i1, start web.2 of r1 beside i2"},
		{"only what is there", web(2), []Instance{inst("a", "r1", 1, Up), at("h1", inst("b", "r1", 2, Up))}, "start web.1 of r1 beside a"},
		{"a crashed one starts elsewhere", web(1), []Instance{inst("a", "r1", 1, Crashed)}, "start web.1 of r1"},
		{"one-offs may end", nil, []Instance{once("o", "r1", Up)}, ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			hs := hosts(3)
			hs[0].Draining = true
			d := Plan(State{Now: t0, Release: "r1", Wants: c.wants, Instances: c.have, Hosts: hs})
			if got := spell(d.Ops); got != c.want {
				t.Errorf("plan: %q, want %q", got, c.want)
			}
			for _, op := range d.Ops {
				if op.Kind == OpStart && (op.Host == "h0" || op.Host == "") {
					t.Errorf("%+v", op)
				}
			}
		})
	}
}

// With no room elsewhere they stay, the new one says why it waits, and a
// deploy goes live with them.
func TestADrainWithoutRoomWaits(t *testing.T) {
	hs := hosts(2)
	hs[0].Draining, hs[1].Cordoned = true, true
	s := State{Now: t0, Release: "r1", Rolling: true, Wants: web(1), Hosts: hs, Instances: []Instance{inst("a", "r1", 1, Up)}}
	d := Plan(s)
	want := "no host takes it: host-0 is being drained; host-1 is cordoned"
	if spell(d.Ops) != "start web.1 of r1 beside a" || d.Ops[0].Host != "" || d.Ops[0].Reason != want {
		t.Fatalf("%+v", d.Ops)
	}
	waits := inst("b", "r1", 1, Pending)
	waits.Host, waits.Reason = "", want
	s.Instances[0].Replace = true
	s.Instances = append(s.Instances, waits)
	if d := Plan(s); len(d.Ops) != 0 {
		t.Errorf("then: %s", spell(d.Ops))
	}
	if p := Measure(s); p.Up != 1 || p.Want != 1 {
		t.Errorf("measured %+v", p)
	}
	hs[1].Cordoned = false
	if d := Plan(s); spell(d.Ops) != "place b" || d.Ops[0].Host != "h1" {
		t.Errorf("with room: %+v", d.Ops)
	}
}

// One that waits of the old release gets the room that comes free while it
// is needed.
func TestAnOldOneThatWaitsIsPlaced(t *testing.T) {
	waits := inst("a", "r1", 1, Pending)
	waits.Host = ""
	s := State{Now: t0, Release: "r2", Rolling: true, Wants: web(1), Hosts: hosts(1), Instances: []Instance{waits, inst("b", "r2", 1, Starting)}}
	if d := Plan(s); spell(d.Ops) != "place a" || d.Ops[0].Host != "h0" {
		t.Errorf("%+v", d.Ops)
	}
}

// With every host lost there is nowhere to go, and they may all come back.
func TestPlanWhenAllHostsAreLost(t *testing.T) {
	hs := hosts(2)
	hs[0].Lost, hs[1].Lost, hs[1].Draining = true, true, true
	s := State{Now: t0, Release: "r1", Wants: web(2), Hosts: hs,
		Instances: []Instance{inst("a", "r1", 1, Up), at("h1", inst("b", "r1", 2, Up)), once("o", "r1", Up)}}
	if d := Plan(s); len(d.Ops) != 0 {
		t.Errorf("%s", spell(d.Ops))
	}
	hs[1].Lost = false
	hs[1].Draining = false
	if d := Plan(s); spell(d.Ops) != "start web.1 of r1, lose o" {
		t.Errorf("with one back: %s", spell(d.Ops))
	}
}
