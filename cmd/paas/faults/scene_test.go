package faults

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"paas/cmd/paas/platformtest"
	"paas/scheduler/agent/machinetest"
)

// scene is a control plane with hosts.
type scene struct {
	*platform
	lab   *machinetest.Lab
	hosts []*host
}

// host is a machine with an engine and an agent.
type host struct {
	*machinetest.Machine
	s      *scene
	flags  []string // of the engine
	engine *machinetest.Process
	agent  *machinetest.Process
	api    *http.Client // of the engine, in benchmarks
}

// newScene starts a control plane and n hosts, that all are ready.
func newScene(t *testing.T, n int, engineFlags ...string) *scene {
	t.Helper()
	return newSceneOn(t, n, func(*host) {}, engineFlags...)
}

// newSceneOn is newScene with machines that are made ready before their engines start.
func newSceneOn(t *testing.T, n int, prepare func(*host), engineFlags ...string) *scene {
	t.Helper()
	began := time.Now()
	lab := machinetest.New(t)
	s := &scene{platform: newPlatform(t, lab), lab: lab}
	s.must(t, "accounts:create", "ann@example.com", "--key", built.Key+".pub", "--admin")
	for i := range n {
		h := &host{Machine: lab.Machine(t, fmt.Sprintf("host-%d", i+1)), s: s, flags: engineFlags}
		prepare(h)
		s.hosts = append(s.hosts, h)
	}
	var all sync.WaitGroup
	for _, h := range s.hosts {
		all.Go(func() { h.join(t) })
	}
	all.Wait()
	if t.Failed() {
		t.FailNow()
	}
	for _, h := range s.hosts {
		s.await(t, h, 30*time.Second, "ready")
	}
	t.Logf("%d hosts after %s", n, time.Since(began).Round(time.Millisecond))
	t.Cleanup(func() { s.tell(t) })
	return s
}

// tell shows what the agents said, of a test that failed.
func (s *scene) tell(t *testing.T) {
	if !t.Failed() {
		return
	}
	hosts, _ := s.paas("hosts")
	t.Logf("hosts:\n%s", hosts)
	for _, h := range s.hosts {
		if h.agent != nil {
			t.Logf("the agent of %s said:\n%s", h.Name, platformtest.Tail(h.agent.Output(), 25))
		}
	}
}

// join makes the machine a host, by the command that hosts:add prints.
func (h *host) join(t *testing.T) {
	h.engine = h.Engine(t, h.flags...)
	args := platformtest.JoinCommand(t, h.s.must(t, "hosts:add", h.Name))
	h.Run(t, built.Paas, append(args, "--data-dir", h.Path("agent"), "--docker", h.SocketPath())...)
	h.work(t)
}

// work starts the agent.
func (h *host) work(t *testing.T) {
	t.Helper()
	h.agent = h.Start(t, built.Paas, "agent", "--data-dir", h.Path("agent"), "--docker", h.SocketPath())
}

// comeBack starts everything on a killed machine again.
func (h *host) comeBack(t *testing.T) {
	t.Helper()
	h.Reboot(t)
	h.engine = h.Engine(t, h.flags...)
	h.work(t)
}

// state is what the control plane says of a host.
func (s *scene) state(name string) string {
	out, err := s.paas("hosts", "--json")
	var list []struct{ Name, State string }
	if err != nil || json.Unmarshal([]byte(out), &list) != nil {
		return "unknown: " + out
	}
	for _, h := range list {
		if h.Name == name {
			return h.State
		}
	}
	return "none"
}

// await waits until the control plane says one of the states of a host.
func (s *scene) await(t *testing.T, h *host, limit time.Duration, states ...string) time.Duration {
	t.Helper()
	return machinetest.Await(t, limit, h.Name+" "+strings.Join(states, " or "), func() bool {
		now := s.state(h.Name)
		for _, want := range states {
			if now == want {
				return true
			}
		}
		return false
	})
}

// running are the names of the app's containers on the host.
func (h *host) running(app string) []string {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	out, err := h.Command(ctx, "docker", "--host", h.Socket(), "ps", "--filter", "label=paas.app="+app, "--format", "{{.Names}}").Output()
	if err != nil {
		return nil
	}
	return strings.Fields(string(out))
}

// app makes one with n web dynos that serve, and deploys it.
func (s *scene) app(t *testing.T, name string, n int) {
	t.Helper()
	s.must(t, "apps:create", name, "--no-remote")
	s.push(t, name, "v1")
	s.must(t, "ps:scale", fmt.Sprintf("web=%d", n), "-a", name)
	machinetest.Await(t, 60*time.Second, "all dynos of "+name+" serving", func() bool { return len(s.lives(name, 4*n)) == n })
}

// of gives the host that runs a dyno of the app, and the others.
func (s *scene) of(t *testing.T, app string) (*host, []*host) {
	t.Helper()
	for i, h := range s.hosts {
		if len(h.running(app)) > 0 {
			others := append(append([]*host{}, s.hosts[:i]...), s.hosts[i+1:]...)
			return h, others
		}
	}
	t.Fatal("no host runs " + app)
	return nil, nil
}
