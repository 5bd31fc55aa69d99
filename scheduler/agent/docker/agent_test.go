package docker_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"paas/scheduler/agent"
	"paas/scheduler/agent/agenttest"
	"paas/scheduler/agent/docker"
)

// The agent on a real engine: what the fake cannot show.

func onEngine(t *testing.T, cfg docker.Config) (*docker.Runtime, *agenttest.Stage) {
	r := newRuntime(t, cfg)
	return r, agenttest.NewStage(t, agent.Config{Survey: 500 * time.Millisecond, Settle: 200 * time.Millisecond, LogRate: 200 << 10, LogBurst: 400 << 10}, r)
}

// finish stops all and sees that nothing is left.
func finish(t *testing.T, r *docker.Runtime, s *agenttest.Stage, set ...agent.Assignment) {
	t.Helper()
	for i := range set {
		set[i].Stop = true
	}
	s.Control.Set(set...)
	for _, a := range set {
		s.Control.AwaitState(t, a.ID, agent.Stopped)
	}
	s.Stop()
	if list, err := r.List(deadline(t)); err != nil || len(list) > 0 {
		t.Errorf("left: %+v, %v", list, err)
	}
}

func TestAgentServes(t *testing.T) {
	r, s := onEngine(t, config())
	a, b := assign(t, 10, "web"), assign(t, 10, "late", "200ms")
	s.Control.Set(a, b)
	s.Control.AwaitState(t, b.ID, agent.Up)
	up := s.Control.AwaitState(t, a.ID, agent.Up)
	if !strings.HasPrefix(up.Addr, "10.251.10.") || !strings.HasSuffix(up.Addr, ":8080") {
		t.Errorf("%+v", up)
	}

	// A new agent takes the containers over as they are.
	before, err := r.List(deadline(t))
	if err != nil {
		t.Fatal(err)
	}
	s.Stop()
	s.Control.Forget(a.ID)
	s.Start(t)
	began := time.Now()
	s.Control.Set(a, b)
	if again := s.Control.AwaitState(t, a.ID, agent.Up); again.Addr != up.Addr {
		t.Errorf("%+v, then %+v", up, again)
	}
	t.Logf("up again %s after the set", time.Since(began))
	if after, err := r.List(deadline(t)); err != nil || !slices.Equal(after, before) {
		t.Errorf("%+v, then %+v, %v", before, after, err)
	}
	finish(t, r, s, a, b)
	if end := s.Control.AwaitState(t, a.ID, agent.Stopped); end.ExitCode != 0 || end.Reason != "" {
		t.Errorf("%+v", end)
	}
	if lines := s.Control.Lines(a.ID); lines[0].Text != "listening" || lines[len(lines)-1].Text != "bye" {
		t.Errorf("%+v", lines)
	}
}

func TestAgentSeesEnds(t *testing.T) {
	r, s := onEngine(t, config())
	eater, quitter, deaf, silent := assign(t, 11, "eat"), assign(t, 11, "exit", "7", "farewell"), assign(t, 11, "deaf"), assign(t, 11, "silent")
	deaf.Grace = 500 * time.Millisecond
	silent.Probe.Deadline = time.Second
	set := []agent.Assignment{eater, quitter, deaf, silent}
	s.Control.Set(set...)
	s.Control.Await(t, "a word of the eater", func() bool { return len(s.Control.Lines(eater.ID)) > 0 })
	mayEat(t, eater)
	if c := s.Control.AwaitState(t, eater.ID, agent.Crashed); !c.OOM || c.ExitCode != 137 ||
		c.Reason != "killed: over its 64 MB memory limit (Error R14)" ||
		!strings.HasPrefix(c.Notes, "Process running mem=64M(100.0%)\nError R14 (Memory quota exceeded)\nThe kernel killed the process") {
		t.Errorf("%+v", c)
	}
	if c := s.Control.AwaitState(t, quitter.ID, agent.Crashed); c.ExitCode != 7 || c.OOM || c.Reason != "process exited with status 7" {
		t.Errorf("%+v", c)
	}
	if l := s.Control.Lines(quitter.ID); len(l) != 1 || l[0].Text != "farewell" {
		t.Errorf("%+v", l)
	}
	if c := s.Control.AwaitState(t, silent.ID, agent.Crashed); !strings.HasPrefix(c.Reason, "nothing listens on 0.0.0.0:8080 after 1s: connection refused") {
		t.Errorf("%+v", c)
	}
	s.Control.AwaitState(t, deaf.ID, agent.Up)
	finish(t, r, s, set...)
	if c := s.Control.AwaitState(t, deaf.ID, agent.Stopped); c.ExitCode != 137 || !strings.Contains(c.Reason, "R12") {
		t.Errorf("%+v", c)
	}
}

func TestAgentKeepsOutput(t *testing.T) {
	p := newProxy(t)
	cfg := config()
	cfg.Socket, cfg.CallTimeout = p.address, 2*time.Second
	r, s := onEngine(t, cfg)
	a := assign(t, 12, "ticker")
	a.Port = 0
	s.Control.Set(a)
	more := func() {
		t.Helper()
		n := len(s.Control.Lines(a.ID))
		s.Control.Await(t, "more lines", func() bool { return len(s.Control.Lines(a.ID)) > n+300 })
	}
	more()
	s.Stop() // the agent goes and comes back
	s.Start(t)
	s.Control.Set(a)
	more()
	p.cut() // the engine's connections break
	more()
	p.hang() // the engine falls silent
	time.AfterFunc(500*time.Millisecond, p.resume)
	more()
	finish(t, r, s, a)
	agenttest.InOrder(t, s.Control.Lines(a.ID))
	if slices.ContainsFunc(s.Control.Statuses(a.ID), func(st agent.Status) bool { return st.State == agent.Crashed }) {
		t.Errorf("%+v", s.Control.Statuses(a.ID))
	}
}

// The engine stops answering: what runs stays up, what is to start says why it
// waits, and all goes on when the engine does.
func TestAgentOutlivesSilence(t *testing.T) {
	p := newProxy(t)
	cfg := config()
	cfg.Socket, cfg.CallTimeout, cfg.StartTimeout = p.address, 2*time.Second, 10*time.Second
	r, s := onEngine(t, cfg)
	a, b := assign(t, 13, "web"), assign(t, 13, "web")
	s.Control.Set(a)
	s.Control.AwaitState(t, a.ID, agent.Up)
	p.hang()
	s.Control.Set(a, b)
	wait := s.Control.AwaitState(t, b.ID, agent.Starting)
	if !wait.Platform || !strings.Contains(wait.Reason, "did not answer in time") {
		t.Errorf("%+v", wait)
	}
	p.resume()
	s.Control.AwaitState(t, b.ID, agent.Up)
	if got := s.Control.Statuses(a.ID); len(got) != 2 {
		t.Errorf("%+v", got)
	}
	finish(t, r, s, a, b)
}

func TestAgentFlood(t *testing.T) {
	r, s := onEngine(t, config())
	a := assign(t, 14, "flood")
	a.Port = 0
	s.Control.Set(a)
	s.Control.Await(t, "a note of dropped lines", func() bool {
		return slices.ContainsFunc(s.Control.Lines(a.ID), func(l agent.Line) bool {
			var n int
			_, err := fmt.Sscanf(l.Text, "%d lines dropped: web.1 prints faster than 200 KB/s", &n)
			return err == nil && n > 0
		})
	})
	finish(t, r, s, a)
	size := 0
	for _, l := range s.Control.Lines(a.ID) {
		size += len(l.Text) + 1
	}
	if size > 5<<20 {
		t.Errorf("%d bytes came through", size)
	}
}
