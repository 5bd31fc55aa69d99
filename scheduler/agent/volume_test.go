package agent_test

import (
	"context"
	"log/slog"
	"strconv"
	"sync"
	"testing"
	"time"

	"paas/scheduler/agent"
	"paas/scheduler/agent/agenttest"
)

// shelf is a runtime that deletes volumes when it is told to go on.
type shelf struct {
	agent.Runtime
	on chan struct{}

	mu              sync.Mutex
	now, most, been int
}

func (s *shelf) Stock(context.Context) (agent.Stock, error) { return agent.Stock{}, nil }
func (s *shelf) Weigh(context.Context) error                { return nil }

func (s *shelf) Written(context.Context, string) (agent.Layer, error) {
	return agent.Layer{}, nil
}

var _ agent.Keeper = (*shelf)(nil)

func (s *shelf) Discard(ctx context.Context, _ string) error {
	s.mu.Lock()
	s.now++
	s.most = max(s.most, s.now)
	s.mu.Unlock()
	select {
	case <-s.on:
	case <-ctx.Done():
		return ctx.Err()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now--
	s.been++
	return nil
}

func (s *shelf) counts() (now, most, been int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now, s.most, s.been
}

// However many volumes were destroyed, the engine is asked to delete a few at a
// time, and all in the end.
func TestVolumesAreDeletedAFewAtATime(t *testing.T) {
	fake := agenttest.NewFake()
	t.Cleanup(fake.Close)
	s := &shelf{Runtime: fake, on: make(chan struct{})}
	control := agenttest.NewControl()
	a, err := agent.New(agent.Config{Host: "a"}, control, s, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var run sync.WaitGroup
	run.Go(func() { _ = a.Run(ctx) })
	defer run.Wait()
	defer cancel()
	const volumes = 200
	var set []agent.Assignment
	for i := range volumes {
		id := strconv.Itoa(i)
		set = append(set, agent.Assignment{ID: "discard-" + id, Discard: id, Stop: true})
	}
	control.Set(set...)
	control.Await(t, "a few are being deleted", func() bool { now, _, _ := s.counts(); return now == 4 })
	for range volumes {
		select {
		case s.on <- struct{}{}:
		case <-time.After(time.Minute):
			t.Fatal("no volume is being deleted")
		}
	}
	control.Await(t, "all are deleted", func() bool { _, _, been := s.counts(); return been == volumes })
	if _, most, _ := s.counts(); most > 4 {
		t.Errorf("%d were deleted at once", most)
	}
}
