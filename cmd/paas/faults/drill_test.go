package faults

import (
	"strings"
	"testing"
	"time"

	"paas/cmd/paas/platformtest"
	"paas/scheduler/agent/machinetest"
)

// The loss of a host is rehearsed: what two dynos serve goes on, what one does
// is away for a moment, the host's own dynos are stopped, and it comes back.
func TestDrill(t *testing.T) {
	platformtest.Thorough(t)
	s := newScene(t, 3)
	s.app(t, "shop", 3)
	l := s.load(t, "shop", 8)
	machinetest.Await(t, 10*time.Second, "under way", func() bool { return len(l.seen()) == 3 })
	victim, _ := s.of(t, "shop")
	event := time.Now()
	stopped := make(chan time.Duration, 1)
	go func() {
		stopped <- machinetest.Await(t, 30*time.Second, "nothing running there", func() bool { return len(victim.running("shop")) == 0 })
	}()
	said := s.must(t, "drill", victim.Name, "--yes", "--for", "20s")
	t.Logf("%s", said)
	if took := time.Since(event); took < 20*time.Second || took > 30*time.Second {
		t.Errorf("a drill of 20 s took %s", took)
	}
	if strings.Contains(said, "after: –") {
		t.Error("not everything was measured")
	}
	s.await(t, victim, 30*time.Second, "ready")
	cost := l.end(event)
	t.Logf("drill: its dynos were stopped after %s; %s", (<-stopped).Round(time.Millisecond), cost)
	if cost.failed > 0 {
		t.Errorf("requests failed: %v", cost.example)
	}
	if out := s.must(t, "drill", victim.Name, "--report", "--json"); !strings.Contains(out, `"ended": true`) {
		t.Errorf("the report:\n%s", out)
	}
}
