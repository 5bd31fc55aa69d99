package faults

import (
	"syscall"
	"testing"
	"time"

	"paas/cmd/paas/platformtest"
	"paas/scheduler/agent/machinetest"
)

// A host that died comes back: it runs nothing that was given to others, waits
// until it is trusted, and takes dynos again.
func TestHostReturns(t *testing.T) {
	platformtest.Thorough(t)
	s := newScene(t, 3)
	s.app(t, "shop", 2)
	victim, _ := s.of(t, "shop")
	victim.Kill()
	s.await(t, victim, 10*time.Second, "lost")
	machinetest.Await(t, 20*time.Second, "two serving elsewhere", func() bool { return len(s.lives("shop", 8)) == 2 })
	l := s.load(t, "shop", 4)
	event := time.Now()
	victim.comeBack(t)
	heard := s.await(t, victim, 30*time.Second, "settling", "ready")
	ready := s.await(t, victim, 30*time.Second, "ready")
	if got := victim.running("shop"); len(got) > 0 {
		t.Errorf("it runs what was given to others: %v", got)
	}
	s.must(t, "ps:scale", "web=3", "-a", "shop")
	machinetest.Await(t, 20*time.Second, "in use again", func() bool { return len(victim.running("shop")) == 1 })
	cost := l.end(event)
	t.Logf("a host returns: heard of after %s, ready %s later; %s", heard.Round(time.Millisecond), ready.Round(time.Millisecond), cost)
	if cost.failed > 0 {
		t.Errorf("requests failed: %v", cost.example)
	}
}

// A host starts again while the control plane is away: it runs what it ran.
func TestRebootAlone(t *testing.T) {
	platformtest.Thorough(t)
	s := newScene(t, 2)
	s.app(t, "shop", 2)
	victim, _ := s.of(t, "shop")
	before := len(victim.running("shop"))
	s.Stop(syscall.SIGTERM)
	victim.Kill()
	event := time.Now()
	victim.comeBack(t)
	machinetest.Await(t, 30*time.Second, "running again", func() bool { return len(victim.running("shop")) == before })
	t.Logf("a host starts alone: its dynos run after %s", time.Since(event).Round(time.Millisecond))
	s.start(t)
	machinetest.Await(t, 60*time.Second, "two serving", func() bool { return len(s.lives("shop", 8)) == 2 })
}
