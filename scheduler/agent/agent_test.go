package agent_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"paas/scheduler/agent"
	"paas/scheduler/agent/agenttest"
)

var serial atomic.Int64

func stage(t *testing.T, cfg agent.Config) (*agenttest.Fake, *agenttest.Stage) {
	f := agenttest.NewFake()
	t.Cleanup(f.Close)
	return f, agenttest.NewStage(t, quick(cfg), f)
}

// quick fills in times that tests can wait for.
func quick(cfg agent.Config) agent.Config {
	if cfg.Survey == 0 {
		cfg.Survey = 50 * time.Millisecond
	}
	if cfg.Settle == 0 {
		cfg.Settle = 50 * time.Millisecond
	}
	return cfg
}

func assign(args ...string) agent.Assignment {
	id := fmt.Sprintf("inst-%d", serial.Add(1))
	return agent.Assignment{
		ID: id, AppID: "app-" + id, App: "test", Name: "web.1", Release: 3, Image: "prog", Command: append([]string{"/prog"}, args...),
		Env: map[string]string{"PORT": fmt.Sprint(agenttest.Port())}, Port: agenttest.Port(), Probe: agent.Probe{Deadline: 10 * time.Second, Host: "test.example"},
		Network: agent.Network{Name: "net-" + id}, Limits: agent.Limits{Memory: 512 << 20}, Grace: 10 * time.Second,
	}
}

func stopped(a agent.Assignment) agent.Assignment {
	a.Stop = true
	return a
}

func states(list []agent.Status) []agent.State {
	var out []agent.State
	for _, s := range list {
		out = append(out, s.State)
	}
	return out
}

func texts(lines []agent.Line) []string {
	var out []string
	for _, l := range lines {
		out = append(out, l.Text)
	}
	return out
}

func TestFromStartToStop(t *testing.T) {
	f, s := stage(t, agent.Config{})
	a := assign("web")
	a.Probe.Path = "/health"
	s.Control.Set(a)
	up := s.Control.AwaitState(t, a.ID, agent.Up)
	if !strings.HasPrefix(up.Addr, "127.") || !strings.HasSuffix(up.Addr, fmt.Sprint(":", agenttest.Port())) || up.At.IsZero() {
		t.Errorf("%+v", up)
	}
	s.Control.Set(stopped(a))
	end := s.Control.AwaitState(t, a.ID, agent.Stopped)
	if end.ExitCode != 0 || end.Reason != "" {
		t.Errorf("%+v", end)
	}
	if got := states(s.Control.Statuses(a.ID)); !slices.Equal(got, []agent.State{agent.Starting, agent.Up, agent.Stopping, agent.Stopped}) {
		t.Error(got)
	}
	lines := s.Control.Lines(a.ID)
	if got := texts(lines); !slices.Equal(got, []string{"listening", "GET test.example /health", "bye"}) {
		t.Error(got)
	}
	if l := lines[0]; l.AppID != a.AppID || l.Name != "web.1" || l.At.IsZero() {
		t.Errorf("%+v", l)
	}
	if list, _ := f.List(context.Background()); len(list) != 0 {
		t.Errorf("%+v", list)
	}
	s.Control.Set()
	eventually(t, "the network to go", func() bool { return len(f.Networks()) == 0 })
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for late := time.Now().Add(20 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(late) {
			t.Fatal("waited in vain for ", what)
		}
	}
}

func TestTakesOverWhatRuns(t *testing.T) {
	f, s := stage(t, agent.Config{})
	a, worker := assign("web"), assign("silent")
	worker.Port = 0
	s.Control.Set(a, worker)
	first := s.Control.AwaitState(t, a.ID, agent.Up)
	s.Control.AwaitState(t, worker.ID, agent.Up)
	s.Stop()
	for _, id := range []string{a.ID, worker.ID} {
		s.Control.Forget(id)
	}
	s.Start(t)
	s.Control.Set(a, worker)
	if again := s.Control.AwaitState(t, a.ID, agent.Up); again.Addr != first.Addr {
		t.Errorf("first %+v, again %+v", first, again)
	}
	s.Control.AwaitState(t, worker.ID, agent.Up)
	for _, id := range []string{a.ID, worker.ID} {
		if got := states(s.Control.Statuses(id)); !slices.Equal(got, []agent.State{agent.Up}) {
			t.Error("after the restart:", got)
		}
		if n := f.Starts(id); n != 1 {
			t.Errorf("%d processes were started", n)
		}
	}
	// And it is still watched.
	f.Kill(a.ID)
	if c := s.Control.AwaitState(t, a.ID, agent.Crashed); c.ExitCode != 137 {
		t.Errorf("%+v", c)
	}
}

func TestRemovesOrphansOnlyWhenItKnows(t *testing.T) {
	f, s := stage(t, agent.Config{Survey: 10 * time.Millisecond})
	a, orphan := assign("web"), assign("silent")
	if _, err := f.Start(t.Context(), orphan); err != nil {
		t.Fatal(err)
	}
	// No set was received yet: several surveys pass and touch nothing.
	var surveys atomic.Int64
	f.SetHook(func(_ context.Context, op, _ string) error {
		if op == "list" {
			surveys.Add(1)
		}
		return nil
	})
	eventually(t, "surveys", func() bool { return surveys.Load() > 3 })
	if list, _ := f.List(t.Context()); len(list) != 1 {
		t.Fatal("removed without knowing")
	}
	s.Control.Set(a)
	s.Control.AwaitState(t, a.ID, agent.Up)
	late := assign("silent") // made by someone else in between
	if _, err := f.Start(t.Context(), late); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the orphans to go", func() bool {
		list, _ := f.List(t.Context())
		return len(list) == 1 && list[0].Instance == a.ID
	})
	if got := s.Control.Statuses(orphan.ID); len(got) != 0 {
		t.Errorf("reported: %+v", got)
	}
}

