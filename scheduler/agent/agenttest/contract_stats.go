package agenttest

import (
	"errors"
	"testing"
	"time"

	"paas/scheduler/agent"
)

// stats measures one that works, one that has ended and one that never was.
func stats(t *testing.T, s Subject) {
	a, c := started(t, s, "web")
	collect(t, s, a.ID, time.Time{}).await(t, 1) // it runs
	ctx := patience(t)
	first, err := s.Runtime.Stats(ctx, a.ID)
	if err != nil {
		t.Fatal(err)
	}
	if first.CPU <= 0 || first.Memory < 100<<10 || first.Memory > 1<<30 {
		t.Errorf("stats %+v", first)
	}
	// The engine has its own clock, on the same machine.
	if off := time.Since(first.At); off < -time.Second || off > time.Minute || first.At.Before(c.Started) {
		t.Errorf("measured at %s, started at %s", first.At, c.Started)
	}
	for second := first; second.CPU <= first.CPU; { // it only grows, as soon as anything is done
		if second, err = s.Runtime.Stats(ctx, a.ID); err != nil || second.CPU < first.CPU {
			t.Fatalf("%+v after %+v: %v", second, first, err)
		}
		conn, err := s.Runtime.Dial(ctx, a.ID, a.Port)
		if err == nil {
			_ = conn.Close()
		}
	}
	b, _ := started(t, s, "exit", "0")
	if _, err := s.Runtime.Wait(ctx, b.ID); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{b.ID, "nobody"} {
		if got, err := s.Runtime.Stats(ctx, id); !errors.Is(err, agent.ErrNoContainer) {
			t.Errorf("of %s: %+v, %v", id, got, err)
		}
	}
}
