package scheduler

import (
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
	want := "no host has room: host-0 has 100 MB of memory free, needs 512 MB; host-1 is arm64, the image is amd64"
	if d.Ops[0].Host != "" || d.Ops[0].Reason != want {
		t.Errorf("reason %q, want %q", d.Ops[0].Reason, want)
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
