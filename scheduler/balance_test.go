package scheduler

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// grid is n empty hosts of 1000 MB with a zone each of two.
func grid(n int) []Host {
	hosts := make([]Host, n)
	for i := range hosts {
		hosts[i] = Host{ID: fmt.Sprint("h", i+1), Name: fmt.Sprint("host-", i+1), MilliCPU: 100_000, Memory: 1000, Labels: map[string]string{"zone": string(rune('a' + i%2))}}
	}
	return hosts
}

// put has an app at rest with web instances on hosts, 100 MB each.
func put(hosts []Host, app string, on ...string) State {
	s := State{Release: "r-" + app, Wants: []Want{{Type: "web", Quantity: len(on), Memory: 100, Routed: true}}}
	for i, id := range on {
		s.Instances = append(s.Instances, Instance{ID: fmt.Sprint(app, i+1), Release: s.Release, Type: "web", Ordinal: i + 1, Host: id, State: Up, Memory: 100})
		for j := range hosts {
			if hosts[j].ID == id {
				hosts[j].UsedMemory += 100
			}
		}
	}
	return s
}

func said(moves []Move) string {
	var words []string
	for _, m := range moves {
		words = append(words, m.Instance+":"+m.From+">"+m.To)
	}
	return strings.Join(words, " ")
}

func TestBalance(t *testing.T) {
	for name, c := range map[string]struct {
		hosts  int
		change func([]Host, []State)
		on     [][]string // by app
		want   string
	}{
		"even":                    {3, nil, [][]string{{"h1", "h2", "h3"}}, ""},
		"nearly even":             {3, nil, [][]string{{"h1", "h2"}, {"h1"}}, "a1:h1>h3"},
		"one has all of a type":   {3, nil, [][]string{{"h1", "h1", "h1"}}, "a1:h1>h2 a2:h1>h3"},
		"one is full":             {2, nil, [][]string{{"h1"}, {"h1"}, {"h1"}, {"h1"}}, "a1:h1>h2 b1:h1>h2"},
		"none to go to":           {2, func(h []Host, _ []State) { h[1].Cordoned = true }, [][]string{{"h1", "h1"}}, ""},
		"cordoned stays":          {2, func(h []Host, _ []State) { h[0].Cordoned = true }, [][]string{{"h1", "h1"}}, ""},
		"no room there":           {2, func(h []Host, _ []State) { h[1].Memory = 50 }, [][]string{{"h1", "h1"}}, ""},
		"constraints":             {2, func(_ []Host, s []State) { s[0].Placement.Constraints = []Constraint{{Label: "zone", Value: "a"}} }, [][]string{{"h1", "h1"}}, ""},
		"over zones":              {4, func(_ []Host, s []State) { s[0].Placement.Spread = "zone" }, [][]string{{"h1", "h3"}}, "a1:h1>h2"},
		"rolling is left alone":   {2, func(_ []Host, s []State) { s[0].Rolling = true }, [][]string{{"h1", "h1"}}, ""},
		"starting is left alone":  {2, func(_ []Host, s []State) { s[0].Instances[0].State = Starting }, [][]string{{"h1", "h1"}}, ""},
		"one-offs are left alone": {2, func(_ []Host, s []State) { s[0].Instances[0].OneOff = true }, [][]string{{"h1"}}, ""},
	} {
		hosts := grid(c.hosts)
		var states []State
		for i, on := range c.on {
			states = append(states, put(hosts, string(rune('a'+i)), on...))
		}
		if c.change != nil {
			c.change(hosts, states)
		}
		moves, _ := Balance(states, hosts, 0, 100)
		if got := said(moves); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
		for _, m := range moves {
			if m.Why == "" {
				t.Errorf("%s: %+v says not why", name, m)
			}
		}
	}
	hosts := grid(3)
	one := []State{put(hosts, "a", "h1", "h1", "h1", "h1", "h1", "h1")}
	if got, cut := Balance(one, hosts, 0, 2); len(got) != 2 || cut {
		t.Errorf("bounded: %v", got)
	}
	if got, _ := Balance(one, hosts, 0, 1); got[0].Why != "6 web dynos are on host-1, 0 on host-2" || hosts[0].UsedMemory != 600 || one[0].Instances[0].Host != "h1" {
		t.Errorf("%+v; hosts %+v", got, hosts)
	}
}

// Whatever there is, a plan ends, each of its moves goes where a real plan puts
// the instance, nothing is worse spread after it, and a second plan has nothing to do.
func TestBalanceSettles(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		hosts := grid(2 + r.IntN(6))
		var states []State
		for i := range 1 + r.IntN(6) {
			on := make([]string, 1+r.IntN(6))
			for j := range on {
				on[j] = hosts[r.IntN(len(hosts))].ID
			}
			s := put(hosts, string(rune('a'+i)), on...)
			if r.IntN(3) == 0 {
				s.Placement.Spread = "zone"
			}
			states = append(states, s)
		}
		for step := 0; ; step++ {
			if step > 100 {
				t.Fatalf("seed %d does not settle", seed)
			}
			moves, _ := Balance(states, hosts, 0, 1)
			if len(moves) == 0 {
				break
			}
			follow(t, seed, states, hosts, moves[0])
		}
	}
}

// follow does a move as the planner does it.
func follow(t *testing.T, seed uint64, states []State, hosts []Host, m Move) {
	t.Helper()
	s := states[m.State]
	s.Hosts = hosts
	for i := range s.Instances {
		in := &s.Instances[i]
		if in.ID != m.Instance {
			continue
		}
		in.Replace = true
		ops := Plan(s).Ops
		if len(ops) != 1 || ops[0].Kind != OpStart || ops[0].Host != m.To {
			t.Fatalf("seed %d: %+v, and the plan is %+v", seed, m, ops)
		}
		in.Replace, in.Host = false, m.To
	}
	for i := range hosts {
		switch hosts[i].ID {
		case m.From:
			hosts[i].UsedMemory -= 100
		case m.To:
			hosts[i].UsedMemory += 100
		}
	}
}

// When so many cannot move that a plan ends before the others are looked at, it
// says so, and one that begins elsewhere finds them.
func TestBalanceIsCut(t *testing.T) {
	hosts := grid(2)
	hosts[0].Memory, hosts[1].Memory = 1_000_000, 1_000_000
	var states []State
	for i := range mostTried {
		s := put(hosts, fmt.Sprint("stuck", i), "h1")
		s.Placement.Constraints = []Constraint{{Label: "zone", Value: "a"}}
		states = append(states, s)
	}
	states = append(states, put(hosts, "free", "h1", "h1"))
	if moves, cut := Balance(states, hosts, 0, 1); len(moves) > 0 || !cut {
		t.Errorf("from the first: %v, cut %v", moves, cut)
	}
	if moves, _ := Balance(states, hosts, mostTried, 1); said(moves) != "free1:h1>h2" {
		t.Errorf("from the last: %v", moves)
	}
}
