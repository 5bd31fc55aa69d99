package scheduler

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// kept is an app whose web instance keeps its data on host 1.
func kept(list ...Instance) State {
	hs := hosts(3)
	return State{Now: t0, Release: "r1", Wants: web(1), Hosts: hs, Instances: list, DrainLimit: 30 * time.Second,
		Volumes: map[Kind][]Volume{
			{"r1", "web"}: {{ID: "v", Name: "data", Host: "h1", HostName: "host-1"}},
			{"r2", "web"}: {{ID: "v", Name: "data", Host: "h1", HostName: "host-1"}},
		}}
}

func TestVolumePinsAndStopsFirst(t *testing.T) {
	up := at("h1", inst("a", "r1", 1, Up))
	draining := up
	draining.State, draining.Quiet = Draining, true
	crashedNew := at("h1", inst("b", "r2", 1, Crashed))
	cases := []struct {
		name   string
		change func(s *State)
		want   string
	}{
		{"the first one goes where the data is", func(s *State) { s.Instances = nil }, "start web.1 of r1"},
		{"a new release first stops the old one", func(s *State) { s.Release, s.Rolling = "r2", true }, "drain a"},
		{"and waits until it is gone", func(s *State) { s.Release, s.Rolling, s.Instances = "r2", true, []Instance{draining} }, "stop a"},
		{"a restart is stop-first too", func(s *State) { s.Instances[0].Replace = true }, "drain a"},
		{"more than one is never started", func(s *State) { s.Wants = web(3) }, ""},
		{"none is wanted", func(s *State) { s.Wants = web(0) }, "drain a"},
		{"a drained host keeps it", func(s *State) { s.Hosts[1].Draining = true }, ""},
		{"a failed release is left to the deploy", func(s *State) { s.Release, s.Rolling, s.Instances = "r2", true, []Instance{crashedNew} }, ""},
		{"after it the old release starts again", func(s *State) { s.Instances = []Instance{crashedNew} }, "start web.1 of r1, drop b"},
		{"one that got a volume starts first", func(s *State) { delete(s.Volumes, Kind{"r1", "web"}); s.Release, s.Rolling = "r2", true }, "start web.1 of r2"},
		{"one that lost it, too", func(s *State) { delete(s.Volumes, Kind{"r2", "web"}); s.Release, s.Rolling = "r2", true }, "start web.1 of r2"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s := kept(up)
			c.change(&s)
			d := Plan(s)
			if spell(d.Ops) != c.want {
				t.Errorf("%s, want %s", spell(d.Ops), c.want)
			}
			for _, op := range d.Ops {
				if op.Kind == OpStart && s.Volumes[Kind{op.Release, "web"}] != nil && op.Host != "h1" {
					t.Errorf("started on %q (%s)", op.Host, op.Reason)
				}
			}
		})
	}
}

// An instance whose host is lost waits for it, and says so.
func TestVolumeWaitsForItsHost(t *testing.T) {
	s := kept(at("h1", inst("a", "r1", 1, Up)))
	s.Hosts[1].Lost = true
	d := Plan(s)
	if len(d.Ops) != 1 || d.Ops[0].Replaces != "a" || d.Ops[0].Host != "" || d.Ops[0].Reason != "the data of volume data is on host-1, and that host is lost" {
		t.Fatalf("%+v", d.Ops)
	}
	waits := inst("b", "r1", 1, Pending)
	waits.Host, waits.Reason = "", d.Ops[0].Reason
	s.Instances = []Instance{waits}
	if got := words(Explain(s, "b")); strings.Join(got, ", ") != "host-0 has not the data of volume data, which is on host-1, host-1 is lost, host-2 has not the data of volume data, which is on host-1" {
		t.Errorf("%q", got)
	}
	if d := Plan(s); len(d.Ops) != 0 {
		t.Errorf("%s", spell(d.Ops))
	}
	s.Hosts[1].Lost = false
	if d := Plan(s); len(d.Ops) != 1 || d.Ops[0].Host != "h1" {
		t.Errorf("%+v", d.Ops)
	}
	s.Volumes[Kind{"r1", "web"}][0].Host = ""
	if d := Plan(s); len(d.Ops) != 1 || d.Ops[0].Reason != "the data of volume data was on a host that was removed" {
		t.Errorf("%+v", d.Ops)
	}
}

