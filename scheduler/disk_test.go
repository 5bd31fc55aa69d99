package scheduler

import (
	"strings"
	"testing"
)

func TestDiskLevel(t *testing.T) {
	for _, c := range []struct {
		free, total int64
		want        DiskLevel
	}{{0, 0, DiskEnough}, {1<<30 - 1, 10 << 30, DiskFull}, {1 << 30, 10 << 30, DiskEnough}, {4 << 30, 100 << 30, DiskLow}, {6 << 30, 100 << 30, DiskEnough}, {11 << 30, 4 << 40, DiskEnough}, {9 << 30, 4 << 40, DiskLow}} {
		h := Host{DiskFree: c.free, DiskTotal: c.total}
		if got := h.DiskLevel(); got != c.want {
			t.Errorf("%d of %d free: %d, want %d", c.free, c.total, got, c.want)
		}
	}
}

// full gives hosts hardly any disk.
func full(list ...*Host) {
	for _, h := range list {
		h.DiskTotal, h.DiskFree = 20<<30, 1<<29
	}
}

// On the only host there is, everything starts however full its disk is.
func TestFullDiskOfTheOnlyHostRefusesNothing(t *testing.T) {
	pending, crashed := inst("p", "r1", 1, Pending), at("h0", inst("c", "r1", 1, Crashed))
	pending.Host = ""
	for name, list := range map[string][]Instance{"first": nil, "waiting": {pending}, "crashed": {crashed}, "one-off": {once("o", "r1", Pending)}} {
		for _, rolling := range []bool{false, true} {
			if rolling && name == "crashed" {
				continue // the deploy judges it
			}
			s := State{Now: t0, Release: "r1", Rolling: rolling, Wants: web(1), Hosts: hosts(2), Instances: list}
			s.Hosts[1].Lost = true
			full(&s.Hosts[0])
			if d := Plan(s); len(d.Ops) == 0 || d.Ops[len(d.Ops)-1].Host != "h0" {
				t.Errorf("%s: %+v", name, d.Ops)
			}
		}
	}
}

func TestFullDisksRefuseGrowthOnly(t *testing.T) {
	const why = "too little for more dynos than there were"
	up := at("h0", inst("a", "r1", 1, Up))
	crashed := at("h0", inst("c", "r1", 1, Crashed))
	old := up
	old.Release = "r0"
	waits := inst("w", "r1", 2, Pending)
	waits.Host = ""
	back := inst("b", "r1", 1, Pending)
	back.Host = ""
	cases := []struct {
		name    string
		rolling bool
		want    int
		list    []Instance
		refused bool
	}{
		{"the first deploy", true, 1, nil, true},
		{"more than there were", false, 2, []Instance{up}, true},
		{"which waits for that", false, 2, []Instance{up, waits}, true},
		{"what crashed", false, 1, []Instance{crashed}, false},
		{"the next release", true, 1, []Instance{old}, false},
		{"all of it was lost", false, 1, []Instance{back}, false},
		{"a one-off", false, 0, []Instance{once("o", "r1", Pending)}, false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s := State{Now: t0, Release: "r1", Rolling: c.rolling, Wants: web(c.want), Hosts: hosts(2), Instances: c.list}
			full(&s.Hosts[0], &s.Hosts[1])
			d := Plan(s)
			if len(d.Ops) != 1 || (d.Ops[0].Host == "") != c.refused || c.refused && !strings.Contains(d.Ops[0].Reason, why) {
				t.Fatalf("%+v", d.Ops)
			}
			if c.name == "which waits for that" {
				if got := words(Explain(s, "w")); !strings.Contains(strings.Join(got, ", "), why) {
					t.Errorf("%q", got)
				}
			}
			full(&s.Hosts[0])
			s.Hosts[1].DiskFree = 10 << 30
			if d := Plan(s); len(d.Ops) != 1 || d.Ops[0].Host != "h1" {
				t.Errorf("where there is disk: %+v", d.Ops)
			}
		})
	}
}

// A host with little disk takes what no other does, spread or not.
func TestLittleDiskRanksLast(t *testing.T) {
	for _, spread := range []string{"", "zone"} {
		s := State{Now: t0, Release: "r1", Rolling: true, Wants: web(3), Hosts: hosts(2), Placement: Placement{Spread: spread}}
		for i := range s.Hosts {
			s.Hosts[i].Labels = map[string]string{"zone": s.Hosts[i].Name}
		}
		s.Hosts[0].DiskTotal, s.Hosts[0].DiskFree = 100<<30, 4<<30
		s.Hosts[1].UsedMemory = s.Hosts[1].Memory - 2*s.Wants[0].Memory
		got := map[string]int{}
		for _, op := range Plan(s).Ops {
			got[op.Host]++
		}
		if got["h1"] != 2 || got["h0"] != 1 {
			t.Errorf("spread over %q: %v", spread, got)
		}
	}
}
