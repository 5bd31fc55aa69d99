package faults

import (
	"net"
	"slices"
	"testing"
	"time"

	"paas/cmd/paas/platformtest"
	"paas/scheduler/agent/machinetest"
)

// What a machine says to the control plane, and what it hears of it, as iptables
// says it.
const (
	says  = "OUTPUT"
	hears = "INPUT"
)

// cut drops what a machine says to the control plane and hears of it, or one of
// both; everything else goes on. mend ends that.
func (s *scene) cut(t *testing.T, m *machinetest.Machine, ways ...string) { s.fence(t, m, "-I", ways) }

func (s *scene) mend(t *testing.T, m *machinetest.Machine, ways ...string) {
	s.fence(t, m, "-D", ways)
}

func (s *scene) fence(t *testing.T, m *machinetest.Machine, how string, ways []string) {
	t.Helper()
	_, port, err := net.SplitHostPort(s.fleet)
	platformtest.Must(err)
	for _, way := range ways {
		end := "--dport"
		if way == hears {
			end = "--sport"
		}
		m.Run(t, "iptables", "-w", how, way, "-p", "tcp", end, port, "-j", "DROP")
	}
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
	s.cut(t, victim.Machine, says, hears)
	lost := s.await(t, victim, 10*time.Second, "lost")
	machinetest.Await(t, 15*time.Second, "replaced", func() bool { _, ok := l.newcomer(event, known); return ok })
	back, _ := l.newcomer(event, known)
	if got := victim.running("shop"); len(got) != len(stale) {
		t.Errorf("cut off it runs %v, before %v", got, stale)
	}
	healed := time.Now()
	s.mend(t, victim.Machine, says, hears)
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

// A host hears the control plane and is not heard, or the other way (R3): it is
// as if it were cut off both ways, and nobody notices.
func TestOneWayPartition(t *testing.T) {
	platformtest.Thorough(t)
	s := newScene(t, 3)
	s.app(t, "shop", 2)
	l := s.load(t, "shop", 4)
	machinetest.Await(t, 60*time.Second, "under way", func() bool { return len(l.seen()) == 2 })
	event := time.Now()
	for _, way := range []string{says, hears} {
		victim, _ := s.of(t, "shop")
		stale := victim.running("shop")
		s.cut(t, victim.Machine, way)
		lost := s.await(t, victim, 60*time.Second, "lost")
		machinetest.Await(t, 60*time.Second, "two serving elsewhere", func() bool { return s.elsewhere(victim, "shop") == 2 })
		healed := time.Now()
		s.mend(t, victim.Machine, way)
		machinetest.Await(t, 60*time.Second, "rid of its stale dynos", func() bool {
			return !slices.ContainsFunc(victim.running("shop"), func(name string) bool { return slices.Contains(stale, name) })
		})
		clean := time.Since(healed)
		s.await(t, victim, 60*time.Second, "ready")
		t.Logf("R3: without the host's %s it is lost after %s; stale dynos are gone %s after it healed, ready after %s", way, lost.Round(time.Millisecond),
			clean.Round(time.Millisecond), time.Since(healed).Round(time.Millisecond))
	}
	cost := l.end(event)
	t.Logf("R3: cut one way and the other: %s", cost)
	if cost.failed > 0 {
		t.Errorf("requests failed: %v", cost.example)
	}
}

// elsewhere counts the dynos of an app that run on other hosts.
func (s *scene) elsewhere(than *host, app string) (n int) {
	for _, h := range s.hosts {
		if h != than {
			n += len(h.running(app))
		}
	}
	return n
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
