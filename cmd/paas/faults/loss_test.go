package faults

import (
	"strings"
	"testing"
	"time"

	"paas/cmd/paas/platformtest"
	"paas/scheduler/agent/machinetest"
)

// A host dies with everything on it (R1): nobody who tries again notices, and
// its dynos serve elsewhere within seconds.
func TestHostDies(t *testing.T) {
	s := newScene(t, 3)
	s.app(t, "shop", 2)
	l := s.load(t, "shop", 8)
	machinetest.Await(t, 10*time.Second, "under way", func() bool { return len(l.seen()) == 2 })
	known := l.seen()
	victim, _ := s.of(t, "shop")

	event := time.Now()
	victim.Kill()
	lost := make(chan time.Duration, 1)
	go func() { lost <- s.await(t, victim, 10*time.Second, "lost") }()
	var back time.Duration
	machinetest.Await(t, 15*time.Second, "serving elsewhere", func() (ok bool) {
		back, ok = l.newcomer(event, known)
		return ok
	})
	lostAfter := <-lost
	cost := l.end(event)
	t.Logf("R1: lost after %s, its dyno serves elsewhere after %s; %s", lostAfter.Round(time.Millisecond), back.Round(time.Millisecond), cost)
	if back > 10*time.Second {
		t.Error("it took more than 10 s")
	}
	if cost.failedTwice > 0 {
		t.Errorf("requests failed twice: %v", cost.example)
	}
	if cost.last > 3*time.Second {
		t.Error("it was in the router for more than 3 s")
	}
}

// Two of three hosts vanish at once (R4): it is rather the control plane that
// is cut off, so nothing is given up, and it says so.
func TestHalfVanish(t *testing.T) {
	platformtest.Thorough(t)
	s := newScene(t, 3)
	s.app(t, "shop", 3)
	event := time.Now()
	s.hosts[0].Link(t, false)
	s.hosts[1].Link(t, false)
	machinetest.Await(t, 15*time.Second, "alarmed", func() bool { return strings.Contains(s.Log.String(), "ALARM") })
	alarm := time.Since(event)
	machinetest.Await(t, 15*time.Second, "shown", func() bool {
		out, err := s.paas("hosts")
		return err == nil && strings.Contains(out, "2 of 3 hosts are silent at once")
	})
	t.Logf("R4: the alarm is in the log after %s, shown after %s", alarm.Round(time.Millisecond), time.Since(event).Round(time.Millisecond))
	// Longer than a loss takes, nothing is lost.
	for time.Since(event) < 12*time.Second {
		for _, h := range s.hosts {
			if st := s.state(h.Name); st == "lost" {
				t.Fatalf("%s was given up", h.Name)
			}
		}
	}
	if n := len(s.hosts[2].running("shop")); n != 1 {
		t.Errorf("the host that is left runs %d dynos", n)
	}
	s.hosts[0].Link(t, true)
	s.hosts[1].Link(t, true)
	machinetest.Await(t, 20*time.Second, "all serving again", func() bool { return len(s.lives("shop", 12)) == 3 })
	machinetest.Await(t, 20*time.Second, "calm again", func() bool {
		out, err := s.paas("hosts")
		return err == nil && !strings.Contains(out, "silent")
	})
}
