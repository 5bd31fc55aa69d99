package agent_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"paas/scheduler/agent"
)

// once makes an assignment that runs once.
func once(args ...string) agent.Assignment {
	a := assign(args...)
	a.Name, a.OneOff, a.Port = "run.1234", true, 0
	return a
}

func TestOneOffEnds(t *testing.T) {
	f, s := stage(t, agent.Config{Settle: time.Hour}) // it is up when it runs, not later
	good, bad := once("exit", "0", "done"), once("exit", "3", "no")
	s.Control.Set(good, bad)
	if e := s.Control.AwaitState(t, good.ID, agent.Exited); e.ExitCode != 0 || e.Halted || e.Platform {
		t.Errorf("%+v", e)
	}
	if e := s.Control.AwaitState(t, bad.ID, agent.Exited); e.ExitCode != 3 || e.Reason != "process exited with status 3" || e.Halted {
		t.Errorf("%+v", e)
	}
	for _, a := range []agent.Assignment{good, bad} {
		if got := s.Control.Lines(a.ID); len(got) != 1 {
			t.Errorf("%+v", got)
		}
	}
	// It is not run again, by this agent or the next, and goes when told to.
	s.Stop()
	s.Control.Forget(good.ID)
	s.Start(t)
	s.Control.Set(good, bad)
	if e := s.Control.AwaitState(t, good.ID, agent.Exited); e.ExitCode != 0 {
		t.Errorf("%+v", e)
	}
	if n := f.Starts(good.ID); n != 1 {
		t.Error("starts:", n)
	}
	s.Control.Set(stopped(good), stopped(bad))
	s.Control.AwaitState(t, good.ID, agent.Stopped)
	s.Control.AwaitState(t, bad.ID, agent.Stopped)
	if list, _ := f.List(t.Context()); len(list) != 0 {
		t.Errorf("%+v", list)
	}
}

func TestOneOffDoesNotStart(t *testing.T) {
	for name, c := range map[string]struct {
		err      error
		code     int
		platform bool
	}{
		"image gone":        {&agent.Fault{Kind: agent.FaultLasting, Err: errors.New("pull image x: not found")}, 126, true},
		"no such command":   {&agent.Fault{Kind: agent.FaultApp, Err: fmt.Errorf("%w: exec", agent.ErrNotFound)}, 127, false},
		"not executable":    {&agent.Fault{Kind: agent.FaultApp, Err: errors.New("exec format error")}, 126, false},
		"platform stays so": {errors.New("no space left"), 126, true},
	} {
		t.Run(name, func(t *testing.T) {
			f, s := stage(t, agent.Config{StartBound: 100 * time.Millisecond})
			f.SetHook(func(_ context.Context, op, _ string) error {
				if op == "start" {
					return c.err
				}
				return nil
			})
			a := once("exit", "0")
			s.Control.Set(a)
			e := s.Control.AwaitState(t, a.ID, agent.Exited)
			if e.ExitCode != c.code || e.Platform != c.platform || e.Reason != c.err.Error() {
				t.Errorf("%+v", e)
			}
		})
	}
}

func TestOneOffLimit(t *testing.T) {
	f, s := stage(t, agent.Config{})
	polite, deaf := once("silent"), once("hold")
	for _, a := range []*agent.Assignment{&polite, &deaf} {
		a.Limit, a.Grace = 300*time.Millisecond, 200*time.Millisecond
	}
	began := time.Now()
	s.Control.Set(polite, deaf)
	// It ended with 0 by itself, but too late: that is no success.
	if e := s.Control.AwaitState(t, polite.ID, agent.Exited); e.ExitCode != 143 || !e.Halted || e.Reason != "ran longer than its limit of 300ms" {
		t.Errorf("%+v", e)
	}
	e := s.Control.AwaitState(t, deaf.ID, agent.Exited)
	if e.ExitCode != 137 || !e.Halted || !strings.HasPrefix(e.Reason, "ran longer than its limit of 300ms; it did not exit within 200ms") {
		t.Errorf("%+v", e)
	}
	if took := time.Since(began); took < 500*time.Millisecond {
		t.Error("after", took)
	}
	if list, _ := f.List(t.Context()); len(list) != 2 { // the memory that they ran
		t.Errorf("%+v", list)
	}
}

// What runs when an agent comes is taken over with the time it has left.
func TestOneOffTakenOver(t *testing.T) {
	f, s := stage(t, agent.Config{})
	a, b := once("ticker"), once("silent")
	b.Limit = time.Second
	s.Control.Set(a, b)
	s.Control.AwaitState(t, a.ID, agent.Up)
	s.Control.AwaitState(t, b.ID, agent.Up)
	s.Stop()
	s.Start(t)
	n := len(s.Control.Lines(a.ID))
	s.Control.Set(a, b)
	s.Control.Await(t, "its output to go on", func() bool { return len(s.Control.Lines(a.ID)) > n })
	if e := s.Control.AwaitState(t, b.ID, agent.Exited); e.Reason != "ran longer than its limit of 1s" {
		t.Errorf("%+v", e)
	}
	f.Kill(a.ID)
	if e := s.Control.AwaitState(t, a.ID, agent.Exited); e.ExitCode != 137 || e.Halted {
		t.Errorf("%+v", e)
	}
	if got := states(s.Control.Statuses(a.ID)); slices.Index(got, agent.Exited) != len(got)-1 || f.Starts(a.ID) != 1 {
		t.Error(got)
	}
}
