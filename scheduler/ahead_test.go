package scheduler

import (
	"fmt"
	"slices"
	"testing"
)

// onHosts is an app with one instance of r1 on each of the hosts, all up.
func onHosts(n int, hs []Host) State {
	s := State{Now: t0, Release: "r1", Image: "r1-image", Arch: "amd64", Wants: web(n), Hosts: hs}
	for i := range n {
		s.Instances = append(s.Instances, imaged(hs[i].ID, inst(fmt.Sprint("i", i), "r1", i+1, Up)))
	}
	return s
}

// The hosts that are told of the next image are those that the plan takes once
// it is released.
func TestAheadIsWhereThePlanPlaces(t *testing.T) {
	next := Picture{Release: "r2", Image: "r2-image", Arch: "amd64", Size: 100 << 20}
	for seed := range 200 {
		hs := zoned(6)
		for i := range hs {
			hs[i].UsedMemory = int64((seed*7+i*13)%40) << 30
		}
		s := onHosts(1+seed%4, hs)
		if seed%2 == 0 {
			s.Placement.Spread = "zone"
		}
		told := Ahead(s, next)
		w := &world{s: s}
		w.s.Release, w.s.Image, w.s.Rolling = next.Release, next.Image, true
		for _, op := range Plan(w.s).Ops {
			if op.Kind == OpStart && !slices.Contains(told, op.Host) {
				t.Fatalf("seed %d: starts on %s, told were %v", seed, op.Host, told)
			}
		}
	}
}

func TestAheadLeavesOut(t *testing.T) {
	next := Picture{Release: "r2", Image: "r2-image", Arch: "amd64", Size: 1 << 30}
	hs := hosts(3)
	s := onHosts(3, hs)
	s.Placement.Unique = true
	expect := func(what, want string, s State, next Picture) {
		t.Helper()
		if got := fmt.Sprint(Ahead(s, next)); got != want {
			t.Errorf("%s: %s, want %s", what, got, want)
		}
	}
	expect("all three", "[h0 h1 h2]", s, next)
	had := s
	had.Instances = append([]Instance{imaged("h1", once("o", "r2", Up))}, s.Instances...)
	expect("who has it", "[h0 h2]", had, next)
	small := s
	small.Hosts = hosts(3)
	small.Hosts[0].DiskTotal, small.Hosts[0].DiskFree = 100<<30, 8<<30
	expect("whose disk would be nearly full", "[h1 h2]", small, next)
	full := s
	full.Hosts = hosts(3)
	for i := range full.Hosts {
		full.Hosts[i].Memory = 512 << 20
		full.Hosts[i].UsedMemory = 512 << 20
	}
	expect("without room the places of the old ones", "[h0 h1 h2]", full, next)
	arm := next
	arm.Arch = "arm64"
	first := State{Now: t0, Wants: web(2), Hosts: hs}
	expect("a first deploy", "[h0 h1]", first, next)
	expect("no host can run it", "[]", first, arm)
}

func TestSpares(t *testing.T) {
	expect := func(what string, got, want []string) {
		t.Helper()
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", what, got, want)
		}
	}
	expect("one dyno has none", Spares(ptr(onHosts(1, hosts(3))), 0, nil), nil)
	expect("the third of three", Spares(ptr(onHosts(2, hosts(3))), 0, nil), []string{"h2"})
	expect("all hosts run it", Spares(ptr(onHosts(3, hosts(3))), 0, nil), nil)

	s := onHosts(2, hosts(9))
	first := Spares(&s, 0, nil)
	if len(first) != 1 {
		t.Fatal(first)
	}
	s.Release = "r9" // would draw another lot
	expect("it stays", Spares(&s, 0, first), first)
	i := slices.IndexFunc(s.Hosts, func(h Host) bool { return h.ID == first[0] })
	for what, change := range map[string]func(h *Host){
		"lost": func(h *Host) { h.Lost = true }, "cordoned": func(h *Host) { h.Cordoned = true }, "other machine": func(h *Host) { h.Arch = "arm64" },
		"no memory": func(h *Host) { h.UsedMemory = h.Memory }, "no disk": func(h *Host) { h.DiskTotal, h.DiskFree = 100<<30, 10<<30 },
	} {
		t.Run(what, func(t *testing.T) {
			s.Hosts = hosts(9)
			change(&s.Hosts[i])
			got := Spares(&s, 2<<30, first)
			if len(got) != 1 || got[0] == first[0] || got[0] == "h0" || got[0] == "h1" {
				t.Errorf("%v after %v", got, first)
			}
		})
	}
}

func ptr[T any](v T) *T { return &v }

// Apps do not all have the same spare, and with a label to spread over there is
// one of each value, since the dynos of a lost host stay within it.
func TestSparesAreSpread(t *testing.T) {
	seen := map[string]bool{}
	for i := range 100 {
		s := onHosts(2, hosts(9))
		s.Release = fmt.Sprint("release-", i)
		seen[Spares(&s, 0, nil)[0]] = true
	}
	if len(seen) != 7 {
		t.Errorf("a hundred apps have %d of 7 hosts", len(seen))
	}
	s := onHosts(0, zoned(8))
	s.Wants, s.Placement.Spread = web(2), "zone"
	s.Instances = []Instance{imaged("h0", inst("a", "r1", 1, Up)), imaged("h7", inst("b", "r1", 2, Up))}
	spares := Spares(&s, 0, nil)
	if len(spares) != 2 {
		t.Fatal(spares)
	}
	// The host of either is lost: its place is that zone's spare.
	for i, host := range []string{"h0", "h7"} {
		lost := s
		lost.Hosts = slices.Clone(s.Hosts)
		lost.Fetched = spares
		for n := range lost.Hosts {
			lost.Hosts[n].Lost = lost.Hosts[n].ID == host
		}
		ops := Plan(lost).Ops
		if len(ops) != 1 || ops[0].Host != spares[i] {
			t.Errorf("%s is lost: %v, spares %v", host, ops, spares)
		}
	}
}

// What is kept costs little to look at, for every app that is looked at anew.
func BenchmarkSpares(b *testing.B) {
	hs := hosts(5000)
	s := onHosts(40, hs)
	for b.Loop() {
		if len(Spares(&s, 0, nil)) != 1 {
			b.Fatal()
		}
	}
}
