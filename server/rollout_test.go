package server

import (
	"testing"
	"time"

	"paas/router"
	"paas/scheduler"
)

// A push ends when every router serves the new release and none the old one any
// more; an old one that stays does not hold it up for long.
func TestPushEndsWhenTheOldReleaseHasLeft(t *testing.T) {
	tr := NewTraffic(NewBell())
	tr.SetApp("a", routes("a", "old"))
	tr.Loaded()
	one := tr.Watch(t.Context(), "one")
	ack := func() { tr.Ack(router.Ack{Router: "one", Version: (<-one).Version, Busy: map[string]int{"old": 1}}) }
	ack()
	r := rollout{p: &Pipeline{traffic: tr}}
	snap := Snapshot{State: scheduler.State{Release: "2", Instances: []scheduler.Instance{
		{ID: "old", Type: webType, Release: "1", State: scheduler.Up},
		{ID: "worker", Type: "worker", Release: "1", State: scheduler.Up},
		{ID: "new", Type: webType, Release: "2", State: scheduler.Up},
	}}}
	now := time.Now()
	if r.serving(snap) {
		t.Fatal("it serves before it is in a table")
	}
	tr.SetApp("a", append(routes("a", "old"), routes("a", "new")...))
	ack()
	if !r.serving(snap) || r.alone(snap, now) {
		t.Fatal("both are in the table")
	}
	if !r.alone(snap, now.Add(formerLimit)) {
		t.Error("it waits for ever")
	}
	tr.SetApp("a", routes("a", "new"))
	if r.alone(snap, now) {
		t.Error("the router has not acknowledged yet")
	}
	ack()
	if !r.serving(snap) || !r.alone(snap, now) {
		t.Error("the old one has left; its last request may go on")
	}
}
