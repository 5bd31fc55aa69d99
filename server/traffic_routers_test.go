package server

import (
	"testing"

	"paas/router"
)

// A router elsewhere counts from when it is known until it is released, also
// while it is not connected.
func TestHeldRouterCountsWhileItIsAway(t *testing.T) {
	bell := NewBell()
	woken := map[string]int{}
	defer bell.Hear(func(topic string) { woken[topic]++ })()
	tr := NewTraffic(bell)
	tr.uncounted()
	tr.SetApp("a", routes("a", "old"))
	tr.Loaded()
	near := tr.Watch(t.Context(), "near")
	tr.Ack(router.Ack{Router: "near", Version: (<-near).Version})
	if tr.Serving("old") {
		t.Fatal("serving before it is known which routers there are")
	}
	tr.hold("far")
	tr.counted(false)
	if tr.Serving("old") || tr.Quiet("unknown") {
		t.Fatal("serving or quiet though one router was not heard of")
	}
	far := tr.Watch(t.Context(), "far")
	tr.Ack(router.Ack{Router: "far", Version: (<-far).Version})
	tr.Ack(router.Ack{Router: "near", Version: (<-near).Version})
	if !tr.Serving("old") {
		t.Fatal("not serving though both acknowledged")
	}
	tr.SetApp("a", routes("a", "new"))
	tr.Ack(router.Ack{Router: "near", Version: (<-near).Version})
	if tr.Quiet("old") {
		t.Fatal("quiet though a router has the old table")
	}
	before := woken[AppTopic("a")]
	tr.release("far")
	if !tr.Quiet("old") || !tr.Serving("new") {
		t.Error("a router that is lost holds up")
	}
	if woken[AppTopic("a")] == before {
		t.Error("nobody was woken when the router was given up")
	}
}

// Where there is no router at all nothing waits for one.
func TestWithoutAnyRouter(t *testing.T) {
	tr := NewTraffic(NewBell())
	tr.uncounted()
	tr.SetApp("a", routes("a", "old"))
	tr.Loaded()
	if tr.Quiet("gone") || tr.Serving("old") {
		t.Error("nobody knows yet that there is none")
	}
	tr.counted(true)
	if !tr.Serving("old") || tr.Quiet("old") || !tr.Quiet("gone") {
		t.Error("it waits for nobody")
	}
	tr.SetApp("a", routes("a", "new"))
	if !tr.Quiet("old") || !tr.Serving("new") {
		t.Error("it waits for nobody")
	}
	tr.hold("far")
	if tr.Serving("new") || tr.Quiet("old") {
		t.Error("there is one now")
	}
}