// The old one is not stopped for a new one that has no place.
func TestVolumeStopsOnlyForWhatFits(t *testing.T) {
	s := kept(at("h1", inst("a", "r1", 1, Up)))
	s.Release, s.Rolling = "r2", true
	s.Hosts[1].UsedMemory = s.Hosts[1].Memory
	if d := Plan(s); spell(d.Ops) != "drain a" {
		t.Errorf("in its own place it fits: %s", spell(d.Ops))
	}
	s.Wants[0].Memory = 2 << 30
	want := "the data of volume data is on host-1, and that host has 512 MB of memory free, needs 2048 MB"
	d := Plan(s)
	if len(d.Ops) != 1 || d.Ops[0].Kind != OpStart || d.Ops[0].Host != "" || d.Ops[0].Reason != want {
		t.Errorf("%+v", d.Ops)
	}
}

// What a driver brings anywhere moves with the instance, but not away from a
// lost host on which it may still be written.
func TestDriverVolumeMoves(t *testing.T) {
	s := kept(at("h1", inst("a", "r1", 1, Up)))
	for k := range s.Volumes {
		s.Volumes[k] = []Volume{{ID: "v", Name: "data", Driver: true}}
	}
	s.Hosts[1].Draining = true
	if d := Plan(s); spell(d.Ops) != "drain a" {
		t.Errorf("%s", spell(d.Ops))
	}
	s.Hosts[1].Draining, s.Hosts[1].Lost = false, true
	d := Plan(s)
	if len(d.Ops) != 1 || d.Ops[0].Beside != "a" || d.Ops[0].Host != "" || !strings.Contains(d.Ops[0].Reason, "paas hosts:remove host-1 --force") {
		t.Errorf("%+v", d.Ops)
	}
}

func TestHomePrefersWhereTheAppHasVolumes(t *testing.T) {
	s := kept()
	for i := range s.Hosts {
		s.Hosts[i].Stocked, s.Hosts[i].DiskTotal, s.Hosts[i].DiskFree = i != 0, 20<<30, int64(5+i)<<30
	}
	if h, _ := Home(s, 1<<30, ""); h == nil || h.ID != "h1" {
		t.Errorf("%+v", h)
	}
	s.Hosts[1].Cordoned = true
	if h, _ := Home(s, 1<<30, ""); h == nil || h.ID != "h2" {
		t.Errorf("%+v", h)
	}
	for only, want := range map[string]string{"host-2": "", "h2": "", "host-1": "host-1 is cordoned", "host-0": "host-0 has not told what disk it has"} {
		if h, why := Home(s, 1<<30, only); strings.Join(words(why), ", ") != want && want != "" || (h != nil) != (want == "") {
			t.Errorf("only %s: %+v %+v", only, h, why)
		}
	}
	if h, why := Home(s, 1<<30, "host-9"); h != nil || len(why) != 0 {
		t.Errorf("%+v %+v", h, why)
	}
	s.Hosts[2].DiskFree = 1 << 29
	if _, why := Home(s, 1<<20, "h2"); why[0].Why != "has 512 MB of disk free, too little for a volume" {
		t.Errorf("%+v", why)
	}
	s.Hosts[2].DiskFree = 7 << 30
	h, why := Home(s, 10<<30, "")
	if got := strings.Join(words(why), ", "); h != nil || got != "host-0 has not told what disk it has, host-1 is cordoned, host-2 has 7168 MB of disk free, needs 10240 MB" {
		t.Errorf("%+v %s", h, got)
	}
}

