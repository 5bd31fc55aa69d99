package scheduler

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

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
	want := "no host takes it: host-0 has 100 MB of memory free, needs 512 MB; host-1 is arm64, the image is amd64"
	if d.Ops[0].Host != "" || d.Ops[0].Reason != want {
		t.Errorf("reason %q, want %q", d.Ops[0].Reason, want)
	}
}

// An image is placed where it runs: one for a single architecture on hosts of
// that, one for several on any of them; each other host says why not.
func TestPlacementFollowsTheImagesArchitecture(t *testing.T) {
	hs := hosts(3)
	hs[1].Arch, hs[2].Arch = "arm64", "riscv64"
	for arch, want := range map[string]string{
		"amd64":       "h0: ; h1: is arm64, the image is amd64; h2: is riscv64, the image is amd64",
		"arm64":       "h0: is amd64, the image is arm64; h1: ; h2: is riscv64, the image is arm64",
		"amd64,arm64": "h0: ; h1: ; h2: is riscv64, the image is amd64 and arm64",
		"ppc64le":     "h0: is amd64, the image is ppc64le; h1: is arm64, the image is ppc64le; h2: is riscv64, the image is ppc64le",
		"":            "h0: ; h1: ; h2: ",
	} {
		waits := inst("i", "r1", 1, Pending)
		waits.Host = ""
		s := State{Now: t0, Release: "r1", Arch: arch, Wants: web(1), Hosts: hs, Instances: []Instance{waits}}
		var got []string
		for _, r := range Explain(s, "i") {
			got = append(got, r.HostID+": "+r.Why)
		}
		if text := strings.Join(got, "; "); text != want {
			t.Errorf("%q: %q, want %q", arch, text, want)
		}
		for _, op := range Plan(s).Ops {
			if (op.Host == "") != (arch == "ppc64le") {
				t.Errorf("%q: %+v", arch, op)
			}
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

// zoned is n hosts: the first half in zone a, the others in zone b.
func zoned(n int) []Host {
	hs := hosts(n)
	for i := range hs {
		hs[i].Labels = map[string]string{"zone": "a"}
		if i >= n/2 {
			hs[i].Labels["zone"] = "b"
		}
	}
	return hs
}

// placed counts by host what a plan starts.
func placed(s State) map[string]int {
	on := map[string]int{}
	for _, op := range Plan(s).Ops {
		if op.Kind == OpStart {
			on[op.Host]++
		}
	}
	return on
}

func TestPlacementHonoursLabels(t *testing.T) {
	hs := zoned(4)
	hs[1].Labels["disk"] = "slow"
	hs[3].Labels = nil
	zoneA := Constraint{Label: "zone", Value: "a"}
	notSlow := Constraint{Label: "disk", Value: "slow", Not: true}
	cases := []struct {
		name string
		p    Placement
		want map[string]int
	}{
		{"anywhere", Placement{}, map[string]int{"h0": 2, "h1": 2, "h2": 2, "h3": 2}},
		{"in a zone", Placement{Constraints: []Constraint{zoneA}}, map[string]int{"h0": 4, "h1": 4}},
		{"not on a slow disk, nor is one without a label that", Placement{Constraints: []Constraint{notSlow}}, map[string]int{"h0": 3, "h2": 3, "h3": 2}},
		{"both", Placement{Constraints: []Constraint{zoneA, notSlow}}, map[string]int{"h0": 8}},
		{"over zones; none is one too", Placement{Spread: "zone"}, map[string]int{"h0": 2, "h1": 1, "h2": 3, "h3": 2}},
		{"one a host", Placement{Unique: true}, map[string]int{"h0": 1, "h1": 1, "h2": 1, "h3": 1, "": 4}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got := placed(State{Now: t0, Release: "r1", Wants: web(8), Hosts: hs, Placement: c.p})
			if fmt.Sprint(got) != fmt.Sprint(c.want) {
				t.Errorf("%v, want %v", got, c.want)
			}
		})
	}
}

// The label to spread over goes before the number on each host and how full
// it is, and counts what is there already.
func TestSpreadComesFirst(t *testing.T) {
	hs := zoned(4)
	hs[2].UsedMemory, hs[3].UsedMemory = 32<<30, 40<<30
	s := State{Now: t0, Release: "r1", Wants: web(3), Hosts: hs, Placement: Placement{Spread: "zone"},
		Instances: []Instance{inst("a", "r1", 1, Up)}}
	if got := placed(s); fmt.Sprint(got) != "map[h1:1 h2:1]" {
		t.Errorf("%v", got)
	}
}

// The emptier host, also where the product of two sizes does not fit 64 bits.
func TestPlacementPrefersTheEmptier(t *testing.T) {
	hs := hosts(3)
	hs[0].UsedMemory, hs[1].UsedMemory, hs[2].UsedMemory = 40<<30, 30<<30, 50<<30
	if got := placed(State{Now: t0, Release: "r1", Wants: web(1), Hosts: hs}); got["h1"] != 1 {
		t.Errorf("%v", got)
	}
}

// A new release finds room beside the old one, and a restarted instance
// beside its successor, also with one a host.
func TestUniqueIsAmongThoseThatStay(t *testing.T) {
	p := Placement{Unique: true}
	s := State{Now: t0, Release: "r2", Rolling: true, Wants: web(1), Hosts: hosts(1), Placement: p, Instances: []Instance{inst("a", "r1", 1, Up)}}
	if d := Plan(s); spell(d.Ops) != "start web.1 of r2" || d.Ops[0].Host != "h0" {
		t.Errorf("%+v", d.Ops)
	}
	s.Release, s.Instances[0] = "r1", replaced(s.Instances[0])
	if d := Plan(s); spell(d.Ops) != "start web.1 of r1" || d.Ops[0].Host != "h0" {
		t.Errorf("%+v", d.Ops)
	}
}

// One that is surplus leaves when the last one wanted is up, so that one must
// have room beside it.
func TestUniqueFindsRoomBesideASurplusOne(t *testing.T) {
	s := State{Now: t0, Release: "r1", Wants: web(1), Hosts: hosts(1), Placement: Placement{Unique: true}, Instances: []Instance{inst("a", "r1", 2, Up)}}
	if d := Plan(s); spell(d.Ops) != "start web.1 of r1" || d.Ops[0].Host != "h0" {
		t.Errorf("%+v", d.Ops)
	}
}

// Where the rules of an app changed, instances move start-first.
func TestChangedPlacementMovesInstances(t *testing.T) {
	hs := zoned(2)
	s := State{Now: t0, Release: "r1", Wants: web(2), Hosts: hs, Instances: []Instance{inst("a", "r1", 1, Up), inst("b", "r1", 2, Up)}}
	for _, c := range []struct {
		p    Placement
		want string
	}{
		{Placement{}, ""},
		{Placement{Spread: "zone"}, ""},
		{Placement{Unique: true}, "start web.2 of r1 beside b"},
		{Placement{Constraints: []Constraint{{Label: "zone", Value: "a"}}}, ""},
		{Placement{Constraints: []Constraint{{Label: "zone", Value: "b"}}}, "start web.1 of r1 beside a"},
	} {
		s.Placement = c.p
		d := Plan(s)
		if spell(d.Ops) != c.want || c.want != "" && d.Ops[0].Host != "h1" {
			t.Errorf("%+v: %+v, want %q", c.p, d.Ops, c.want)
		}
	}
}

// Explain names every host, where a pending instance's reason only counts.
func TestExplainNamesEveryHost(t *testing.T) {
	hs := zoned(9)
	hs[0].Lost, hs[1].Draining, hs[2].Cordoned, hs[3].Settling = true, true, true, true
	hs[4].Arch, hs[5].Labels, hs[7].UsedMilliCPU = "arm64", nil, 64000
	hs[8].UsedMemory = 64 << 30
	waits := inst("b", "r1", 2, Pending)
	waits.Host = ""
	s := State{Now: t0, Release: "r1", Arch: "amd64", Wants: web(2), Hosts: hs,
		Placement: Placement{Unique: true, Constraints: []Constraint{{Label: "zone", Value: "c", Not: true}, {Label: "zone", Value: "b"}}},
		Instances: []Instance{at("h6", inst("a", "r1", 1, Up)), waits}}
	hs[0].Labels["zone"] = "b"
	want := []string{"host-0 is lost", "host-1 is being drained", "host-2 is cordoned", "host-3 was lost not long ago and takes nothing new yet",
		"host-4 is arm64, the image is amd64", "host-5 has no label zone, the app asks for zone=b", "host-6 has a web already, the app asks for one a host",
		"host-7 has 0.00 of 64.00 CPU free, needs 0.10", "host-8 has 0 MB of memory free, needs 512 MB"}
	if got := words(Explain(s, "b")); !slices.Equal(got, want) {
		t.Errorf("pending: %q", got)
	}
	want[6] = "host-6 "
	if got := words(Explain(s, "a")); !slices.Equal(got, want) {
		t.Errorf("placed: %q", got)
	}
	if got := Explain(s, "z"); got != nil {
		t.Errorf("of none: %v", got)
	}
	reason := "no host takes it: of 9 hosts, 1 lost, 1 being drained, 1 cordoned, 1 lost not long ago, 1 of another architecture than the image, " +
		"1 without the labels that the app asks for, 1 with one already, 1 with too little memory free, 1 with too little CPU free"
	if d := Plan(s); len(d.Ops) != 1 || d.Ops[0].Reason != reason {
		t.Errorf("%+v", d.Ops)
	}
}

func words(list []Refusal) (out []string) {
	for _, r := range list {
		out = append(out, r.Host+" "+r.Why)
	}
	return out
}

// An instance's own share of its host does not speak against that host.
func TestExplainTakesAnInstanceOffItsHost(t *testing.T) {
	hs := hosts(2)
	hs[0].UsedMemory, hs[1].UsedMemory = 64<<30, 64<<30
	for _, in := range []Instance{inst("a", "r1", 1, Up), once("a", "r1", Up)} {
		list := Explain(State{Release: "r1", Wants: web(1), Hosts: hs, Instances: []Instance{in}}, "a")
		if list[0].Why != "" || !strings.Contains(list[1].Why, "0 MB of memory free") {
			t.Errorf("%+v", list)
		}
	}
}

func TestNoHosts(t *testing.T) {
	if d := Plan(State{Now: t0, Release: "r1", Wants: web(1)}); len(d.Ops) != 1 || d.Ops[0].Reason != "there is no host" {
		t.Errorf("%+v", d.Ops)
	}
}

// Equal snapshots give equal plans.
func TestPlanIsDeterministic(t *testing.T) {
	hs := fleet(300)
	hs[0].Lost, hs[1].Draining = true, true
	s := running(400, hs)
	s.Wants[0].Quantity, s.Placement.Spread = 700, "zone"
	want := fmt.Sprint(Plan(s))
	for range 20 {
		if got := fmt.Sprint(Plan(s)); got != want {
			t.Fatalf("%s\nthen\n%s", want, got)
		}
	}
}
