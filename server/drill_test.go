package server

import (
	"slices"
	"strings"
	"testing"
	"time"

	"paas/router"
	"paas/scheduler"
)

// drilled is an app with two web dynos on two hosts, a worker on the first, and
// a one-off there; small is one with its only dyno there.
func drilled() (hosts []scheduler.Host, shop, small Snapshot) {
	hosts = []scheduler.Host{{ID: "h1", Name: "host-1", MilliCPU: 1000, Memory: 1000, UsedMemory: 400}, {ID: "h2", Name: "host-2", MilliCPU: 1000, Memory: 1000, UsedMemory: 100}}
	shop = Snapshot{App: App{ID: "a", Name: "shop"}, Names: map[string]string{"w1": "web.1", "w2": "web.2", "k1": "worker.1", "r": "run.7"}}
	shop.State = scheduler.State{Release: "r1", Wants: []scheduler.Want{{Type: "web", Quantity: 2, Memory: 100, Routed: true}, {Type: "worker", Quantity: 1, Memory: 100}},
		Instances: []scheduler.Instance{
			{ID: "w1", Release: "r1", Type: "web", Ordinal: 1, Host: "h1", State: scheduler.Up, Memory: 100},
			{ID: "w2", Release: "r1", Type: "web", Ordinal: 2, Host: "h2", State: scheduler.Up, Memory: 100},
			{ID: "k1", Release: "r1", Type: "worker", Ordinal: 1, Host: "h1", State: scheduler.Up, Memory: 100},
			{ID: "r", Release: "r1", Type: "run", Ordinal: 7, Host: "h1", State: scheduler.Up, OneOff: true},
		}}
	small = Snapshot{App: App{ID: "b", Name: "blog"}, Names: map[string]string{"b1": "web.1"}}
	small.State = scheduler.State{Release: "r2", Wants: []scheduler.Want{{Type: "web", Quantity: 1, Memory: 800, Routed: true}},
		Instances: []scheduler.Instance{{ID: "b1", Release: "r2", Type: "web", Ordinal: 1, Host: "h1", State: scheduler.Up, Memory: 800}}}
	return hosts, shop, small
}

// What a drill would do is what the planner would do: nothing is said twice.
func TestForesee(t *testing.T) {
	hosts, shop, small := drilled()
	apps := foresee(hosts, []Snapshot{shop, small}, "h1", time.Now())
	if len(apps) != 2 || apps[0].App != "blog" || apps[1].App != "shop" || hosts[0].Lost || hosts[1].UsedMemory != 100 {
		t.Fatalf("%+v; the hosts are %+v", apps, hosts)
	}
	blog, two := apps[0], apps[1]
	if blog.Away != "its only web dyno is there" || len(blog.Waits) != 1 || !strings.HasPrefix(blog.Waits[0], "web.1: no host takes it: host-1 is lost; host-2 has 0 MB") {
		t.Errorf("%+v", blog)
	}
	if two.Away != "its only worker dyno is there" || len(two.Waits) > 0 || !slices.Equal(two.Dynos, []string{"web.1", "worker.1"}) ||
		!slices.Equal(two.OneOffs, []string{"run.7"}) || two.Had["web"] != 2 {
		t.Errorf("%+v", two)
	}
	if got := (DrillReport{Apps: apps}).homeless(); len(got) != 1 || !strings.HasPrefix(got[0], "web.1 of blog: no host takes it") {
		t.Errorf("%q", got)
	}
	if apps := foresee(hosts, []Snapshot{small}, "h2", time.Now()); len(apps) != 0 {
		t.Errorf("of a host that has nothing: %+v", apps)
	}
}

// What has its data on the host stays away, and so does what a driver brings
// anywhere while the host may be writing still.
func TestForeseeNamesVolumes(t *testing.T) {
	for _, c := range []struct {
		volume scheduler.Volume
		says   string
	}{
		{scheduler.Volume{ID: "v", Name: "data", Host: "h1", HostName: "host-1"}, "web.1: the data of volume data is on host-1, and that host is lost"},
		{scheduler.Volume{ID: "v", Name: "lake", Driver: true}, "web.1: web.1 on the lost host host-1 may still write to its volume; when that host is gone for good, remove it: paas hosts:remove host-1 --force"},
	} {
		hosts, _, small := drilled()
		small.State.Wants[0].Memory, small.State.Instances[0].Memory = 100, 100
		small.State.Volumes = map[scheduler.Kind][]scheduler.Volume{{Release: "r2", Type: "web"}: {c.volume}}
		apps := foresee(hosts, []Snapshot{small}, "h1", time.Now())
		if len(apps) != 1 || !slices.Equal(apps[0].Waits, []string{c.says}) {
			t.Errorf("%+v", apps)
		}
	}
}

// The log says of each dyno which host was lost, in Heroku's words, and nothing of others.
func TestLossIsSaid(t *testing.T) {
	hosts, shop, _ := drilled()
	hosts[0].Lost = true
	shop.State.Hosts = hosts
	lines := lossLines(&shop, scheduler.Plan(shop.State).Ops)
	var said []string
	for _, l := range lines {
		said = append(said, l.Source+" "+l.Dyno+" "+l.Text)
	}
	slices.Sort(said)
	want := []string{"paas run.7 Host host-1 was lost", "paas run.7 State changed from up to down", "paas web.1 Host host-1 was lost", "paas web.1 State changed from up to down",
		"paas worker.1 Host host-1 was lost", "paas worker.1 State changed from up to down"}
	if !slices.Equal(said, want) {
		t.Errorf("%q", said)
	}
	hosts[0].Lost = false
	if lines := lossLines(&shop, scheduler.Plan(shop.State).Ops); len(lines) > 0 {
		t.Errorf("nothing was lost: %+v", lines)
	}
}

