package scheduler

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

var t0 = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func web(n int) []Want {
	return []Want{{Type: "web", Quantity: n, MilliCPU: 100, Memory: 512 << 20, Routed: true}}
}

func hosts(n int) []Host {
	var hs []Host
	for i := range n {
		hs = append(hs, Host{ID: fmt.Sprint("h", i), Name: fmt.Sprint("host-", i), Arch: "amd64", MilliCPU: 64000, Memory: 64 << 30})
	}
	return hs
}

func inst(id, release string, ordinal int, s InstanceState) Instance {
	return Instance{ID: id, Release: release, Type: "web", Ordinal: ordinal, Host: "h0", State: s, Since: t0, Memory: 512 << 20, MilliCPU: 100}
}

func once(id, release string, s InstanceState) Instance {
	in := inst(id, release, 1001, s)
	in.Type, in.OneOff = "run", true
	if s == Pending {
		in.Host = ""
	}
	return in
}

func spell(ops []Op) string {
	var out []string
	for _, op := range ops {
		switch op.Kind {
		case OpStart:
			text := fmt.Sprintf("start %s.%d of %s", op.Type, op.Ordinal, op.Release)
			if op.Beside != "" {
				text += " beside " + op.Beside
			}
			out = append(out, text)
		default:
			out = append(out, fmt.Sprintf("%s %s", op.Kind, op.Instance))
		}
	}
	return strings.Join(out, ", ")
}

func TestPlan(t *testing.T) {
	crashedLater := inst("a", "r1", 1, Crashed)
	crashedLater.Crashes = 2
	restart := inst("a", "r1", 1, Up)
	restart.Replace = true
	quiet := inst("a", "r1", 1, Draining)
	quiet.Quiet = true
	late := inst("a", "r1", 1, Draining)
	late.Since = t0.Add(-time.Minute)
	cases := []struct {
		name    string
		release string
		rolling bool
		wants   []Want
		have    []Instance
		want    string
	}{
		{"first start at once", "r1", true, web(3), nil, "start web.1 of r1, start web.2 of r1, start web.3 of r1"},
		{"nothing to do", "r1", false, web(1), []Instance{inst("a", "r1", 1, Up)}, ""},
		{"start first", "r2", true, web(1), []Instance{inst("a", "r1", 1, Up)}, "start web.1 of r2"},
		{"old stays while new starts", "r2", true, web(1), []Instance{inst("a", "r1", 1, Up), inst("b", "r2", 1, Starting)}, ""},
		{"old drains when new is up", "r2", true, web(1), []Instance{inst("a", "r1", 1, Up), inst("b", "r2", 1, Up)}, "drain a"},
		{"a quarter at once", "r2", true, web(8), func() (l []Instance) {
			for i := range 8 {
				l = append(l, inst(fmt.Sprint(i), "r1", i+1, Up))
			}
			return l
		}(), "start web.1 of r2, start web.2 of r2"},
		{"scale down takes the highest", "r1", false, web(1), []Instance{inst("a", "r1", 1, Up), inst("b", "r1", 2, Up)}, "drain b"},
		{"scale to zero", "r1", false, web(0), []Instance{inst("a", "r1", 1, Up)}, "drain a"},
		{"a type that is gone", "r1", false, nil, []Instance{inst("a", "r1", 1, Up)}, "drain a"},
		{"draining waits", "r1", false, web(0), []Instance{inst("a", "r1", 1, Draining)}, ""},
		{"drained is stopped", "r1", false, web(0), []Instance{quiet}, "stop a"},
		{"drain limit", "r1", false, web(0), []Instance{late}, "stop a"},
		{"first crash restarts at once", "r1", false, web(1), []Instance{inst("a", "r1", 1, Crashed)}, "start web.1 of r1"},
		{"later crash backs off", "r1", false, web(1), []Instance{crashedLater}, ""},
		{"crash of a rolling release is the deploy's", "r2", true, web(1), []Instance{inst("a", "r1", 1, Up), inst("b", "r2", 1, Crashed)}, ""},
		{"old crash while rolling is mended", "r2", true, web(1), []Instance{inst("a", "r1", 1, Crashed), inst("b", "r2", 1, Starting)}, "start web.1 of r1"},
		{"failed rollout is cleared", "r1", false, web(1), []Instance{inst("a", "r1", 1, Up), inst("b", "r2", 1, Starting)}, "stop b"},
		{"failed rollout's crash is dropped", "r1", false, web(1), []Instance{inst("a", "r1", 1, Up), inst("b", "r2", 1, Crashed)}, "drop b"},
		{"restart is start-first", "r1", false, web(1), []Instance{restart}, "start web.1 of r1"},
		{"restarted drains", "r1", false, web(1), []Instance{restart, inst("b", "r1", 1, Up)}, "drain a"},
		{"nothing deployed", "", false, web(1), nil, ""},
		{"a one-off is placed", "r1", false, web(1), []Instance{inst("a", "r1", 1, Up), once("o", "r1", Pending)}, "place o"},
		{"also of a release that is not the target", "r1", true, web(1), []Instance{inst("a", "r1", 1, Up), once("o", "r2", Pending)}, "place o"},
		{"and without a target", "", false, nil, []Instance{once("o", "r1", Pending)}, "place o"},
		{"a running one-off is let alone", "r2", false, web(0), []Instance{once("o", "r1", Up)}, ""},
		{"an ended one is not restarted", "r1", false, nil, []Instance{once("o", "r1", Crashed), once("p", "r1", Stopping)}, ""},
		{"a one-off named as a type is none of it", "r1", false, web(1), []Instance{func() Instance { in := once("o", "r1", Up); in.Type = "web"; return in }()}, "start web.1 of r1"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			d := Plan(State{Now: t0, Release: c.release, Rolling: c.rolling, Wants: c.wants, Instances: c.have, Hosts: hosts(1), DrainLimit: 30 * time.Second})
			if got := spell(d.Ops); got != c.want {
				t.Errorf("plan: %q, want %q", got, c.want)
			}
		})
	}
}