func TestCrash(t *testing.T) {
	f, s := stage(t, agent.Config{})
	a := assign("exit", "3", "I", "cannot", "go", "on")
	s.Control.Set(a)
	c := s.Control.AwaitState(t, a.ID, agent.Crashed)
	if c.ExitCode != 3 || c.Reason != "process exited with status 3" || c.Platform {
		t.Errorf("%+v", c)
	}
	// The last words come before the news.
	if got := texts(s.Control.Lines(a.ID)); !slices.Equal(got, []string{"I cannot go on"}) {
		t.Error(got)
	}
	// A new agent finds it ended, says so, and does not run it again.
	s.Stop()
	s.Control.Forget(a.ID)
	s.Start(t)
	s.Control.Set(a)
	if c := s.Control.AwaitState(t, a.ID, agent.Crashed); c.ExitCode != 3 {
		t.Errorf("%+v", c)
	}
	if n := f.Starts(a.ID); n != 1 {
		t.Errorf("%d processes were started", n)
	}
	s.Control.Set(stopped(a))
	s.Control.AwaitState(t, a.ID, agent.Stopped)
	if list, _ := f.List(t.Context()); len(list) != 0 {
		t.Errorf("%+v", list)
	}
}

func TestCrashAfterUp(t *testing.T) {
	f, s := stage(t, agent.Config{})
	a := assign("web")
	s.Control.Set(a)
	s.Control.AwaitState(t, a.ID, agent.Up)
	f.Kill(a.ID)
	if c := s.Control.AwaitState(t, a.ID, agent.Crashed); c.ExitCode != 137 || c.Reason != "process exited with status 137" {
		t.Errorf("%+v", c)
	}
}

func TestBootTimeout(t *testing.T) {
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"never binds": {[]string{"silent"}, "nothing listens on 0.0.0.0:%d after 300ms: connection refused (Error R10 (Boot timeout)); the process has to listen on $PORT of all addresses, not of 127.0.0.1 only"},
		"answers 503": {[]string{"status", "503"}, "GET / on port %d answered 503; it was not healthy within 300ms (Error R10 (Boot timeout))"},
		"is mute":     {[]string{"mute"}, "GET / on port %d did not answer; it was not healthy within 300ms (Error R10 (Boot timeout))"},
	} {
		t.Run(name, func(t *testing.T) {
			f, s := stage(t, agent.Config{})
			a := assign(c.args...)
			a.Probe.Deadline = 300 * time.Millisecond
			began := time.Now()
			s.Control.Set(a)
			got := s.Control.AwaitState(t, a.ID, agent.Crashed)
			if got.Reason != fmt.Sprintf(c.want, a.Port) || got.Platform {
				t.Errorf("%+v", got)
			}
			if took := time.Since(began); took < 300*time.Millisecond {
				t.Errorf("after %s", took)
			}
			eventually(t, "the process to be killed", func() bool { list, _ := f.List(t.Context()); return len(list) == 0 })
			s.Control.Set(stopped(a))
			s.Control.AwaitState(t, a.ID, agent.Stopped)
			if got := states(s.Control.Statuses(a.ID)); !slices.Equal(got, []agent.State{agent.Starting, agent.Crashed, agent.Stopped}) {
				t.Error(got)
			}
		})
	}
}

func TestHealthyStatuses(t *testing.T) {
	_, s := stage(t, agent.Config{})
	for _, args := range [][]string{{"status", "302"}, {"status", "404"}, {"status", "204"}, {"late", "150ms"}} {
		a := assign(args...)
		s.Control.Set(a)
		s.Control.AwaitState(t, a.ID, agent.Up)
	}
}

func TestWithoutPort(t *testing.T) {
	_, s := stage(t, agent.Config{Settle: 200 * time.Millisecond})
	worker, job := assign("silent"), assign("exit", "0", "done")
	worker.Port, job.Port = 0, 0
	began := time.Now()
	s.Control.Set(worker, job)
	if up := s.Control.AwaitState(t, worker.ID, agent.Up); up.Addr != "" || time.Since(began) < 200*time.Millisecond {
		t.Errorf("%+v after %s", up, time.Since(began))
	}
	end := s.Control.AwaitState(t, job.ID, agent.Crashed)
	if end.ExitCode != 0 || end.Reason != "process exited with status 0" {
		t.Errorf("%+v", end)
	}
	if slices.Contains(states(s.Control.Statuses(job.ID)), agent.Up) {
		t.Error("it was called up")
	}
}

func TestIgnoresSIGTERM(t *testing.T) {
	_, s := stage(t, agent.Config{})
	a := assign("deaf")
	a.Grace = 200 * time.Millisecond
	s.Control.Set(a)
	s.Control.AwaitState(t, a.ID, agent.Up)
	s.Control.Set(stopped(a))
	end := s.Control.AwaitState(t, a.ID, agent.Stopped)
	if end.ExitCode != 137 || end.Reason != "did not exit within 200ms of SIGTERM: Error R12 (Exit timeout)" {
		t.Errorf("%+v", end)
	}
}

func TestReportsUntilTaken(t *testing.T) {
	_, s := stage(t, agent.Config{})
	s.Control.Refuse(4)
	a, b := assign("web"), assign("exit", "1")
	s.Control.Set(a, b)
	s.Control.AwaitState(t, a.ID, agent.Up)
	s.Control.AwaitState(t, b.ID, agent.Crashed)
	if got := states(s.Control.Statuses(a.ID)); !slices.Equal(got, []agent.State{agent.Starting, agent.Up}) {
		t.Error(got)
	}
}