// edge is what routers have acknowledged.
type edge struct{ serving, quiet []string }

func (e *edge) Serving(id string) bool { return slices.Contains(e.serving, id) }
func (e *edge) Quiet(id string) bool   { return slices.Contains(e.quiet, id) }

// The figures of a drill are of what was seen, and each is taken once.
func TestDrillIsMeasured(t *testing.T) {
	hosts, shop, small := drilled()
	began := time.Now()
	at := func(s float64) time.Time { return began.Add(time.Duration(s * float64(time.Second))) }
	e, count := &edge{serving: []string{"w1", "w2", "b1"}}, router.Count{}
	m := &drillMeter{host: "h1", began: began, traffic: e, total: func(app string) router.Count {
		if app == "b" {
			return count
		}
		return router.Count{}
	}, counts: map[string]router.Count{}, away: map[string]time.Time{}, report: DrillReport{Apps: foresee(hosts, []Snapshot{small, shop}, "h1", began)}}
	m.report.Apps[0].Waits = nil // somebody made room
	snaps := []Snapshot{small, shop}
	if m.take(false, snaps, at(1)) {
		t.Error("something new before anything happened")
	}
	count.Status = [6]int64{2: 5}
	m.take(true, snaps, at(2.5)) // lost; the routers do not know yet
	m.take(true, snaps, at(2.6))
	e.serving, e.quiet = []string{"w2"}, []string{"w1", "k1", "b1"}
	small.State.Instances[0] = scheduler.Instance{ID: "b2", Release: "r2", Type: "web", Ordinal: 1, Host: "h2", State: scheduler.Starting}
	shop.State.Instances[0] = scheduler.Instance{ID: "w3", Release: "r1", Type: "web", Ordinal: 1, Host: "h2", State: scheduler.Up}
	shop.State.Instances[2] = scheduler.Instance{ID: "k2", Release: "r1", Type: "worker", Ordinal: 1, Host: "h2", State: scheduler.Up}
	snaps = []Snapshot{small, shop}
	m.take(true, snaps, at(2.7))
	e.serving = []string{"w2", "w3"}
	count.Status = [6]int64{2: 5, 5: 3}
	m.take(true, snaps, at(3))
	small.State.Instances[0].State = scheduler.Up
	e.serving = []string{"w2", "w3", "b2"}
	snaps = []Snapshot{small, shop}
	if !m.take(true, snaps, at(4)) {
		t.Error("nothing new at the end")
	}
	if m.take(true, snaps, at(9)) {
		t.Error("something new when all was over")
	}
	r := m.report
	if r.Lost != 2500*time.Millisecond || r.Out != 2700*time.Millisecond || r.Elsewhere != 4*time.Second {
		t.Errorf("lost %s, out %s, elsewhere %s", r.Lost, r.Out, r.Elsewhere)
	}
	blog, two := r.Apps[0], r.Apps[1]
	if blog.Gone != 1500*time.Millisecond || blog.Requests != 8 || blog.Failed != 3 || blog.Elsewhere != 4*time.Second {
		t.Errorf("%+v", blog)
	}
	if two.Gone != 0 || two.Elsewhere != 3*time.Second || two.Out != 2700*time.Millisecond {
		t.Errorf("%+v", two)
	}
}

// A drill that the guard would stop, or that is none, does not begin.
func TestMayLose(t *testing.T) {
	now := time.Now()
	row := func(name string, state HostState, age time.Duration) HostRow {
		return HostRow{ID: name, Name: name, State: state, SeenAt: now.Add(-age)}
	}
	own := HostRow{ID: "own", Name: "own", Local: true, State: HostReady, SeenAt: now}
	a, b, c := row("a", HostReady, 0), row("b", HostReady, 0), row("c", HostReady, 0)
	silent, lost := row("s", HostReady, time.Minute), row("l", HostLost, time.Minute)
	lost.LostAt = now
	cordoned := row("k", HostCordoned, 0)
	for _, tt := range []struct {
		rows []HostRow
		says string // empty: it may
	}{
		{[]HostRow{a, b}, ""}, {[]HostRow{a, own}, ""}, {[]HostRow{a, b, c}, ""},
		{[]HostRow{own, a, b}, "own machine"},
		{[]HostRow{silent, a, b}, "is not heard of"},
		{[]HostRow{lost, a, b}, "is not heard of"},
		{[]HostRow{a, b, silent}, "suspect itself"},
		{[]HostRow{a, b, lost}, "suspect itself"},
		{[]HostRow{a}, "No other host takes dynos"},
		{[]HostRow{a, cordoned}, "No other host takes dynos"},
	} {
		err := mayLose(tt.rows, tt.rows[0], now)
		if (err == nil) != (tt.says == "") || err != nil && !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%q of %d hosts: %v", tt.says, len(tt.rows), err)
		}
	}
}
