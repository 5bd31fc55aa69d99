package faults

import (
	"bufio"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"paas/cmd/paas/platformtest"
	"paas/scheduler/agent/machinetest"
)

// What moved away from a host that was drained is spread anew: nobody notices,
// and a second time there is nothing to do.
func TestRebalance(t *testing.T) {
	platformtest.Thorough(t)
	s := newScene(t, 3)
	s.app(t, "shop", 6)
	first := s.hosts[0]
	s.must(t, "hosts:drain", first.Name)
	s.await(t, first, 60*time.Second, "drained")
	s.must(t, "hosts:uncordon", first.Name)
	s.await(t, first, 60*time.Second, "ready")
	if n := len(first.running("shop")); n != 0 {
		t.Errorf("%d dynos came back by themselves", n)
	}
	if out := s.must(t, "hosts:rebalance", "--dry-run"); !strings.Contains(out, first.Name) {
		t.Errorf("the plan names no move there:\n%s", out)
	}
	l := s.load(t, "shop", 8)
	machinetest.Await(t, 60*time.Second, "under way", func() bool { return len(l.seen()) == 6 })
	event := time.Now()
	said := s.must(t, "hosts:rebalance")
	took := time.Since(event)
	for _, h := range s.hosts {
		if n := len(h.running("shop")); n != 2 {
			t.Errorf("%s runs %d dynos of six:\n%s", h.Name, n, said)
		}
	}
	cost := l.end(event)
	t.Logf("rebalance: done after %s; %s", took.Round(time.Millisecond), cost)
	if cost.failed > 0 {
		t.Errorf("requests failed: %v", cost.example)
	}
	if out := s.must(t, "hosts:rebalance"); !strings.Contains(out, "nothing to move") {
		t.Errorf("a second time:\n%s", out)
	}
}

// Every host is worked on, one after the other, its engine and its agent started
// anew meanwhile: nobody notices.
func TestUpgrade(t *testing.T) {
	platformtest.Thorough(t)
	s := newScene(t, 3)
	s.app(t, "shop", 4)
	l := s.load(t, "shop", 8)
	machinetest.Await(t, 60*time.Second, "under way", func() bool { return len(l.seen()) == 4 })
	event := time.Now()
	cmd := exec.Command(built.Paas, "hosts:upgrade", "--all", "--server", "unix://"+filepath.Join(s.data, "run", "paas.sock"))
	cmd.Env = append(cmd.Environ(), "HOME="+built.Dir)
	out, err := cmd.StderrPipe()
	platformtest.Must(err)
	platformtest.Must(cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	worked, said := 0, &platformtest.Buffer{}
	for lines := bufio.NewScanner(io.TeeReader(out, said)); lines.Scan(); {
		name, _, found := strings.Cut(lines.Text(), " is empty.")
		if !found {
			continue
		}
		for _, h := range s.hosts {
			if h.Name == name {
				h.workOn(t)
				worked++
			}
		}
	}
	if err := cmd.Wait(); err != nil || worked != len(s.hosts) {
		t.Fatalf("%d hosts were worked on: %v\n%s", worked, err, said)
	}
	cost := l.end(event)
	t.Logf("upgrade of three hosts: done after %s; %s", time.Since(event).Round(time.Millisecond), cost)
	if cost.failed > 0 {
		t.Errorf("requests failed: %v", cost.example)
	}
}

// workOn is what somebody does on a machine that is empty: its engine and its
// agent are others afterwards.
func (h *host) workOn(t *testing.T) {
	t.Helper()
	if left := h.running("shop"); len(left) > 0 {
		t.Errorf("said to be empty, %s runs %v", h.Name, left)
	}
	h.agent.Signal(t, syscall.SIGTERM)
	<-h.agent.Done
	h.engine.Signal(t, syscall.SIGTERM)
	<-h.engine.Done
	h.engine = h.Engine(t, h.flags...)
	h.work(t)
	h.s.must(t, "hosts:uncordon", h.Name)
}

// A control plane that takes no machine with a known hole keeps the host that it
// had and its dynos, tells its agent, and takes no other such machine.
func TestRequireFloors(t *testing.T) {
	platformtest.Thorough(t)
	s := newScene(t, 1)
	s.app(t, "shop", 1)
	known := s.lives("shop", 4)
	h := s.hosts[0]
	if !s.says("below", "hosts:info", h.Name) {
		t.Skip("this machine's engine has no known hole")
	}
	s.Stop(syscall.SIGTERM)
	s.start(t, "--require-floors")
	h.agent.Signal(t, syscall.SIGTERM)
	<-h.agent.Done
	h.work(t)
	event := time.Now()
	machinetest.Await(t, 60*time.Second, "told so", func() bool { return strings.Contains(h.agent.Output(), "--require-floors") })
	t.Logf("the agent of a host that has joined is told %s after its start", time.Since(event).Round(time.Millisecond))
	machinetest.Await(t, 60*time.Second, "serving", func() bool { return len(s.lives("shop", 4)) == 1 })
	if now := s.lives("shop", 4); !same(known, now) {
		t.Errorf("dynos were replaced: %v, then %v", known, now)
	}
	s.await(t, h, 60*time.Second, "ready")

	next := &host{Machine: s.lab.Machine(t, "host-2"), s: s}
	next.engine = next.Engine(t)
	args := platformtest.JoinCommand(t, s.must(t, "hosts:add", next.Name))
	out, err := next.Try(built.Paas, append(args, "--data-dir", next.Path("agent"), "--docker", next.SocketPath())...)
	if err == nil || !strings.Contains(out, "--require-floors") || !strings.Contains(out, "Nothing was changed") {
		t.Errorf("a machine below the floors joined: %v\n%s", err, out)
	}
	if st := s.state(next.Name); st != "invited" {
		t.Errorf("it is %s", st)
	}
}
