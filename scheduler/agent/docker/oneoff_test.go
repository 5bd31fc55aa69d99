package docker_test

import (
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"paas/scheduler/agent"
	"paas/scheduler/agent/agenttest"
)

// The agent with one-offs and sessions on a real engine.

func oneOff(t *testing.T, args ...string) agent.Assignment {
	a := assign(t, 22, args...)
	a.Name, a.OneOff, a.Port = "run.1001", true, 0
	return a
}

// visit opens a session and gives how it ends.
func visit(t *testing.T, s *agenttest.Stage, v agent.Session) (end func() agent.SessionEnd) {
	ended := make(chan agent.SessionEnd, 1)
	v.Ended = func(e agent.SessionEnd) { ended <- e }
	s.Control.Open(deadline(t), v)
	return func() agent.SessionEnd {
		select {
		case e := <-ended:
			return e
		case <-time.After(40 * time.Second):
			t.Fatal("the session does not end")
			return agent.SessionEnd{}
		}
	}
}

func TestAgentRunsOnce(t *testing.T) {
	r, s := onEngine(t, config())
	good, bad, absent, long, gone := oneOff(t, "exit", "0", "fine"), oneOff(t, "exit", "9"), oneOff(t), oneOff(t, "silent"), oneOff(t)
	absent.Command = []string{"/no/such/thing"}
	long.Limit = 2 * time.Second
	gone.Image = registryHost + "/prog@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	set := []agent.Assignment{good, bad, absent, long, gone}
	s.Control.Set(set...)
	for _, c := range []struct {
		id     string
		code   int
		halted bool
		reason string
	}{
		{good.ID, 0, false, "process exited with status 0"},
		{bad.ID, 9, false, "process exited with status 9"},
		{absent.ID, 127, false, "process exited with status 127: command not found in the image"},
		{long.ID, 143, true, "ran longer than its limit of 2s"},
		{gone.ID, 126, false, "pull image"},
	} {
		if e := s.Control.AwaitState(t, c.id, agent.Exited); e.ExitCode != c.code || e.Halted != c.halted || !strings.HasPrefix(e.Reason, c.reason) {
			t.Errorf("%+v", e)
		}
	}
	if l := s.Control.Lines(good.ID); len(l) != 1 || l[0].Text != "fine" {
		t.Errorf("%+v", l)
	}
	finish(t, r, s, set...)
}

func TestAgentAttaches(t *testing.T) {
	r, s := onEngine(t, config())
	a, shell := oneOff(t, "cat"), oneOff(t, "shell")
	a.Attach, shell.Attach, shell.TTY = true, true, true
	s.Control.Set(a, shell)
	out := agenttest.NewBuffer()
	in, typing := io.Pipe()
	end := visit(t, s, agent.Session{Instance: a.ID, Kind: agent.Attach, IO: agent.IO{In: in, Out: out}})
	if _, err := typing.Write([]byte("to and fro")); err != nil {
		t.Fatal(err)
	}
	out.Await(t, "to and fro")
	typing.Close()
	if e := end(); e.ExitCode != 0 || e.Err != nil {
		t.Errorf("%+v", e)
	}
	s.Control.AwaitState(t, a.ID, agent.Exited)

	gone := make(chan struct{})
	leave := sync.OnceFunc(func() { close(gone) })
	defer leave()
	said := agenttest.NewBuffer()
	silent, _ := io.Pipe()
	end = visit(t, s, agent.Session{Instance: shell.ID, Kind: agent.Attach, Gone: gone, IO: agent.IO{In: silent, Out: said}})
	said.Await(t, "ready")
	began := time.Now()
	leave()
	if e := s.Control.AwaitState(t, shell.ID, agent.Exited); !e.Halted || e.ExitCode != 129 || time.Since(began) > 8*time.Second {
		t.Errorf("%+v after %s", e, time.Since(began))
	}
	end()
	finish(t, r, s, a, shell)
}

// A client's input that breaks off is not taken for a whole one, however the
// connection went: the process does not get to see its end.
func TestAgentCutsInput(t *testing.T) {
	r, s := onEngine(t, config())
	a := oneOff(t, "sum")
	a.Attach, a.Grace = true, 500*time.Millisecond
	s.Control.Set(a)
	in, typing := io.Pipe()
	gone := make(chan struct{})
	out := agenttest.NewBuffer()
	end := visit(t, s, agent.Session{Instance: a.ID, Kind: agent.Attach, Gone: gone, IO: agent.IO{In: in, Out: out}})
	if _, err := typing.Write([]byte("half of ")); err != nil {
		t.Fatal(err)
	}
	s.Control.AwaitState(t, a.ID, agent.Up)
	typing.CloseWithError(errors.New("connection reset"))
	close(gone)
	if e := s.Control.AwaitState(t, a.ID, agent.Exited); !e.Halted || e.ExitCode == 0 || out.String() != "" {
		t.Errorf("%+v, %q", e, out.String())
	}
	end()
	finish(t, r, s, a)
}

func TestAgentForwards(t *testing.T) {
	r, s := onEngine(t, config())
	a := assign(t, 22, "web")
	s.Control.Set(a)
	s.Control.AwaitState(t, a.ID, agent.Up)
	out := agenttest.NewBuffer()
	end := visit(t, s, agent.Session{Instance: a.ID, Kind: agent.Forward, Port: 8080,
		IO: agent.IO{In: strings.NewReader("GET / HTTP/1.1\r\nHost: x.example\r\nConnection: close\r\n\r\n"), Out: out}})
	if e := end(); e.Err != nil || !strings.Contains(out.String(), "GET x.example /") {
		t.Errorf("%+v, %q", e, out.String())
	}
	end = visit(t, s, agent.Session{Instance: a.ID, Kind: agent.Forward, Port: 8081, IO: agent.IO{Out: out}})
	if e := end(); e.Err == nil || !strings.Contains(e.Err.Error(), "connect to port 8081 of web.1: nothing listens on 0.0.0.0:8081") {
		t.Errorf("%+v", e)
	}
	finish(t, r, s, a)
}
