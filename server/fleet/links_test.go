package fleet_test

import (
	"context"
	"testing"
	"time"

	"paas/router"
	"paas/scheduler/agent/agenttest"
	"paas/server/fleet"
)

// linkPlane is what the control plane says of links.
type linkPlane struct {
	newer chan router.Links
	asked chan string // hosts that watch
	acks  chan router.Ack
}

func (p *linkPlane) WatchLinks(ctx context.Context, host string) <-chan router.Links {
	p.asked <- host
	out := make(chan router.Links)
	go func() {
		defer close(out)
		for {
			select {
			case l := <-p.newer:
				select {
				case out <- l:
				case <-ctx.Done():
				}
			case <-ctx.Done():
				return
			}
		}
	}()
	return out
}

func (p *linkPlane) AckLinks(a router.Ack) { p.acks <- a }

// What a host's doors serve comes to it and nobody else, newest last, and what they
// say of it comes back under the host's own name.
func TestLinksReachTheHost(t *testing.T) {
	plane := &linkPlane{newer: make(chan router.Links), asked: make(chan string, 16), acks: make(chan router.Ack, 16)}
	s := newScene(t, agenttest.NewControl(), fleet.Config{Links: plane})
	c, stop := s.client(s.join("host-2"))
	defer stop()
	links := c.WatchLinks(t.Context(), "somebody else")
	if host := <-plane.asked; host != "id-host-2" {
		t.Fatalf("the links of %q were asked for", host)
	}
	table := func(version int64) router.Links {
		return router.Links{Version: version, Apps: []router.AppLinks{{AppID: "a", Routes: []router.Route{{Host: "b.internal", AppID: "b", App: "b",
			Targets: []router.Target{{ID: "1", Name: "web.1", Addr: "10.9.8.7:20001"}}}}}}}
	}
	plane.newer <- table(5)
	if l := <-links; l.Version != 5 || len(l.Apps) != 1 || l.Apps[0].Routes[0].Targets[0].Addr != "10.9.8.7:20001" {
		t.Fatalf("got %+v", l)
	}
	plane.newer <- table(4) // of one that is behind
	plane.newer <- table(6)
	if l := <-links; l.Version != 6 {
		t.Fatalf("followed %+v", l)
	}
	c.AckLinks(router.Ack{Router: "somebody else", Version: 6, Busy: map[string]int{"1": 3}})
	select {
	case a := <-plane.acks:
		if a.Router != "id-host-2" || a.Version != 6 || a.Busy["1"] != 3 {
			t.Fatalf("the control plane heard %+v", a)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("the control plane heard nothing")
	}
}