func TestPlanWakesForBackoffAndDrain(t *testing.T) {
	in := inst("a", "r1", 1, Crashed)
	in.Crashes = 2
	d := Plan(State{Now: t0, Release: "r1", Wants: web(1), Instances: []Instance{in}, Hosts: hosts(1)})
	if want := t0.Add(2 * time.Second); !d.WakeAt.Equal(want) {
		t.Errorf("wake at %s, want %s", d.WakeAt, want)
	}
	d = Plan(State{Now: t0, Instances: []Instance{inst("a", "r1", 1, Draining)}, DrainLimit: 30 * time.Second})
	if want := t0.Add(30 * time.Second); !d.WakeAt.Equal(want) {
		t.Errorf("wake at %s, want %s", d.WakeAt, want)
	}
}

func TestBackoffGrowsAndIsForgiven(t *testing.T) {
	want := []time.Duration{0, 0, time.Second, 2 * time.Second, 4 * time.Second}
	for n, w := range want {
		if got := Backoff(n); got != w {
			t.Errorf("Backoff(%d) = %s, want %s", n, got, w)
		}
	}
	if got := Backoff(1000); got != 5*time.Minute {
		t.Errorf("Backoff(1000) = %s", got)
	}
	in := inst("a", "r1", 1, Crashed)
	in.Crashes, in.UpAt = 9, t0.Add(-time.Hour)
	d := Plan(State{Now: t0, Release: "r1", Wants: web(1), Instances: []Instance{in}, Hosts: hosts(1)})
	if len(d.Ops) != 1 || d.Ops[0].Crashes != 1 {
		t.Errorf("after an hour up: %+v", d.Ops)
	}
}

func TestMeasure(t *testing.T) {
	s := State{Release: "r2", Wants: web(2), Instances: []Instance{inst("a", "r1", 1, Up), inst("b", "r2", 1, Up), inst("c", "r2", 2, Crashed)}}
	p := Measure(s)
	if p.Want != 2 || p.Up != 1 || len(p.Crashed) != 1 || p.Crashed[0] != "c" {
		t.Errorf("%+v", p)
	}
}
