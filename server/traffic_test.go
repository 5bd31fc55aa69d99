package server

import (
	"testing"
	"time"

	"paas/router"
)

func routes(app string, targets ...string) []router.Route {
	r := router.Route{Host: app + ".test", AppID: app, App: app}
	for _, t := range targets {
		r.Targets = append(r.Targets, router.Target{ID: t, Name: "web.1", Addr: "10.0.0.1:1"})
	}
	return []router.Route{r}
}

func TestNoTableBeforeAllAppsAreKnown(t *testing.T) {
	tr := NewTraffic(NewBell())
	tables := tr.Watch(t.Context(), "r")
	tr.SetApp("a", routes("a", "1"))
	select {
	case table := <-tables:
		t.Fatalf("a partial table went out: %+v", table)
	default:
	}
	tr.Loaded()
	if table := <-tables; len(table.Routes) != 1 {
		t.Fatalf("table %+v", table)
	}
}

func TestQuietNeedsEveryRoutersAck(t *testing.T) {
	tr := NewTraffic(NewBell())
	tr.SetApp("a", routes("a", "old"))
	tr.Loaded()
	one, two := tr.Watch(t.Context(), "one"), tr.Watch(t.Context(), "two")
	v1, w1 := <-one, <-two
	tr.Ack(router.Ack{Router: "one", Version: v1.Version})
	tr.Ack(router.Ack{Router: "two", Version: w1.Version})
	if tr.Quiet("old") {
		t.Fatal("quiet while it is in the table")
	}
	tr.SetApp("a", routes("a", "new"))
	v2 := <-one
	for v2.Routes[0].Targets[0].ID != "new" { // the one that the second router's coming made
		v2 = <-one
	}
	tr.Ack(router.Ack{Router: "one", Version: v2.Version})
	if tr.Quiet("old") || tr.Serving("new") {
		t.Fatal("quiet or serving before the second router acknowledged")
	}
	tr.Ack(router.Ack{Router: "two", Version: v2.Version, Busy: map[string]int{"old": 1}})
	if tr.Quiet("old") {
		t.Fatal("quiet with a request in flight")
	}
	if !tr.Serving("new") {
		t.Fatal("not serving though all acknowledged")
	}
	tr.Ack(router.Ack{Router: "two", Version: v2.Version})
	if !tr.Quiet("old") {
		t.Fatal("not quiet")
	}
}

func TestNothingIsQuietWithoutARouter(t *testing.T) {
	tr := NewTraffic(NewBell())
	tr.Loaded()
	if tr.Quiet("x") || tr.Serving("x") {
		t.Fatal("a router that is away may still serve from its snapshot")
	}
}

func TestAckWakesTheApp(t *testing.T) {
	bell := NewBell()
	wake, stop := bell.Listen(AppTopic("a"))
	defer stop()
	tr := NewTraffic(bell)
	tr.SetApp("a", routes("a", "1"))
	tr.Loaded()
	table := <-tr.Watch(t.Context(), "r")
	tr.Ack(router.Ack{Router: "r", Version: table.Version})
	if topic := <-wake; topic != AppTopic("a") {
		t.Fatalf("topic %q", topic)
	}
}

func TestVersionsGrowAndEqualRoutesPublishNothing(t *testing.T) {
	tr := NewTraffic(NewBell())
	tr.SetApp("a", routes("a", "1"))
	tr.Loaded()
	tables := tr.Watch(t.Context(), "r")
	first := <-tables
	tr.SetApp("a", routes("a", "1"))
	select {
	case table := <-tables:
		t.Fatalf("published %+v", table)
	default:
	}
	tr.SetApp("a", nil)
	if second := <-tables; second.Version <= first.Version || len(second.Routes) != 0 {
		t.Fatalf("second %+v after %+v", second, first)
	}
}

// An acknowledgement wakes who may have waited for it, and nobody else.
func TestAckWakesOnlyWhoMayWait(t *testing.T) {
	bell := NewBell()
	woken := map[string]int{}
	defer bell.Hear(func(topic string) { woken[topic]++ })()
	tr := NewTraffic(bell)
	tr.SetApps(map[string][]router.Route{"a": routes("a", "1"), "b": routes("b", "2")})
	tr.Loaded()
	tables := tr.Watch(t.Context(), "r")
	ack := func() { tr.Ack(router.Ack{Router: "r", Version: (<-tables).Version}) }
	ack()
	if woken[AppTopic("a")] != 1 || woken[AppTopic("b")] != 1 {
		t.Fatalf("the first acknowledgement wakes %v", woken)
	}
	tr.SetApp("a", routes("a", "1", "3"))
	ack()
	if woken[AppTopic("a")] != 2 || woken[AppTopic("b")] != 1 || !tr.Serving("3") || !tr.Serving("2") {
		t.Errorf("one that came wakes %v", woken)
	}
	tr.SetApp("b", routes("b"))
	ack()
	if woken[AppTopic("a")] != 2 || woken[AppTopic("b")] != 2 || !tr.Quiet("2") || tr.Quiet("3") {
		t.Errorf("one that left wakes %v", woken)
	}
}

// A new leader's tables are newer than any before it, whatever clocks say; and
// nothing is quiet or serving by what a router has said of earlier ones.
func TestTermsOfTables(t *testing.T) {
	tr := NewTraffic(NewBell())
	tables := tr.Watch(t.Context(), "r")
	begin := func(epoch int64, target string) router.Table {
		tr.Begin(epoch)
		tr.SetApp("a", routes("a", target))
		tr.Loaded()
		return <-tables
	}
	first := begin(3, "old")
	if stamp := time.Now().UnixMicro(); first.Version <= stamp {
		t.Errorf("version %d is not above the microseconds of before", first.Version)
	}
	tr.Ack(router.Ack{Router: "r", Version: first.Version})
	if !tr.Serving("old") {
		t.Error("not serving though it was acknowledged")
	}
	second := begin(4, "new")
	if second.Version <= first.Version || TableName(second.Version) != "4.1" || TableName(first.Version) != "3.1" {
		t.Errorf("versions %s and then %s", TableName(first.Version), TableName(second.Version))
	}
	for _, v := range []int64{0, time.Now().UnixMicro(), first.Version, second.Version + 1} { // of before, and of a leader to come
		tr.Ack(router.Ack{Router: "r", Version: v})
		if tr.Quiet("old") || tr.Serving("new") {
			t.Errorf("quiet or serving by the acknowledgement of %s", TableName(v))
		}
	}
	tr.Ack(router.Ack{Router: "r", Version: second.Version})
	if !tr.Quiet("old") || !tr.Serving("new") {
		t.Error("not quiet or not serving though it was acknowledged")
	}
	// A backup has taken the epoch back: it is the routers' turn once more.
	third := begin(2, "old")
	tr.Ack(router.Ack{Router: "r", Version: second.Version})
	if tr.Quiet("new") {
		t.Error("quiet by the acknowledgement of a table of another history")
	}
	tr.Ack(router.Ack{Router: "r", Version: third.Version})
	if !tr.Quiet("new") {
		t.Error("not quiet")
	}
}
