package scheduler

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
)

// imaged is an instance with the image of its release, which has the release's name.
func imaged(host string, in Instance) Instance {
	in.Host, in.Image = host, in.Release+"-image"
	return in
}

// Among hosts of equal spread and nearly equal load, one that has the image is
// the first, then one that has another of the app.
func TestPlacementPrefersHostsWithTheImage(t *testing.T) {
	worker := func(host, release string, st InstanceState) Instance {
		in := imaged(host, inst("w", release, 1, st))
		in.Type = "worker"
		return in
	}
	run := once("o", "r1", Up)
	replacing := worker("h2", "r1", Up)
	replacing.Replace = true
	cases := []struct {
		name string
		in   []Instance
		used []int64 // GB, of 64
		want string
	}{
		{"the emptier when nobody has it", nil, []int64{3, 2, 9}, "h1"},
		{"who has it goes before the emptier", []Instance{worker("h2", "r1", Up)}, []int64{3, 2, 9}, "h2"},
		{"but not when it is far fuller", []Instance{worker("h2", "r1", Up)}, []int64{3, 2, 30}, "h1"},
		{"one that starts has it, and one that leaves", []Instance{worker("h2", "r1", Draining)}, []int64{3, 2, 9}, "h2"},
		{"a one-off has it, too", []Instance{imaged("h2", run)}, []int64{3, 2, 9}, "h2"},
		{"an instance that waits to begin may never have got it", []Instance{worker("h2", "r1", Assigned)}, []int64{3, 2, 9}, "h1"},
		{"a crash ties nobody to its host", []Instance{worker("h2", "r1", Crashed)}, []int64{3, 2, 9}, "h1"},
		{"nor does what is to be replaced", []Instance{replacing}, []int64{3, 2, 9}, "h1"},
		{"another image of the app is better than none", []Instance{worker("h0", "r0", Up)}, []int64{3, 2, 9}, "h0"},
		{"and worse than the image", []Instance{worker("h0", "r0", Up), worker("h2", "r1", Up)}, []int64{3, 2, 9}, "h2"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			hs := hosts(3)
			for i := range hs {
				hs[i].UsedMemory = c.used[i] << 30
			}
			s := State{Now: t0, Release: "r1", Image: "r1-image", Wants: web(1), Hosts: hs, Instances: c.in}
			s.Wants = append(s.Wants, Want{Type: "worker", Quantity: 1})
			got := ""
			for _, op := range Plan(s).Ops {
				if op.Kind == OpStart && op.Type == "web" {
					got = op.Host
				}
			}
			if got != c.want {
				t.Errorf("on %q, want %q", got, c.want)
			}
		})
	}
}

// Whoever has the image, instances are spread as if nobody had it.
func TestTheImageNeverWorsensTheSpread(t *testing.T) {
	counts := func(s State, label string) string {
		on := map[string]int{}
		for _, op := range Plan(s).Ops {
			for _, h := range s.Hosts {
				if op.Kind == OpStart && h.ID == op.Host {
					on[h.ID+" "+h.Labels[label]]++
				}
			}
		}
		by, all := map[string]int{}, []int(nil)
		for k, n := range on {
			by[k[strings.Index(k, " "):]] += n
			all = append(all, n)
		}
		slices.Sort(all)
		return fmt.Sprint(all, slices.Sorted(maps.Values(by)))
	}
	for seed := range 200 {
		hs := zoned(6)
		for i := range hs {
			hs[i].UsedMemory = int64((seed*7+i*13)%40) << 30
		}
		s := State{Now: t0, Release: "r2", Image: "r2-image", Rolling: true, Wants: web(1 + seed%17), Hosts: hs, Placement: Placement{Spread: "zone"}, DrainLimit: time.Second}
		for i := range seed % 5 {
			in := once(fmt.Sprint("o", i), []string{"r1", "r2"}[(seed+i)%2], Up)
			s.Instances = append(s.Instances, imaged(hs[(seed*i)%6].ID, in))
		}
		with := counts(s, "zone")
		s.Image = ""
		for i := range s.Instances {
			s.Instances[i].Image = ""
		}
		if without := counts(s, "zone"); with != without {
			t.Fatalf("seed %d: %s with images, %s without", seed, with, without)
		}
	}
}

func TestHostHasPortsForSoManyInstances(t *testing.T) {
	hs := hosts(2)
	hs[0].Instances, hs[1].Instances = MaxInstances-1, MaxInstances-2
	for i := range hs {
		hs[i].MilliCPU, hs[i].Memory = 1<<40, 1<<60
	}
	ops := Plan(State{Now: t0, Release: "r1", Wants: web(5), Hosts: hs}).Ops
	on := map[string]int{}
	reason := ""
	for _, op := range ops {
		on[op.Host]++
		reason = max(reason, op.Reason)
	}
	want := "no host takes it: host-0 has 10000 instances, and ports for no more; host-1 has 10000 instances, and ports for no more"
	if on["h0"] != 1 || on["h1"] != 2 || on[""] != 2 || reason != want {
		t.Errorf("%v, %q", on, reason)
	}
}
