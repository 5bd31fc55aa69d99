package scheduler

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// world plays the store, the agents and the routers for Plan.
type world struct {
	s    State
	rnd  *rand.Rand
	next int
}

// fleetOf is five hosts in two zones, one with another disk; each takes so
// many instances.
func fleetOf(room int) []Host {
	hs := hosts(5)
	for i := range hs {
		hs[i].Memory = int64(room) * 512 << 20
		hs[i].Labels = map[string]string{"zone": []string{"a", "b"}[i%2]}
	}
	hs[4].Labels["disk"] = "slow"
	return hs
}

// plan makes and applies one, on hosts that are as full as the instances make them.
func (w *world) plan(t *testing.T) []Op {
	t.Helper()
	for i := range w.s.Hosts {
		h := &w.s.Hosts[i]
		h.UsedMemory, h.UsedMilliCPU = 0, 0
		for _, in := range w.s.Instances {
			if in.Host == h.ID && in.State != Crashed {
				h.UsedMemory += in.Memory
				h.UsedMilliCPU += in.MilliCPU
			}
		}
	}
	ops := Plan(w.s).Ops
	for _, op := range ops {
		w.apply(t, op)
	}
	return ops
}

func (w *world) host(id string) *Host {
	for i := range w.s.Hosts {
		if w.s.Hosts[i].ID == id {
			return &w.s.Hosts[i]
		}
	}
	return nil
}

// silent says that nothing is heard of an instance's host.
func (w *world) silent(in *Instance) bool {
	h := w.host(in.Host)
	return h != nil && h.Lost
}

// gone says that an instance is to be given up: there are other hosts.
func (w *world) gone(in *Instance) bool {
	return w.silent(in) && slices.ContainsFunc(w.s.Hosts, func(h Host) bool { return !h.Lost })
}

func (w *world) find(id string) int {
	return slices.IndexFunc(w.s.Instances, func(in Instance) bool { return in.ID == id })
}

func (w *world) drop(id string) {
	w.s.Instances = slices.DeleteFunc(w.s.Instances, func(in Instance) bool { return in.ID == id })
}

// apply does what the store does, and refuses what it refuses.
func (w *world) apply(t *testing.T, op Op) {
	t.Helper()
	if op.Kind == OpStart {
		w.start(t, op)
		return
	}
	i := w.find(op.Instance)
	if i < 0 {
		t.Fatalf("%s of what is not there: %+v", op.Kind, op)
	}
	in := &w.s.Instances[i]
	w.allowed(t, op, in)
	switch op.Kind {
	case OpPlace:
		in.Host, in.Reason = op.Host, op.Reason
		if op.Host != "" {
			w.book(t, in.Type, in.Release, op.Host, in.Memory, in.MilliCPU, in.OneOff)
			in.State, in.Since = Assigned, w.s.Now
		}
	case OpDrain:
		in.State, in.Since = Draining, w.s.Now
	case OpStop:
		in.State, in.Since = Stopping, w.s.Now
	case OpDrop, OpLose:
		w.drop(op.Instance)
	}
}

// allowed checks that a step may be taken with an instance in its state.
func (w *world) allowed(t *testing.T, op Op, in *Instance) {
	t.Helper()
	gone := w.gone(in)
	ok := map[OpKind]bool{
		OpPlace: in.State == Pending,
		OpDrain: in.State == Up && !gone && !in.OneOff,
		OpStop:  !gone && !in.OneOff && in.State != Pending && in.State != Crashed,
		OpDrop:  !in.OneOff && (in.State == Pending || in.State == Crashed || gone),
		OpLose:  in.OneOff && gone && in.State != Pending,
	}
	if !ok[op.Kind] {
		t.Fatalf("%s of %+v", op.Kind, *in)
	}
}

func (w *world) start(t *testing.T, op Op) {
	t.Helper()
	if i := w.find(op.Replaces); op.Replaces != "" {
		if in := &w.s.Instances[i]; in.State != Crashed && !w.gone(in) {
			t.Fatalf("%+v replaces %+v", op, *in)
		}
		w.drop(op.Replaces)
	}
	if op.Beside != "" {
		in := &w.s.Instances[w.find(op.Beside)]
		if in.Replace || in.Ordinal != op.Ordinal || in.Release != op.Release {
			t.Fatalf("%+v beside %+v", op, *in)
		}
		in.Replace = true
	}
	for _, in := range w.s.Instances {
		if in.Release == op.Release && in.Type == op.Type && in.Ordinal == op.Ordinal && !in.Replace && in.State != Draining && in.State != Stopping {
			t.Fatalf("two claim %s.%d of %s", op.Type, op.Ordinal, op.Release)
		}
	}
	w.next++
	in := Instance{ID: fmt.Sprint("i", w.next), Release: op.Release, Type: op.Type, Ordinal: op.Ordinal, Reason: op.Reason,
		Host: op.Host, State: Pending, Crashes: op.Crashes, Since: w.s.Now, Memory: op.Memory, MilliCPU: op.MilliCPU}
	if op.Host != "" {
		w.book(t, op.Type, op.Release, op.Host, op.Memory, op.MilliCPU, false)
		in.State = Assigned
	}
	w.s.Instances = append(w.s.Instances, in)
}

// book checks that a host takes an instance, and takes it.
func (w *world) book(t *testing.T, typ, release, host string, memory, cpu int64, once bool) {
	t.Helper()
	h := w.host(host)
	h.UsedMemory += memory
	h.UsedMilliCPU += cpu
	if h.Lost || h.Cordoned || h.Draining || h.Settling || h.UsedMemory > h.Memory || h.UsedMilliCPU > h.MilliCPU {
		t.Fatalf("placed on %+v", *h)
	}
	for _, c := range w.s.Placement.Constraints {
		if !c.holds(h.Labels) {
			t.Fatalf("placed on %s against %s", h.Name, c)
		}
	}
	if !w.s.Placement.Unique || once {
		return
	}
	for _, in := range w.s.Instances {
		alive := in.State == Assigned || in.State == Starting || in.State == Up
		if in.Type == typ && in.Release == release && in.Host == host && alive && !in.Replace && !in.OneOff && in.Ordinal <= w.s.quantity(typ) {
			t.Fatalf("a second %s on %s", typ, h.Name)
		}
	}
}

// step lets hosts and routers do one thing each, at random.
func (w *world) step(crash bool) {
	w.s.Now = w.s.Now.Add(time.Duration(w.rnd.IntN(5000)) * time.Millisecond)
	for _, in := range slices.Clone(w.s.Instances) {
		if w.rnd.IntN(3) == 0 || w.silent(&in) {
			continue
		}
		w.stepOne(&w.s.Instances[w.find(in.ID)], crash)
	}
}

func (w *world) stepOne(in *Instance, crash bool) {
	if in.OneOff && in.State == Up && w.rnd.IntN(3) > 0 { // it ends when it likes
		in.State = Stopping
		return
	}
	switch in.State {
	case Assigned:
		in.State = Starting
	case Starting:
		in.State, in.UpAt, in.Since = Up, w.s.Now, w.s.Now
		if crash && !in.OneOff && w.rnd.IntN(4) == 0 {
			in.State = Crashed
		}
	case Draining:
		in.Quiet = true
	case Stopping:
		w.drop(in.ID)
	}
}

// up counts what serves: not what is gone with its host.
func (w *world) up() int {
	n := 0
	for i := range w.s.Instances {
		in := &w.s.Instances[i]
		if in.State == Up && !in.OneOff && !w.gone(in) {
			n++
		}
	}
	return n
}
