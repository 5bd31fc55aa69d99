package faults

import (
	"slices"
	"syscall"
	"testing"
	"time"

	"paas/cmd/paas/platformtest"
	"paas/scheduler/agent/machinetest"
)

// An engine stops answering (R5): what runs on it serves on, and the other
// hosts do not notice.
func TestEngineHangs(t *testing.T) {
	platformtest.Thorough(t)
	s := newScene(t, 3)
	s.app(t, "shop", 2)
	l := s.load(t, "shop", 8)
	machinetest.Await(t, 10*time.Second, "under way", func() bool { return len(l.seen()) == 2 })
	known := l.seen()
	victim, _ := s.of(t, "shop")
	event := time.Now()
	victim.engine.Signal(t, syscall.SIGSTOP)
	pass(8 * time.Second)
	state := s.state(victim.Name)
	// The others take a deploy meanwhile.
	began := time.Now()
	s.app(t, "other", 1)
	deployed := time.Since(began)
	victim.engine.Signal(t, syscall.SIGCONT)
	s.await(t, victim, time.Minute, "ready")
	cost := l.end(event)
	t.Logf("R5: the host was %s; another app was deployed in %s; %s", state, deployed.Round(time.Millisecond), cost)
	if cost.failed > 0 {
		t.Errorf("requests failed: %v", cost.example)
	}
	if now := l.seen(); !same(known, now) {
		t.Errorf("dynos were replaced: %v, then %v", known, now)
	}
}

func same(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}

// An engine is killed and starts again (R6). With live-restore its containers
// are what they were; without it the engine ends them, and they come back.
func TestEngineKilled(t *testing.T) {
	platformtest.Thorough(t)
	for _, c := range []struct {
		name  string
		flags []string
		keeps bool
	}{{"live-restore", []string{"--live-restore"}, true}, {"plain", nil, false}} {
		t.Run(c.name, func(t *testing.T) {
			s := newScene(t, 3, c.flags...)
			s.app(t, "shop", 2)
			l := s.load(t, "shop", 8)
			machinetest.Await(t, 10*time.Second, "under way", func() bool { return len(l.seen()) == 2 })
			known := l.seen()
			victim, _ := s.of(t, "shop")
			event := time.Now()
			victim.engine.Signal(t, syscall.SIGKILL)
			<-victim.engine.Done
			pass(time.Second)
			victim.engine = victim.Engine(t, victim.flags...)
			up := time.Since(event)
			if !c.keeps {
				machinetest.Await(t, 30*time.Second, "replaced", func() bool { _, ok := l.newcomer(event, known); return ok })
			} else {
				pass(7 * time.Second) // longer than a survey takes
			}
			machinetest.Await(t, 30*time.Second, "two serving", func() bool { return len(s.lives("shop", 8)) == 2 })
			back, _ := l.newcomer(event, known)
			cost := l.end(event)
			t.Logf("R6, %s: the engine answers after %s, a new dyno after %s; %s", c.name, up.Round(time.Millisecond), back.Round(time.Millisecond), cost)
			if now := l.seen(); c.keeps && !same(known, now) {
				t.Errorf("dynos were replaced: %v, then %v", known, now)
			}
			if c.keeps && cost.failed > 0 || cost.failedTwice > 0 {
				t.Errorf("requests failed: %v", cost.example)
			}
		})
	}
}
