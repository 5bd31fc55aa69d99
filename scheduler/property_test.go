package scheduler

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// Whatever happens in between – releases, crashes, scaling, hosts that are
// lost, come back, are cordoned and drained, constraints – a plan never takes
// the number of instances that are up below what is wanted and never places
// on a host that refuses, and when all is calm it comes to rest with exactly
// the target running where it may.
func TestPlanPropertyNeverLowersAndSettles(t *testing.T) {
	for seed := range uint64(400) {
		rnd := rand.New(rand.NewPCG(seed, 7))
		w := &world{rnd: rnd, s: State{Now: t0, Release: "r1", Rolling: true, Wants: web(1 + rnd.IntN(9)), Hosts: fleetOf(3 + rnd.IntN(60)), DrainLimit: 30 * time.Second}}
		for n := range 160 {
			if n < 100 {
				w.shake()
			}
			before := w.up()
			ops := w.plan(t)
			if floor := min(before, w.s.Wants[0].Quantity); w.up() < floor {
				t.Fatalf("seed %d step %d: %d up, had %d, want %d: %s", seed, n, w.up(), before, w.s.Wants[0].Quantity, spell(ops))
			}
			w.leftNothing(t, seed)
			w.step(n < 100)
		}
		w.s.Rolling = false
		w.calm(t)
		w.rests(t, seed)
		w.heal()
		w.calm(t)
		w.rests(t, seed)
		w.settled(t, seed)
	}
}

// leftNothing: one plan is enough to make up one's mind of a lost host.
func (w *world) leftNothing(t *testing.T, seed uint64) {
	t.Helper()
	for i := range w.s.Instances {
		if in := &w.s.Instances[i]; w.gone(in) {
			t.Fatalf("seed %d: %+v is still on a lost host", seed, *in)
		}
	}
}

func (w *world) calm(t *testing.T) {
	t.Helper()
	for range 300 {
		w.plan(t)
		w.step(false)
	}
}

func (w *world) shake() {
	if w.rnd.IntN(8) == 0 {
		w.shakeApp()
	}
	if w.rnd.IntN(8) == 0 {
		w.shakeHost()
	}
	if w.rnd.IntN(30) == 0 {
		w.shakePlacement()
	}
}

func (w *world) shakeApp() {
	switch w.rnd.IntN(5) {
	case 0:
		w.s.Release, w.s.Rolling = fmt.Sprint("r", 1+w.rnd.IntN(4)), true
	case 1:
		w.s.Rolling = false
	case 2:
		w.s.Wants = web(w.rnd.IntN(9))
	case 3:
		for i := range w.s.Instances {
			in := &w.s.Instances[i]
			in.Replace = in.Replace || !in.OneOff && in.State != Draining && in.State != Stopping
		}
	case 4:
		w.next++
		w.s.Instances = append(w.s.Instances, once(fmt.Sprint("o", w.next), w.s.Release, Pending))
	}
}

func (w *world) shakeHost() {
	h := &w.s.Hosts[w.rnd.IntN(len(w.s.Hosts))]
	switch w.rnd.IntN(7) {
	case 5: // the network is gone, for all
		lost := w.rnd.IntN(3) == 0
		for i := range w.s.Hosts {
			w.s.Hosts[i].Lost = lost
		}
	case 0, 1:
		h.Lost = !h.Lost
		h.Settling = !h.Lost
	case 2:
		h.Settling = false
	case 3:
		h.Cordoned = !h.Cordoned
	case 4:
		h.Draining = !h.Draining
	case 6:
		w.deadline(h)
	}
}

// deadline is the end of a drain: the store stops what is left.
func (w *world) deadline(h *Host) {
	for i := range w.s.Instances {
		in := &w.s.Instances[i]
		if h.Draining && in.Host == h.ID && (in.State == Assigned || in.State == Starting || in.State == Up) {
			in.State, in.Since = Stopping, w.s.Now
		}
	}
}

func (w *world) shakePlacement() {
	all := []Placement{
		{}, {Unique: true}, {Spread: "zone"}, {Spread: "disk", Unique: true},
		{Constraints: []Constraint{{Label: "zone", Value: "a"}}},
		{Constraints: []Constraint{{Label: "disk", Value: "slow", Not: true}}, Spread: "zone"},
		{Constraints: []Constraint{{Label: "zone", Value: "c"}}},
	}
	w.s.Placement = all[w.rnd.IntN(len(all))]
}

// heal gives every instance somewhere to go, though not all hosts are back.
func (w *world) heal() {
	for i := range w.s.Hosts {
		h := &w.s.Hosts[i]
		h.Memory, h.Lost, h.Cordoned, h.Settling, h.Draining = 64<<30, false, false, false, false
	}
	w.s.Hosts[1].Lost = w.rnd.IntN(2) == 0
	w.s.Hosts[2].Draining = w.rnd.IntN(2) == 0
	w.s.Hosts[3].Cordoned = w.rnd.IntN(2) == 0
	switch w.rnd.IntN(3) {
	case 0:
		w.s.Placement = Placement{Unique: true}
		w.s.Wants = web(min(w.s.Wants[0].Quantity, 2))
	case 1:
		w.s.Placement = Placement{Constraints: []Constraint{{Label: "zone", Value: "a"}}, Spread: "disk"}
	case 2:
		w.s.Placement = Placement{}
	}
}

// rests: nothing is left to do, and what has no host knows why.
func (w *world) rests(t *testing.T, seed uint64) {
	t.Helper()
	if d := Plan(w.s); len(d.Ops) > 0 {
		t.Fatalf("seed %d does not rest: %s", seed, spell(d.Ops))
	}
	for _, in := range w.s.Instances {
		for _, r := range Explain(w.s, in.ID) {
			if in.State == Pending && r.Why == "" {
				t.Fatalf("seed %d: %+v is pending, %s would take it", seed, in, r.Host)
			}
		}
	}
}

func (w *world) settled(t *testing.T, seed uint64) {
	t.Helper()
	if len(w.s.Instances) != w.s.Wants[0].Quantity {
		t.Fatalf("seed %d: %d instances, want %d: %+v", seed, len(w.s.Instances), w.s.Wants[0].Quantity, w.s.Instances)
	}
	on := map[string]int{}
	for _, in := range w.s.Instances {
		h := w.host(in.Host)
		on[in.Host]++
		if in.State != Up || in.Release != w.s.Release || h.Lost || h.Draining || w.s.Placement.broken(h) != nil {
			t.Fatalf("seed %d: %+v on %+v", seed, in, *h)
		}
		if w.s.Placement.Unique && on[in.Host] > 1 {
			t.Fatalf("seed %d: %d on %s", seed, on[in.Host], h.Name)
		}
	}
}
