package agent_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"paas/scheduler/agent"
	"paas/scheduler/agent/agenttest"
)

// guest is the client of a session.
type guest struct {
	agent.Session
	in       *io.PipeWriter
	out, err *agenttest.Buffer
	leave    func()
	end      chan agent.SessionEnd
}

func visitor(instance string, kind agent.SessionKind, command ...string) *guest {
	gone := make(chan struct{})
	r, w := io.Pipe()
	g := &guest{in: w, out: agenttest.NewBuffer(), err: agenttest.NewBuffer(), end: make(chan agent.SessionEnd, 2), leave: sync.OnceFunc(func() { close(gone) })}
	g.Session = agent.Session{Instance: instance, Kind: kind, Command: command, Gone: gone,
		IO: agent.IO{In: r, Out: g.out, Err: g.err}, Ended: func(e agent.SessionEnd) { g.end <- e }}
	return g
}

func (g *guest) wait(t *testing.T) agent.SessionEnd {
	t.Helper()
	select {
	case e := <-g.end:
		return e
	case <-time.After(30 * time.Second):
		t.Fatalf("the session does not end; output %q", g.out.String())
		return agent.SessionEnd{}
	}
}

// says checks that the session ended with an error of that text.
func (g *guest) says(t *testing.T, want string) {
	t.Helper()
	if e := g.wait(t); e.Err == nil || !strings.Contains(e.Err.Error(), want) || g.Kind != agent.Forward && e.ExitCode == 0 {
		t.Errorf("%+v, not %q", e, want)
	}
}

func attached(args ...string) agent.Assignment {
	a := once(args...)
	a.Attach = true
	return a
}

func TestAttach(t *testing.T) {
	f, s := stage(t, agent.Config{})
	a := attached("cat")
	g := visitor(a.ID, agent.Attach)
	s.Control.Open(t.Context(), g.Session) // before the assignment
	s.Control.Set(a)
	s.Control.AwaitState(t, a.ID, agent.Up)
	if _, err := io.WriteString(g.in, "hello"); err != nil {
		t.Fatal(err)
	}
	g.out.Await(t, "hello")
	second := visitor(a.ID, agent.Attach)
	s.Control.Open(t.Context(), second.Session)
	second.says(t, "run.1234 cannot be attached to any more")
	g.in.Close()
	if e := g.wait(t); e.ExitCode != 0 || e.Err != nil {
		t.Errorf("%+v", e)
	}
	if e := s.Control.AwaitState(t, a.ID, agent.Exited); e.ExitCode != 0 || e.Halted {
		t.Errorf("%+v", e)
	}
	if l := s.Control.Lines(a.ID); len(l) != 0 {
		t.Errorf("in the log: %+v", l)
	}
	s.Control.Set(stopped(a))
	s.Control.AwaitState(t, a.ID, agent.Stopped)
	late := visitor(a.ID, agent.Attach)
	s.Control.Open(t.Context(), late.Session)
	late.says(t, "any more")
	if list, _ := f.List(t.Context()); len(list) != 0 {
		t.Errorf("%+v", list)
	}
}

func TestAttachExitCode(t *testing.T) {
	_, s := stage(t, agent.Config{})
	a := attached("both")
	s.Control.Set(a)
	g := visitor(a.ID, agent.Attach)
	s.Control.Open(t.Context(), g.Session)
	if e := g.wait(t); e.ExitCode != 3 || e.Err != nil || g.out.String() != "to stdout\n" || g.err.String() != "to stderr\n" {
		t.Errorf("%+v, %q, %q", e, g.out.String(), g.err.String())
	}
	if e := s.Control.AwaitState(t, a.ID, agent.Exited); e.ExitCode != 3 {
		t.Errorf("%+v", e)
	}
}

func TestAttachNobodyComes(t *testing.T) {
	f, s := stage(t, agent.Config{AttachWait: 100 * time.Millisecond})
	a := attached("cat")
	s.Control.Set(a)
	e := s.Control.AwaitState(t, a.ID, agent.Exited)
	if !e.Halted || e.ExitCode == 0 || e.Reason != "it did not run: its client did not come within 100ms" || f.Starts(a.ID) != 0 {
		t.Errorf("%+v, %d starts", e, f.Starts(a.ID))
	}
	g := visitor(a.ID, agent.Attach)
	s.Control.Open(t.Context(), g.Session)
	g.says(t, "its client did not come within 100ms")
	s.Control.Set(stopped(a))
	s.Control.AwaitState(t, a.ID, agent.Stopped)
	if list, _ := f.List(t.Context()); len(list) != 0 {
		t.Errorf("%+v", list)
	}
}

