package scheduler

import (
	"fmt"
	"testing"
	"time"
)

// fleet is n hosts in ten zones, filled to different degrees.
func fleet(n int) []Host {
	hs := hosts(n)
	for i := range hs {
		h := &hs[i]
		h.Labels = map[string]string{"zone": fmt.Sprint("z", i%10)}
		h.UsedMemory, h.UsedMilliCPU, h.Instances = int64(i%40)<<29, int64(i%40)*100, i%40
	}
	return hs
}

// running is an app of n instances that are up, one a host.
func running(n int, hs []Host) State {
	s := State{Now: t0, Release: "r1", Arch: "amd64", Wants: web(n), Hosts: hs, DrainLimit: 30 * time.Second}
	for i := range n {
		in := inst(fmt.Sprint("i", i), "r1", i+1, Up)
		in.Host, in.UpAt = hs[i%len(hs)].ID, t0
		s.Instances = append(s.Instances, in)
	}
	return s
}

func benchPlan(b *testing.B, s State, ops int) {
	b.Helper()
	b.ReportAllocs()
	for b.Loop() {
		if d := Plan(s); len(d.Ops) != ops {
			b.Fatalf("%d operations, want %d", len(d.Ops), ops)
		}
	}
	if ops > 0 {
		b.ReportMetric(float64(ops)*float64(b.N)/b.Elapsed().Seconds(), "ops/s")
	}
}

func BenchmarkPlanFirst(b *testing.B) {
	for _, n := range []int{1, 40, 1000} {
		s := running(n, fleet(5000))
		s.Instances = nil
		b.Run(fmt.Sprint(n), func(b *testing.B) { benchPlan(b, s, n) })
	}
}

func BenchmarkPlanNothingToDo(b *testing.B) {
	for _, n := range []int{40, 1000} {
		s := running(n, fleet(5000))
		b.Run(fmt.Sprint(n), func(b *testing.B) { benchPlan(b, s, 0) })
	}
}

func BenchmarkPlanNoRoom(b *testing.B) {
	for _, n := range []int{40, 1000} {
		s := running(n, fleet(5000))
		s.Instances = nil
		for i := range s.Hosts {
			s.Hosts[i].UsedMemory = s.Hosts[i].Memory
		}
		b.Run(fmt.Sprint(n), func(b *testing.B) { benchPlan(b, s, n) })
	}
}

// The loss of a host with 40 instances of one app, and of 40 apps.
func BenchmarkPlanLoss(b *testing.B) {
	s := running(1000, fleet(5000))
	s.Hosts[0].Lost = true
	for i := range 40 {
		s.Instances[i].Host = s.Hosts[0].ID
	}
	b.Run("OneApp", func(b *testing.B) { benchPlan(b, s, 40) })
	one := running(40, s.Hosts)
	b.Run("FortyApps", func(b *testing.B) {
		for b.Loop() {
			for range 40 {
				if d := Plan(one); len(d.Ops) != 1 {
					b.Fatalf("%d operations", len(d.Ops))
				}
			}
		}
	})
}

func BenchmarkPlanSpread(b *testing.B) {
	s := running(1000, fleet(5000))
	s.Instances = nil
	s.Placement = Placement{Spread: "zone", Unique: true, Constraints: []Constraint{{Label: "zone", Value: "z3", Not: true}}}
	benchPlan(b, s, 1000)
}
