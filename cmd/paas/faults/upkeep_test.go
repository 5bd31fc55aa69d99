package faults

import (
	"syscall"
	"testing"
	"time"

	"paas/cmd/paas/platformtest"
	"paas/scheduler/agent/machinetest"
)

// A host is emptied for its upkeep: nobody notices.
func TestDrain(t *testing.T) {
	platformtest.Thorough(t)
	s := newScene(t, 3)
	s.app(t, "shop", 4)
	l := s.load(t, "shop", 8)
	machinetest.Await(t, 10*time.Second, "under way", func() bool { return len(l.seen()) == 4 })
	victim, _ := s.of(t, "shop")
	event := time.Now()
	s.must(t, "hosts:drain", victim.Name)
	took := s.await(t, victim, time.Minute, "drained")
	if left := victim.running("shop"); len(left) > 0 {
		t.Errorf("drained, it runs %v", left)
	}
	cost := l.end(event)
	t.Logf("drain: done after %s; %s", took.Round(time.Millisecond), cost)
	if cost.failed > 0 {
		t.Errorf("requests failed: %v", cost.example)
	}
	s.must(t, "hosts:uncordon", victim.Name)
	s.await(t, victim, 10*time.Second, "ready")
}

// An agent is killed and starts again: the dynos do not notice.
func TestAgentKilled(t *testing.T) {
	platformtest.Thorough(t)
	s := newScene(t, 3)
	s.app(t, "shop", 2)
	l := s.load(t, "shop", 8)
	machinetest.Await(t, 10*time.Second, "under way", func() bool { return len(l.seen()) == 2 })
	known := l.seen()
	victim, _ := s.of(t, "shop")
	event := time.Now()
	for range 3 {
		victim.agent.Signal(t, syscall.SIGKILL)
		<-victim.agent.Done
		victim.work(t)
		pass(2 * time.Second)
	}
	s.await(t, victim, 10*time.Second, "ready")
	cost := l.end(event)
	t.Logf("agent killed three times: %s", cost)
	if cost.failed > 0 {
		t.Errorf("requests failed: %v", cost.example)
	}
	if now := l.seen(); !same(known, now) {
		t.Errorf("dynos were replaced: %v, then %v", known, now)
	}
}

// The control plane is killed and starts again, with its router: the dynos on
// other machines do not notice, and no host is given up.
func TestControlPlaneKilled(t *testing.T) {
	platformtest.Thorough(t)
	s := newScene(t, 3)
	s.app(t, "shop", 2)
	known := s.lives("shop", 12)
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		event := time.Now()
		s.Stop(sig)
		pass(5 * time.Second) // longer than it takes to give up a host
		started := time.Now()
		s.start(t)
		ready := time.Since(started)
		up := machinetest.Await(t, 20*time.Second, "serving", func() bool { return len(s.lives("shop", 1)) == 1 })
		for time.Since(started) < 6*time.Second {
			for _, h := range s.hosts {
				if st := s.state(h.Name); st == "lost" {
					t.Fatalf("%s: %s was given up", sig, h.Name)
				}
			}
		}
		t.Logf("control plane, %s: away %s, ready after %s, serving %s later", sig, started.Sub(event).Round(time.Millisecond),
			ready.Round(time.Millisecond), up.Round(time.Millisecond))
		if now := s.lives("shop", 12); !same(known, now) {
			t.Fatalf("%s: dynos were replaced: %v, then %v", sig, known, now)
		}
	}
	for _, h := range s.hosts {
		s.await(t, h, 10*time.Second, "ready")
	}
}