// Whatever happens, no two instances have one volume at a time, none is where
// its data is not, and when all is calm the one that is wanted runs.
func TestPlanPropertyVolumesHaveOneWriter(t *testing.T) {
	for seed := range uint64(300) {
		rnd := rand.New(rand.NewPCG(seed, 11))
		w := &world{rnd: rnd, s: State{Now: t0, Release: "r1", Rolling: true, Hosts: fleetOf(3 + rnd.IntN(20)), DrainLimit: 30 * time.Second,
			Wants: append(web(1+rnd.IntN(4)), Want{Type: "db", Quantity: 1, MilliCPU: 100, Memory: 512 << 20}, Want{Type: "lake", Quantity: 1, MilliCPU: 100, Memory: 512 << 20})}}
		w.s.Volumes = map[Kind][]Volume{}
		for n := 1; n <= 4; n++ {
			r := fmt.Sprint("r", n)
			w.s.Volumes[Kind{r, []string{"db", "web"}[rnd.IntN(2)]}] = []Volume{{ID: "v", Name: "data", Host: "h0", HostName: "host-0"}}
			if rnd.IntN(3) > 0 {
				w.s.Volumes[Kind{r, "lake"}] = []Volume{{ID: "l", Name: "lake", Driver: true}}
			}
		}
		for n := range 160 {
			if n < 100 {
				w.shakeVolumes()
			}
			w.plan(t)
			w.oneWriter(t, seed)
			w.step(n < 100)
		}
		w.s.Rolling, w.s.Placement = false, Placement{}
		for i := range w.s.Hosts {
			h := &w.s.Hosts[i]
			h.Memory, h.Lost, h.Cordoned, h.Settling, h.Draining, h.DiskTotal = 64<<30, false, false, false, false, 0
		}
		w.calm(t)
		w.oneWriter(t, seed)
		if d := Plan(w.s); len(d.Ops) > 0 {
			t.Fatalf("seed %d does not rest: %s", seed, spell(d.Ops))
		}
		for _, want := range w.s.Wants {
			n := want.Quantity
			if len(w.s.Volumes[Kind{w.s.Release, want.Type}]) > 0 {
				n = min(n, 1)
			}
			for _, in := range w.s.Instances {
				if in.Type == want.Type && in.State == Up && in.Release == w.s.Release {
					n--
				}
			}
			if n != 0 {
				t.Fatalf("seed %d: %d of %s missing: %+v", seed, n, want.Type, w.s.Instances)
			}
		}
	}
}

func (w *world) shakeVolumes() {
	h := &w.s.Hosts[w.rnd.IntN(len(w.s.Hosts))]
	switch w.rnd.IntN(40) {
	case 0:
		w.s.Release, w.s.Rolling = fmt.Sprint("r", 1+w.rnd.IntN(4)), true
	case 1:
		w.s.Rolling = false
	case 2:
		w.s.Wants[0].Quantity = w.rnd.IntN(4)
	case 3:
		w.s.Wants[1].Quantity = w.rnd.IntN(2)
	case 4:
		h.DiskTotal, h.DiskFree = 100<<30, int64(w.rnd.IntN(10))<<30
	case 5:
		for i := range w.s.Instances {
			in := &w.s.Instances[i]
			in.Replace = in.Replace || in.State != Draining && in.State != Stopping
		}
	case 6, 7, 8:
		w.shakeHost()
	}
}

func (w *world) oneWriter(t *testing.T, seed uint64) {
	t.Helper()
	writer := map[string]string{}
	for i := range w.s.Instances {
		in := &w.s.Instances[i]
		if in.State == Pending || in.State == Crashed {
			continue
		}
		for _, v := range w.s.Volumes[Kind{in.Release, in.Type}] {
			if writer[v.ID] != "" {
				t.Fatalf("seed %d: %s and %s have volume %s: %+v", seed, writer[v.ID], in.ID, v.Name, w.s.Instances)
			}
			writer[v.ID] = in.ID
			if !v.Driver && in.Host != v.Host {
				t.Fatalf("seed %d: %+v is not where its data is", seed, *in)
			}
		}
	}
}
