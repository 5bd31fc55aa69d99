package agenttest

import (
	"context"
	"log/slog"
	"sync"
	"testing"

	"paas/scheduler/agent"
)

// Stage runs an agent that can be stopped and started again.
type Stage struct {
	Control *Control

	cfg     agent.Config
	runtime agent.Runtime
	stop    func()
}

// NewStage makes one; the agent runs until the test ends.
func NewStage(t testing.TB, cfg agent.Config, rt agent.Runtime) *Stage {
	s := &Stage{Control: NewControl(), cfg: cfg, runtime: rt, stop: func() {}}
	if s.cfg.Host == "" {
		s.cfg.Host = "host-1"
	}
	s.Start(t)
	t.Cleanup(func() { s.Stop() })
	return s
}

// Start runs a new agent on the same runtime and control plane.
func (s *Stage) Start(t testing.TB) {
	t.Helper()
	a, err := agent.New(s.cfg, s.Control, s.runtime, slog.New(slog.NewTextHandler(t.Output(), nil)))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = a.Run(ctx) // the context's
	}()
	s.stop = sync.OnceFunc(func() {
		cancel()
		<-done
	})
}

// Stop ends the agent and waits for all it began.
func (s *Stage) Stop() { s.stop() }