func TestAttachClientLeaves(t *testing.T) {
	f, s := stage(t, agent.Config{})
	a := attached("shell")
	a.TTY = true
	s.Control.Set(a)
	g := visitor(a.ID, agent.Attach)
	s.Control.Open(t.Context(), g.Session)
	g.out.Await(t, "ready")
	g.leave()
	e := s.Control.AwaitState(t, a.ID, agent.Exited)
	if !e.Halted || e.ExitCode != 129 || e.Reason != "its client went away" {
		t.Errorf("%+v", e)
	}
	g.says(t, "its client went away")
	if list, _ := f.List(t.Context()); len(list) != 1 || list[0].Running {
		t.Errorf("%+v", list)
	}
}

func TestAttachLimitAndStop(t *testing.T) {
	_, s := stage(t, agent.Config{})
	a, b := attached("shell"), attached("shell")
	a.Limit, a.Grace, b.Grace = 300*time.Millisecond, 100*time.Millisecond, 100*time.Millisecond
	s.Control.Set(a, b)
	ga, gb := visitor(a.ID, agent.Attach), visitor(b.ID, agent.Attach)
	s.Control.Open(t.Context(), ga.Session)
	s.Control.Open(t.Context(), gb.Session)
	ga.says(t, "run.1234: ran longer than its limit of 300ms")
	s.Control.AwaitState(t, a.ID, agent.Exited)
	gb.out.Await(t, "ready")
	s.Control.Set(stopped(a), stopped(b))
	gb.says(t, "run.1234 was stopped")
	s.Control.AwaitState(t, b.ID, agent.Stopped)
}

func TestAttachDoesNotStart(t *testing.T) {
	f, s := stage(t, agent.Config{})
	f.SetHook(func(_ context.Context, op, _ string) error {
		switch op {
		case "start":
			return &agent.Fault{Kind: agent.FaultLasting, Err: errors.New("pull image x: gone")}
		case "attach":
			return errors.New("attach: the engine is not itself")
		}
		return nil
	})
	a := attached("cat")
	g := visitor(a.ID, agent.Attach)
	s.Control.Open(t.Context(), g.Session)
	s.Control.Set(a)
	g.says(t, "pull image x: gone")
	f.SetHook(func(_ context.Context, op, _ string) error {
		if op == "attach" {
			return errors.New("attach: the engine is not itself")
		}
		return nil
	})
	b := attached("cat")
	s.Control.Set(b)
	g = visitor(b.ID, agent.Attach)
	s.Control.Open(t.Context(), g.Session)
	g.says(t, "the engine is not itself")
	if e := s.Control.AwaitState(t, b.ID, agent.Exited); !e.Platform || e.ExitCode != 126 {
		t.Errorf("%+v", e)
	}
}

// What an agent leaves of attached ones, the next one clears away.
func TestAttachOverRestart(t *testing.T) {
	f, s := stage(t, agent.Config{})
	waiting, running, ended := attached("cat"), attached("shell"), attached("both")
	running.Grace = 100 * time.Millisecond
	s.Control.Set(waiting, running, ended)
	g, h := visitor(running.ID, agent.Attach), visitor(ended.ID, agent.Attach)
	s.Control.Open(t.Context(), g.Session)
	s.Control.Open(t.Context(), h.Session)
	h.wait(t)
	g.out.Await(t, "ready")
	eventually(t, "the container to be made", func() bool { list, _ := f.List(t.Context()); return len(list) == 3 })
	s.Stop()
	g.says(t, "was cut off: the agent of its host is stopping")
	s.Control.Forget(ended.ID)
	s.Start(t)
	s.Control.Set(waiting, running, ended)
	if e := s.Control.AwaitState(t, waiting.ID, agent.Exited); !e.Halted || !strings.Contains(e.Reason, "agent was restarted before its client came") {
		t.Errorf("%+v", e)
	}
	if e := s.Control.AwaitState(t, running.ID, agent.Exited); !e.Halted || e.ExitCode == 0 || !strings.Contains(e.Reason, "its client was cut off") {
		t.Errorf("%+v", e)
	}
	if e := s.Control.AwaitState(t, ended.ID, agent.Exited); e.ExitCode != 3 || e.Halted {
		t.Errorf("%+v", e)
	}
	s.Control.Set()
	eventually(t, "all to go", func() bool { list, _ := f.List(t.Context()); return len(list) == 0 })
	if n := f.Starts(waiting.ID) + f.Starts(running.ID) + f.Starts(ended.ID); n != 2 {
		t.Error("starts:", n)
	}
}

