package server

import (
	"testing"
	"time"

	"paas/router"
)

// linked is a hub where app "a" reaches "b", with something of both on host h1 and
// of "b" alone on h2.
func linked(t *testing.T) (tr *Traffic, h1 <-chan router.Links, edge <-chan router.Table) {
	tr = NewTraffic(NewBell())
	edge = tr.Watch(t.Context(), "edge")
	h1 = tr.WatchLinks(t.Context(), "h1")
	tr.Place("h1", map[string]bool{"a": true, "b": true})
	tr.Place("h2", map[string]bool{"b": true})
	tr.SetApps(map[string][]router.Route{"a": routes("a", "a1"), "b": routes("b", "b1")})
	tr.SetLinks(map[string][]string{"a": {"b"}, "b": nil})
	select {
	case l := <-h1:
		t.Fatalf("doors were told before all apps were known: %+v", l)
	default:
	}
	tr.Loaded()
	return tr, h1, edge
}

func (t *Traffic) ackAll(edge router.Table, links router.Links, busy map[string]int) {
	t.Ack(router.Ack{Router: "edge", Version: edge.Version})
	t.AckLinks(router.Ack{Router: "h1", Version: links.Version, Busy: busy})
}

func TestDoorsOfCallersOnly(t *testing.T) {
	tr, h1, _ := linked(t)
	l := <-h1
	if len(l.Apps) != 1 || l.Apps[0].AppID != "a" || len(l.Apps[0].Routes) != 1 || l.Apps[0].Routes[0].Host != "b.internal" || l.Apps[0].Routes[0].Targets[0].ID != "b1" {
		t.Fatalf("told %+v", l)
	}
	h2 := tr.WatchLinks(t.Context(), "h2")
	if l := <-h2; len(l.Apps) != 0 {
		t.Fatalf("a host without a caller was told %+v", l)
	}
	// Where the caller comes to be is told at once; a new name is the name.
	tr.Place("h2", map[string]bool{"a": true, "b": true})
	if l := <-h2; len(l.Apps) != 1 {
		t.Fatalf("told %+v", l)
	}
	tr.SetApp("b", routes("renamed", "b1"))
	if l := <-h1; l.Apps[0].Routes[0].Host != "renamed.internal" {
		t.Fatalf("told %+v", l)
	}
	tr.SetLinks(map[string][]string{"a": nil})
	if l := <-h1; len(l.Apps) != 0 {
		t.Fatalf("told of a link that is no more: %+v", l)
	}
	tr.SetLinks(map[string][]string{"a": {"b"}})
	<-h1
	tr.Keep([]string{"a"})
	if l := <-h1; len(l.Apps) != 0 {
		t.Fatalf("told of an app that is no more: %+v", l)
	}
}

// What doors are told is no table that a router could be behind.
func TestLinksLeaveNoRouterBehind(t *testing.T) {
	tr, h1, edge := linked(t)
	tr.ackAll(<-edge, <-h1, nil)
	tr.SetLinks(map[string][]string{"a": nil})
	<-h1
	if s := tr.standing("edge"); s.acked != s.newest {
		t.Fatalf("the router serves from %s, the newest table is %s", TableName(s.acked), TableName(s.newest))
	}
}

// An instance is stopped only when no door leads to it any more, none has a
// request under way to it, and no longer than a door is heard of.
func TestQuietNeedsTheDoorsAck(t *testing.T) {
	tr, h1, edge := linked(t)
	tr.ackAll(<-edge, <-h1, nil)
	tr.SetApp("b", routes("b", "b2"))
	table, links := <-edge, <-h1
	tr.Ack(router.Ack{Router: "edge", Version: table.Version})
	if tr.Quiet("b1") {
		t.Fatal("quiet before the door has let go of it")
	}
	tr.ackAll(table, links, map[string]int{"b1": 1})
	if tr.Quiet("b1") {
		t.Fatal("quiet with a request under way")
	}
	tr.ackAll(table, links, nil)
	if !tr.Quiet("b1") || tr.Quiet("b2") {
		t.Fatal("not quiet, or what serves is")
	}
	tr.SetApp("b", routes("b", "b3"))
	<-h1
	tr.Ack(router.Ack{Router: "edge", Version: (<-edge).Version})
	tr.mu.Lock()
	tr.doors.hosts["h1"].heard = time.Now().Add(-doorLease - time.Second)
	tr.mu.Unlock()
	if !tr.Quiet("b2") {
		t.Fatal("a host that is not heard of is waited for")
	}
}

// A host whose connection broke off is waited for again once it is back: it may
// still lead where it did.
func TestQuietWaitsForDoorsThatComeBack(t *testing.T) {
	tr, h1, edge := linked(t)
	tr.ackAll(<-edge, <-h1, nil)
	again := tr.WatchLinks(t.Context(), "h1")
	<-again
	tr.SetApp("b", routes("b", "b2"))
	links := <-again
	table := <-edge
	tr.Ack(router.Ack{Router: "edge", Version: table.Version})
	if tr.Quiet("b1") {
		t.Fatal("quiet though the door that came back has acknowledged nothing")
	}
	tr.ackAll(table, links, nil)
	if !tr.Quiet("b1") {
		t.Fatal("not quiet")
	}
	// What left while it was away.
	tr.SetApp("b", routes("b", "b3"))
	table = <-edge
	back := tr.WatchLinks(t.Context(), "h1")
	links = <-back
	tr.Ack(router.Ack{Router: "edge", Version: table.Version})
	if tr.Quiet("b2") {
		t.Fatal("quiet though the door was told nothing of it yet")
	}
	tr.ackAll(table, links, nil)
	if !tr.Quiet("b2") {
		t.Fatal("not quiet")
	}
}

// A host whose doors never led to an instance is not waited for, though it
// serves an older set; after a change of leader every door is.
func TestQuietWaitsForDoorsThatLedThere(t *testing.T) {
	tr, h1, edge := linked(t)
	first := <-h1
	tr.ackAll(<-edge, first, nil)
	tr.SetApp("a", routes("a", "a2")) // nobody reaches a from inside
	tr.SetLinks(map[string][]string{"a": nil})
	<-h1 // which h1 does not acknowledge
	tr.Ack(router.Ack{Router: "edge", Version: (<-edge).Version})
	if !tr.Quiet("a1") {
		t.Error("a door that never led there is waited for")
	}
	tr.Begin(2)
	tr.SetApps(map[string][]router.Route{"a": routes("a", "a2"), "b": routes("b", "b2")})
	tr.SetLinks(map[string][]string{"a": {"b"}})
	tr.Loaded()
	tr.ackAll(<-edge, <-h1, nil)
	if tr.Quiet("b1") {
		t.Error("an instance of an earlier term is taken for left before the doors had time to be heard")
	}
	tr.doors.begun = time.Now().Add(-doorLease)
	if !tr.Quiet("b1") {
		t.Error("it is waited for after that")
	}
}
