package agent_test

import (
	"context"
	"testing"
	"time"

	"paas/scheduler/agent"
)

// What instances use is told as long as they run, by them alone.
func TestUsageIsTold(t *testing.T) {
	_, s := stage(t, agent.Config{Sample: 20 * time.Millisecond})
	a, b := assign("web"), assign("exit", "3")
	s.Control.Set(a, b)
	u := s.Control.AwaitUsage(t, a.ID, func(u agent.Usage) bool { return u.CPU > 0 })
	// Half a CPU from its first moment on, by the fake.
	if u.MilliCPU < 490 || u.MilliCPU > 510 || u.Memory != 10<<20 || u.MemoryLimit != 512<<20 || u.AppID != a.AppID || u.Name != "web.1" {
		t.Errorf("first %+v", u)
	}
	second := s.Control.AwaitUsage(t, a.ID, func(agent.Usage) bool { return true })
	if second.MilliCPU < 490 || second.MilliCPU > 510 || second.CPU > time.Second {
		t.Errorf("second %+v", second)
	}
	s.Control.Set(stopped(a), b)
	s.Control.AwaitState(t, a.ID, agent.Stopped)
	s.Control.AwaitState(t, b.ID, agent.Crashed)
	c := assign("web")
	s.Control.Set(c)
	s.Control.AwaitUsage(t, c.ID, func(agent.Usage) bool { return true })
	for _, u := range s.Control.Usages() {
		if u.Instance == a.ID || u.Instance == b.ID {
			t.Errorf("of one that has ended: %+v", u)
		}
	}
}

// An engine that hangs when it is asked for measurements holds up nothing else.
func TestMeasuringHoldsUpNothing(t *testing.T) {
	f, s := stage(t, agent.Config{Sample: 10 * time.Millisecond})
	asked := make(chan struct{}, 100)
	f.SetHook(func(ctx context.Context, op, _ string) error {
		if op != "stats" {
			return nil
		}
		select {
		case asked <- struct{}{}:
		default:
		}
		<-ctx.Done()
		return ctx.Err()
	})
	a := assign("web")
	s.Control.Set(a)
	s.Control.AwaitState(t, a.ID, agent.Up)
	<-asked
	b := assign("web")
	s.Control.Set(stopped(a), b)
	s.Control.AwaitState(t, b.ID, agent.Up)
	s.Control.AwaitState(t, a.ID, agent.Stopped)
	f.SetHook(nil)
	s.Control.AwaitUsage(t, b.ID, func(u agent.Usage) bool { return u.MilliCPU > 0 })
}
