package agent_test

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"paas/scheduler/agent"
)

// What goes wrong around an instance.

func TestPlatformFaults(t *testing.T) {
	failing := func(kind agent.FaultKind, times int64) func(context.Context, string, string) error {
		var n atomic.Int64
		return func(_ context.Context, op, _ string) error {
			if op == "start" && n.Add(1) <= times {
				return &agent.Fault{Kind: kind, Err: errors.New("pull image x: something is down")}
			}
			return nil
		}
	}
	for name, c := range map[string]struct {
		kind     agent.FaultKind
		times    int64
		states   []agent.State
		platform bool
	}{
		"engine comes back":   {agent.FaultEngine, 4, []agent.State{agent.Starting, agent.Starting, agent.Up}, true},
		"passes":              {agent.FaultPassing, 2, []agent.State{agent.Starting, agent.Starting, agent.Up}, true},
		"does not pass":       {agent.FaultPassing, 1000, []agent.State{agent.Starting, agent.Crashed}, true},
		"lasts":               {agent.FaultLasting, 1000, []agent.State{agent.Crashed}, true},
		"is the app's":        {agent.FaultApp, 1000, []agent.State{agent.Crashed}, false},
		"engine beyond bound": {agent.FaultEngine, 5, []agent.State{agent.Starting, agent.Starting, agent.Up}, true},
	} {
		t.Run(name, func(t *testing.T) {
			f, s := stage(t, agent.Config{StartBound: 300 * time.Millisecond})
			f.SetHook(failing(c.kind, c.times))
			a := assign("web")
			s.Control.Set(a)
			s.Control.AwaitState(t, a.ID, c.states[len(c.states)-1])
			got := s.Control.Statuses(a.ID)
			if !slices.Equal(states(got), c.states) {
				t.Fatalf("%+v", got)
			}
			if got[0].Platform != c.platform || got[0].Reason != "pull image x: something is down" {
				t.Errorf("%+v", got[0])
			}
		})
	}
}

// One start that hangs keeps nobody else from anything, and can be stopped.
func TestHangingStart(t *testing.T) {
	f, s := stage(t, agent.Config{MaxStarts: 2})
	hung, ok := assign("web"), assign("web")
	f.SetHook(func(ctx context.Context, op, id string) error {
		if op == "start" && id == hung.ID {
			<-ctx.Done()
			return ctx.Err()
		}
		return nil
	})
	s.Control.Set(hung, ok)
	s.Control.AwaitState(t, ok.ID, agent.Up)
	s.Control.Set(stopped(hung), stopped(ok))
	s.Control.AwaitState(t, hung.ID, agent.Stopped)
	s.Control.AwaitState(t, ok.ID, agent.Stopped)
}

// An end that no event told of is found by the survey.
func TestMissedEnd(t *testing.T) {
	f, s := stage(t, agent.Config{})
	a := assign("web")
	var waits atomic.Int64
	deaf := make(chan struct{})
	f.SetHook(func(ctx context.Context, op, _ string) error {
		if op == "wait" && waits.Add(1) == 1 {
			close(deaf)
			<-ctx.Done()
			return ctx.Err()
		}
		return nil
	})
	s.Control.Set(a)
	s.Control.AwaitState(t, a.ID, agent.Up)
	<-deaf
	f.Kill(a.ID)
	s.Control.AwaitState(t, a.ID, agent.Crashed)
}

func TestRemovedBySomeoneElse(t *testing.T) {
	f, s := stage(t, agent.Config{})
	a := assign("web")
	var waits atomic.Int64
	f.SetHook(func(ctx context.Context, op, _ string) error {
		if op == "wait" && waits.Add(1) == 1 {
			<-ctx.Done()
			return ctx.Err()
		}
		return nil
	})
	s.Control.Set(a)
	s.Control.AwaitState(t, a.ID, agent.Up)
	if err := f.Stop(t.Context(), a.ID, 0); err != nil {
		t.Fatal(err)
	}
	c := s.Control.AwaitState(t, a.ID, agent.Crashed)
	if c.Reason != "its container was removed by someone else" || !c.Platform {
		t.Errorf("%+v", c)
	}
}

// A set that comes without an instance removes it, whatever it was doing.
func TestDropped(t *testing.T) {
	f, s := stage(t, agent.Config{})
	all := []agent.Assignment{assign("web"), assign("silent"), assign("exit", "1"), assign("deaf")}
	for i := range all {
		all[i].Grace = 100 * time.Millisecond
	}
	s.Control.Set(all...)
	s.Control.AwaitState(t, all[0].ID, agent.Up)
	s.Control.AwaitState(t, all[1].ID, agent.Starting)
	s.Control.AwaitState(t, all[2].ID, agent.Crashed)
	s.Control.AwaitState(t, all[3].ID, agent.Up)
	s.Control.Set()
	eventually(t, "all to go", func() bool {
		list, _ := f.List(t.Context())
		return len(list) == 0 && len(f.Networks()) == 0
	})
	// It may come back: an id is the scheduler's business.
	s.Control.Forget(all[0].ID)
	s.Control.Set(all[0])
	s.Control.AwaitState(t, all[0].ID, agent.Up)
}

func TestManyAtOnce(t *testing.T) {
	f, s := stage(t, agent.Config{MaxStarts: 3})
	var running, most atomic.Int64
	f.SetHook(func(_ context.Context, op, _ string) error {
		if op == "start" {
			n := running.Add(1)
			for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
			}
			time.Sleep(time.Millisecond) // so that they would overlap
			running.Add(-1)
		}
		return nil
	})
	var set, stop []agent.Assignment
	for range 40 {
		a := assign("web")
		set, stop = append(set, a), append(stop, stopped(a))
	}
	s.Control.Set(set...)
	for _, a := range set {
		s.Control.AwaitState(t, a.ID, agent.Up)
	}
	if m := most.Load(); m > 3 {
		t.Errorf("%d starts at once", m)
	}
	s.Control.Set(stop...)
	for _, a := range set {
		s.Control.AwaitState(t, a.ID, agent.Stopped)
	}
}
