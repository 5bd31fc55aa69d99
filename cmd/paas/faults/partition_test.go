package faults

import (
	"net"
	"testing"
	"time"

	"paas/cmd/paas/platformtest"
	"paas/scheduler/agent/machinetest"
)

// cut drops what a host says to the control plane and hears of it; everything
// else goes on. mend ends that.
func (h *host) cut(t *testing.T)  { h.fence(t, "-I") }
func (h *host) mend(t *testing.T) { h.fence(t, "-D") }

func (h *host) fence(t *testing.T, how string) {
	t.Helper()
	_, port, err := net.SplitHostPort(h.s.fleet)
	platformtest.Must(err)
	h.Run(t, "iptables", "-w", how, "OUTPUT", "-p", "tcp", "--dport", port, "-j", "DROP")
	h.Run(t, "iptables", "-w", how, "INPUT", "-p", "tcp", "--sport", port, "-j", "DROP")
}

// A host is cut off from the control plane alone (R2): its dynos are replaced
// while they still serve, and are removed when it is back.
func TestPartition(t *testing.T) {
	platformtest.Thorough(t)
	s := newScene(t, 3)
	s.app(t, "shop", 2)
	l := s.load(t, "shop", 8)
	machinetest.Await(t, 10*time.Second, "under way", func() bool { return len(l.seen()) == 2 })
	known := l.seen()
	victim, _ := s.of(t, "shop")
	stale := victim.running("shop")

	event := time.Now()
	victim.cut(t)
	lost := s.await(t, victim, 10*time.Second, "lost")
	machinetest.Await(t, 15*time.Second, "replaced", func() bool { _, ok := l.newcomer(event, known); return ok })
	back, _ := l.newcomer(event, known)
	if got := victim.running("shop"); len(got) != len(stale) {
		t.Errorf("cut off it runs %v, before %v", got, stale)
	}
	healed := time.Now()
	victim.mend(t)
	machinetest.Await(t, 40*time.Second, "rid of its stale dynos", func() bool { return len(victim.running("shop")) == 0 })
	clean := time.Since(healed)
	s.await(t, victim, 30*time.Second, "ready")
	cost := l.end(event)
	t.Logf("R2: lost after %s, replaced after %s, stale dynos gone %s after it healed, ready after %s; %s",
		lost.Round(time.Millisecond), back.Round(time.Millisecond), clean.Round(time.Millisecond), time.Since(healed).Round(time.Millisecond), cost)
	if cost.failed > 0 {
		t.Errorf("requests failed: %v", cost.example)
	}
}

// A link goes and comes (R3): its host is given up once, and takes nothing new
// while it cannot be relied on.
func TestFlappingLink(t *testing.T) {
	platformtest.Thorough(t)
	s := newScene(t, 3)
	s.app(t, "shop", 2)
	l := s.load(t, "shop", 4)
	machinetest.Await(t, 10*time.Second, "under way", func() bool { return len(l.seen()) == 2 })
	victim, _ := s.of(t, "shop")
	event := time.Now()
	for range 5 {
		victim.Link(t, false)
		pass(3 * time.Second)
		victim.Link(t, true)
		pass(3 * time.Second)
	}
	lives := l.seen()
	cost := l.end(event)
	t.Logf("R3: %d processes answered in all; %s; the host is %s", len(lives), cost, s.state(victim.Name))
	if len(lives) > 3 {
		t.Errorf("two dynos were moved %d times", len(lives)-2)
	}
	if cost.failedTwice > 0 {
		t.Errorf("requests failed twice: %v", cost.example)
	}
	s.await(t, victim, 5*time.Second, "settling")
}

// pass lets time go by that a fault lasts.
func pass(d time.Duration) { <-time.After(d) }
