package scheduler

import (
	"fmt"
	"math/rand/v2"
	"slices"
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
			out = append(out, fmt.Sprintf("start %s.%d of %s", op.Type, op.Ordinal, op.Release))
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

func TestPlacementSpreadsAndExplains(t *testing.T) {
	hs := hosts(3)
	hs[1].Arch = "arm64"
	d := Plan(State{Now: t0, Release: "r1", Arch: "amd64", Rolling: true, Wants: web(4), Hosts: hs})
	got := map[string]int{}
	for _, op := range d.Ops {
		got[op.Host]++
	}
	if got["h0"] != 2 || got["h2"] != 2 {
		t.Errorf("spread %v, want two on each amd64 host", got)
	}
	hs = hosts(2)
	hs[0].UsedMemory, hs[1].Arch = hs[0].Memory-100<<20, "arm64"
	d = Plan(State{Now: t0, Release: "r1", Arch: "amd64", Wants: web(1), Hosts: hs})
	want := "no host has room: host-0 has 100 MB of memory free, needs 512 MB; host-1 is arm64, the image is amd64"
	if d.Ops[0].Host != "" || d.Ops[0].Reason != want {
		t.Errorf("reason %q, want %q", d.Ops[0].Reason, want)
	}
}

// world plays the store, the agents and the routers for Plan.
type world struct {
	s    State
	rnd  *rand.Rand
	next int
}

func (w *world) apply(t *testing.T, ops []Op) {
	for _, op := range ops {
		i := slices.IndexFunc(w.s.Instances, func(in Instance) bool { return in.ID == op.Instance })
		if i >= 0 && w.s.Instances[i].OneOff && (op.Kind != OpPlace || w.s.Instances[i].State != Pending) {
			t.Fatalf("%s of a one-off that is %s", op.Kind, w.s.Instances[i].State)
		}
		switch op.Kind {
		case OpStart:
			if op.Replaces != "" {
				w.s.Instances = slices.DeleteFunc(w.s.Instances, func(in Instance) bool { return in.ID == op.Replaces })
			}
			for _, in := range w.s.Instances {
				if in.Release == op.Release && in.Type == op.Type && in.Ordinal == op.Ordinal && !in.Replace &&
					in.State != Draining && in.State != Stopping {
					t.Fatalf("two claim %s.%d of %s", op.Type, op.Ordinal, op.Release)
				}
			}
			w.next++
			st := Assigned
			if op.Host == "" {
				st = Pending
			}
			w.s.Instances = append(w.s.Instances, Instance{ID: fmt.Sprint("i", w.next), Release: op.Release, Type: op.Type, Ordinal: op.Ordinal,
				Host: op.Host, State: st, Crashes: op.Crashes, Since: w.s.Now, Memory: op.Memory, MilliCPU: op.MilliCPU})
		case OpPlace:
			w.s.Instances[i].Host, w.s.Instances[i].Reason = op.Host, op.Reason
			if op.Host != "" {
				w.s.Instances[i].State = Assigned
			}
		case OpDrain:
			w.s.Instances[i].State, w.s.Instances[i].Since = Draining, w.s.Now
		case OpStop:
			w.s.Instances[i].State, w.s.Instances[i].Since = Stopping, w.s.Now
		case OpDrop:
			w.s.Instances = slices.Delete(w.s.Instances, i, i+1)
		}
	}
}

// step lets hosts and routers do one thing each, at random.
func (w *world) step(crash bool) {
	w.s.Now = w.s.Now.Add(time.Duration(w.rnd.IntN(5000)) * time.Millisecond)
	for i := 0; i < len(w.s.Instances); i++ {
		in := &w.s.Instances[i]
		if w.rnd.IntN(3) == 0 {
			continue
		}
		if in.OneOff && in.State == Up && w.rnd.IntN(3) > 0 { // it ends when it likes
			in.State = Stopping
			continue
		}
		switch in.State {
		case Assigned:
			in.State = Starting
		case Starting:
			in.State, in.UpAt = Up, w.s.Now
			if crash && !in.OneOff && w.rnd.IntN(4) == 0 {
				in.State = Crashed
			}
			in.Since = w.s.Now
		case Draining:
			in.Quiet = true
		case Stopping:
			w.s.Instances = slices.Delete(w.s.Instances, i, i+1)
			i--
		}
	}
}

func (w *world) up() int {
	n := 0
	for _, in := range w.s.Instances {
		if in.State == Up && !in.OneOff {
			n++
		}
	}
	return n
}

// Whatever happens in between, a plan never takes the number of instances
// that are up below what is wanted, and when hosts are calm it comes to rest
// with exactly the target running.
func TestPlanPropertyNeverLowersAndSettles(t *testing.T) {
	for seed := range uint64(300) {
		rnd := rand.New(rand.NewPCG(seed, 7))
		w := &world{rnd: rnd, s: State{Now: t0, Release: "r1", Rolling: true, Wants: web(1 + rnd.IntN(9)), Hosts: hosts(3), DrainLimit: 30 * time.Second}}
		for n := range 120 {
			if n < 60 && rnd.IntN(12) == 0 {
				w.shake()
			}
			before := w.up()
			w.apply(t, Plan(w.s).Ops)
			if floor := min(before, w.s.Wants[0].Quantity); w.up() < floor {
				t.Fatalf("seed %d step %d: %d up, had %d, want %d", seed, n, w.up(), before, w.s.Wants[0].Quantity)
			}
			w.step(n < 60)
		}
		w.s.Rolling = false
		for range 400 {
			w.apply(t, Plan(w.s).Ops)
			w.step(false)
		}
		w.settled(t, seed)
	}
}

func (w *world) shake() {
	switch w.rnd.IntN(5) {
	case 4:
		w.next++
		w.s.Instances = append(w.s.Instances, once(fmt.Sprint("o", w.next), w.s.Release, Pending))
	case 0:
		w.s.Release, w.s.Rolling = fmt.Sprint("r", 1+w.rnd.IntN(4)), true
	case 1:
		w.s.Rolling = false
	case 2:
		w.s.Wants = web(w.rnd.IntN(9))
	case 3:
		for i := range w.s.Instances {
			w.s.Instances[i].Replace = !w.s.Instances[i].OneOff
		}
	}
}

func (w *world) settled(t *testing.T, seed uint64) {
	t.Helper()
	if d := Plan(w.s); len(d.Ops) > 0 {
		t.Fatalf("seed %d does not rest: %s", seed, spell(d.Ops))
	}
	if len(w.s.Instances) != w.s.Wants[0].Quantity {
		t.Fatalf("seed %d: %d instances, want %d: %+v", seed, len(w.s.Instances), w.s.Wants[0].Quantity, w.s.Instances)
	}
	for _, in := range w.s.Instances {
		if in.State != Up || in.Release != w.s.Release {
			t.Fatalf("seed %d: %+v", seed, in)
		}
	}
}

// A one-off needs a host of its own image's kind, and its memory is counted.
func TestOneOffPlacement(t *testing.T) {
	hs := hosts(2)
	hs[0].Arch = "arm64"
	in := once("o", "r2", Pending)
	in.Arch = "arm64"
	s := State{Now: t0, Release: "r1", Arch: "amd64", Instances: []Instance{in}, Hosts: hs}
	if d := Plan(s); len(d.Ops) != 1 || d.Ops[0].Host != "h0" {
		t.Errorf("placed %+v, want on h0", d.Ops)
	}
	s.Hosts[0].UsedMemory = s.Hosts[0].Memory
	d := Plan(s)
	if len(d.Ops) != 1 || d.Ops[0].Host != "" || !strings.Contains(d.Ops[0].Reason, "0 MB of memory free") {
		t.Fatalf("without room: %+v", d.Ops)
	}
	s.Instances[0].Reason = d.Ops[0].Reason
	if d := Plan(s); len(d.Ops) != 0 {
		t.Errorf("the same reason again: %+v", d.Ops)
	}
	if pr := Measure(s); pr.Want+pr.Up+len(pr.Pending) != 0 {
		t.Errorf("it is measured as a part of the rollout: %+v", pr)
	}
}

func TestMeasure(t *testing.T) {
	s := State{Release: "r2", Wants: web(2), Instances: []Instance{inst("a", "r1", 1, Up), inst("b", "r2", 1, Up), inst("c", "r2", 2, Crashed)}}
	p := Measure(s)
	if p.Want != 2 || p.Up != 1 || len(p.Crashed) != 1 || p.Crashed[0] != "c" {
		t.Errorf("%+v", p)
	}
}