func TestExec(t *testing.T) {
	_, s := stage(t, agent.Config{})
	a := assign("web")
	s.Control.Set(a)
	s.Control.AwaitState(t, a.ID, agent.Up)
	g := visitor(a.ID, agent.Exec, "/prog", "env")
	g.Env = map[string]string{"EXTRA": "of the session"}
	s.Control.Open(t.Context(), g.Session)
	if e := g.wait(t); e.Err != nil || e.ExitCode != 0 || !strings.Contains(g.out.String(), `"EXTRA":"of the session"`) {
		t.Errorf("%+v, %q", e, g.out.String())
	}
	for text, command := range map[string][]string{"command not found": {"/nothing"}, "no command was given": nil} {
		g := visitor(a.ID, agent.Exec, command...)
		s.Control.Open(t.Context(), g.Session)
		g.says(t, text)
	}
	g = visitor(a.ID, agent.Exec, "/prog", "shell")
	s.Control.Open(t.Context(), g.Session)
	g.out.Await(t, "ready")
	g.leave()
	g.says(t, "the client went away")
	g = visitor("nobody", agent.Exec, "/prog", "env")
	s.Control.Open(t.Context(), g.Session)
	g.says(t, "instance nobody is not on this host")
	g = visitor(a.ID, agent.Attach)
	s.Control.Open(t.Context(), g.Session)
	g.says(t, "was not started to be attached to")
	g = visitor(a.ID, "dance")
	g.Ended = func(e agent.SessionEnd) { e.ExitCode = 1; g.end <- e }
	s.Control.Open(t.Context(), g.Session)
	g.says(t, `knows no session of kind "dance"`)
	crashed := once("exit", "1")
	s.Control.Set(a, crashed)
	s.Control.AwaitState(t, crashed.ID, agent.Exited)
	g = visitor(crashed.ID, agent.Exec, "/prog", "env")
	s.Control.Open(t.Context(), g.Session)
	g.says(t, "run.1234 is not running; see ps")
}

func TestForward(t *testing.T) {
	_, s := stage(t, agent.Config{})
	a := assign("web")
	s.Control.Set(a)
	s.Control.AwaitState(t, a.ID, agent.Up)
	g := visitor(a.ID, agent.Forward)
	g.Port = a.Port
	s.Control.Open(t.Context(), g.Session)
	if _, err := io.WriteString(g.in, "GET / HTTP/1.1\r\nHost: x.example\r\nConnection: close\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if e := g.wait(t); e.Err != nil || !strings.Contains(g.out.String(), "GET x.example /") {
		t.Errorf("%+v, %q", e, g.out.String())
	}
	if _, err := io.WriteString(g.in, "more"); err == nil {
		t.Error("the input of a session that ended is still read")
	}
	for port, text := range map[int]string{0: "0 is no port", 70000: "70000 is no port", a.Port + 1: "connect to port"} {
		g := visitor(a.ID, agent.Forward)
		g.Port = port
		s.Control.Open(t.Context(), g.Session)
		g.says(t, text)
	}
	g = visitor(a.ID, agent.Forward) // an idle one ends with its client
	g.Port = a.Port
	s.Control.Open(t.Context(), g.Session)
	g.leave()
	g.wait(t)
}

// There is a bound, and sessions end with the agent.
func TestSessionsBounded(t *testing.T) {
	f, s := stage(t, agent.Config{MaxSessions: 2})
	a := assign("web")
	s.Control.Set(a)
	s.Control.AwaitState(t, a.ID, agent.Up)
	var execs atomic.Int64
	f.SetHook(func(_ context.Context, op, _ string) error {
		if op == "exec" {
			execs.Add(1)
		}
		return nil
	})
	first, second, third := visitor(a.ID, agent.Exec, "/prog", "shell"), visitor(a.ID, agent.Exec, "/prog", "shell"), visitor(a.ID, agent.Exec, "/prog", "shell")
	third.Ended = func(e agent.SessionEnd) { e.ExitCode = 1; third.end <- e }
	for _, g := range []*guest{first, second} {
		s.Control.Open(t.Context(), g.Session)
		g.out.Await(t, "ready")
	}
	s.Control.Open(t.Context(), third.Session)
	third.says(t, "the host serves 2 sessions at once")
	if n := execs.Load(); n != 2 {
		t.Error(n)
	}
	first.in.Close()
	if e := first.wait(t); e.Err != nil {
		t.Errorf("%+v", e)
	}
	s.Stop()
	second.wait(t)
}
