package agent_test

import (
	"context"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"paas/scheduler/agent"
)

// A host says that it is there also while its engine does not answer, and says
// that too.
func TestBeatsThroughAPausedEngine(t *testing.T) {
	f, s := stage(t, agent.Config{Survey: 20 * time.Millisecond, Heartbeat: 5 * time.Millisecond})
	says := func(engine bool) func() bool {
		return func() bool {
			return slices.ContainsFunc(s.Control.Beats(), func(b agent.Beat) bool { return b.Engine == engine && !b.At.IsZero() })
		}
	}
	s.Control.Await(t, "a beat with the engine", says(true))
	var paused atomic.Bool
	paused.Store(true)
	f.SetHook(func(ctx context.Context, _, _ string) error {
		for paused.Load() {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(time.Millisecond):
			}
		}
		return nil
	})
	s.Control.Await(t, "a beat without it", says(false))
	paused.Store(false)
	s.Control.Await(t, "the engine to be back", says(true))
}
