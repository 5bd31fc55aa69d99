package agent_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"paas/scheduler/agent"
	"paas/scheduler/agent/agenttest"
)

// What a ticker prints arrives once and in order, over restarts of the agent
// and streams that break.
func TestOutputOverRestarts(t *testing.T) {
	f, s := stage(t, agent.Config{})
	a := assign("ticker")
	a.Port = 0
	s.Control.Set(a)
	for range 3 {
		n := len(s.Control.Lines(a.ID))
		s.Control.Await(t, "more lines", func() bool { return len(s.Control.Lines(a.ID)) > n+200 })
		s.Stop()
		s.Start(t)
		s.Control.Set(a)
	}
	var broken atomic.Int64
	f.SetHook(func(_ context.Context, op, _ string) error {
		if op == "logs" && broken.Add(1) < 4 {
			return errors.New("unexpected EOF")
		}
		return nil
	})
	s.Stop()
	s.Start(t)
	s.Control.Set(a)
	n := len(s.Control.Lines(a.ID))
	s.Control.Await(t, "more lines", func() bool { return len(s.Control.Lines(a.ID)) > n+200 })
	s.Control.Set(stopped(a))
	s.Control.AwaitState(t, a.ID, agent.Stopped)
	agenttest.InOrder(t, s.Control.Lines(a.ID))
}

// The control plane hears of the start before the first word of the process,
// also when it takes the report late, so that a log reads in that order.
func TestStartIsToldBeforeTheFirstLine(t *testing.T) {
	_, s := stage(t, agent.Config{})
	s.Control.Refuse(2)
	a := assign("ticker")
	a.Port = 0
	s.Control.Set(a)
	s.Control.Await(t, "a line", func() bool {
		lines := len(s.Control.Lines(a.ID))
		if lines > 0 && len(s.Control.Statuses(a.ID)) == 0 {
			t.Fatal("lines came before the report of the start")
		}
		return lines > 0
	})
	if at := s.Control.Statuses(a.ID)[0].At; at.After(s.Control.Lines(a.ID)[0].At) {
		t.Errorf("started at %s, first line at %s", at, s.Control.Lines(a.ID)[0].At)
	}
}

// A flood is cut to what the bucket lets through, and what is missing is counted.
func TestFlood(t *testing.T) {
	_, s := stage(t, agent.Config{LogRate: 20 << 10, LogBurst: 40 << 10})
	a := assign("flood")
	a.Port = 0
	s.Control.Set(a)
	notes := func() (lines, dropped int) {
		for _, l := range s.Control.Lines(a.ID) {
			n := 0
			if _, err := fmt.Sscanf(l.Text, "%d lines dropped: web.1 prints faster than 20 KB/s", &n); err == nil {
				dropped += n
				if !l.Platform || !strings.HasSuffix(l.Text, "20 KB/s") {
					t.Error(l.Text)
				}
			} else {
				lines++
			}
		}
		return lines, dropped
	}
	s.Control.Await(t, "a note", func() bool { _, d := notes(); return d > 0 })
	s.Control.Set(stopped(a))
	s.Control.AwaitState(t, a.ID, agent.Stopped)
	lines, dropped := notes()
	// Nothing is unaccounted for: lines are numbered.
	last, extra := -1, 0
	for _, l := range s.Control.Lines(a.ID) {
		n := 0
		if _, err := fmt.Sscanf(l.Text, "line %d", &n); err == nil {
			last, extra = n, 0
		} else if _, err := fmt.Sscanf(l.Text, "%d lines dropped", &n); err == nil {
			extra = n
		}
	}
	if lines+dropped != last+1+extra {
		t.Errorf("%d lines and %d dropped, but the last is number %d with %d after it", lines, dropped, last, extra)
	}
	if size := lines * 52; size > 200<<10 {
		t.Errorf("%d bytes came through", size)
	}
}

// A control plane that takes its time with lines loses none.
func TestSlowControl(t *testing.T) {
	f := agenttest.NewFake()
	t.Cleanup(f.Close)
	s := agenttest.NewStage(t, quick(agent.Config{}), f)
	s.Control.Slow(20 * time.Millisecond)
	a := assign("lines", "20000")
	a.Port = 0
	s.Control.Set(a)
	s.Control.Await(t, "all lines", func() bool { return len(s.Control.Lines(a.ID)) >= 20000 })
	agenttest.InOrder(t, s.Control.Lines(a.ID))
}
