package agent_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"paas/scheduler/agent"
	"paas/scheduler/agent/agenttest"
)

// writer is a runtime whose instances have written so much.
type writer struct {
	*agenttest.Fake
	bytes atomic.Int64
}

func (w *writer) Stock(context.Context) (agent.Stock, error) { return agent.Stock{}, nil }
func (w *writer) Weigh(context.Context) error                { return nil }
func (w *writer) Discard(context.Context, string) error      { return nil }
func (w *writer) Written(_ context.Context, _ string) (agent.Layer, error) {
	return agent.Layer{Paths: []agent.Written{{Path: "/data", Bytes: w.bytes.Load()}}}, nil
}

// What an instance has written is told some time after its start and, when it
// is more by then, before its end.
func TestWrittenIsTold(t *testing.T) {
	w := &writer{Fake: agenttest.NewFake()}
	t.Cleanup(w.Close)
	w.bytes.Store(10)
	s := agenttest.NewStage(t, quick(agent.Config{FirstLook: 20 * time.Millisecond}), w)
	a := assign("web")
	s.Control.Set(a)
	if got := s.Control.AwaitState(t, a.ID, agent.Wrote); got.Layer == nil || got.Layer.Paths[0].Bytes != 10 {
		t.Errorf("%+v", got)
	}
	w.bytes.Store(20)
	s.Control.Set(stopped(a))
	s.Control.AwaitState(t, a.ID, agent.Stopped)
	var told []int64
	for _, st := range s.Control.Statuses(a.ID) {
		if st.State == agent.Wrote {
			told = append(told, st.Layer.Paths[0].Bytes)
		}
	}
	if len(told) != 2 || told[1] != 20 {
		t.Errorf("told %v", told)
	}
}

// An engine that hangs holds up a stop no longer than a look may take.
func TestLookAtLayerDoesNotHoldUpStop(t *testing.T) {
	w := &hanging{writer: writer{Fake: agenttest.NewFake()}}
	t.Cleanup(w.Close)
	s := agenttest.NewStage(t, quick(agent.Config{}), w)
	a, once := assign("web"), assign("exit", "0")
	once.OneOff = true
	s.Control.Set(a, once)
	s.Control.AwaitState(t, a.ID, agent.Up)
	s.Control.AwaitState(t, once.ID, agent.Exited)
	s.Control.Set(stopped(a), stopped(once))
	s.Control.AwaitState(t, a.ID, agent.Stopped)
	if n := w.asked.Load(); n != 1 {
		t.Errorf("asked %d times: of what runs once nobody asks", n)
	}
}

type hanging struct {
	writer
	asked atomic.Int64
}

func (h *hanging) Written(ctx context.Context, _ string) (agent.Layer, error) {
	h.asked.Add(1)
	<-ctx.Done()
	return agent.Layer{}, ctx.Err()
}
