package cluster

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"paas/cmd/paas/platformtest"
	"paas/scheduler/agent/machinetest"
)

// far is a host on a machine of its own.
type far struct {
	*machinetest.Machine
	agent *machinetest.Process
}

// onMachines makes a lab in which the servers are reached at its gateway.
func (s *scene) onMachines() *machinetest.Lab {
	s.t.Helper()
	lab := machinetest.New(s.t)
	s.at = lab.Gateway
	return lab
}

// farHost makes a machine of the lab a host, which joins at a server.
func (s *scene) farHost(lab *machinetest.Lab, name string, at *node) *far {
	s.t.Helper()
	h := &far{Machine: lab.Machine(s.t, name)}
	h.Engine(s.t)
	join := platformtest.JoinCommand(s.t, at.must("hosts:add", name))
	join[2] = at.fleet
	flags := []string{"--data-dir", h.Path("agent"), "--docker", h.SocketPath()}
	h.Run(s.t, built.Paas, append(join, flags...)...)
	h.agent = h.Start(s.t, built.Paas, append([]string{"agent"}, flags...)...)
	s.t.Cleanup(func() {
		if s.t.Failed() {
			s.t.Logf("the agent of %s said:\n%s", h.Name, platformtest.Tail(h.agent.Output(), 25))
		}
	})
	return h
}

// containers are the ids of an app's on the host, each with when it started.
func (h *far) containers(t *testing.T, app string) []string {
	t.Helper()
	out, err := h.Docker("ps", "-q", "--no-trunc", "--filter", "label=paas.app="+app)
	if err != nil {
		t.Fatal(err, out)
	}
	ids := strings.Fields(out)
	for i, id := range ids {
		began, err := h.Docker("inspect", "--format", "{{.State.StartedAt}}", "--", id)
		if err != nil {
			t.Fatal(err, began)
		}
		ids[i] += " " + began
	}
	slices.Sort(ids)
	return ids
}

// states are those of all hosts or routers, as a server says, in order.
func (n *node) states(list string) (states []string) {
	out, err := n.paas(list, "--json")
	var all []struct{ State string }
	if err != nil || json.Unmarshal([]byte(out), &all) != nil {
		return []string{"unknown: " + out}
	}
	for _, one := range all {
		states = append(states, one.State)
	}
	return states
}

func (n *node) allReady(list string, count int) bool {
	return slices.Equal(n.states(list), slices.Repeat([]string{"ready"}, count))
}

// Two servers, two routers and three hosts, under requests all the time: the
// leader is stopped, and the next one is killed, in the midst of a push through
// the other. No request fails, the pushes live, no host is given up and nothing
// that runs is started anew.
func TestLeaderChangesOverHosts(t *testing.T) {
	platformtest.Thorough(t)
	s := newScene(t)
	lab := s.onMachines()
	s.withPostgres().withBuildkit()
	s.server()
	s.server()
	s.shop()
	hosts := []*far{s.farHost(lab, "host-1", s.leader()), s.farHost(lab, "host-2", s.follower()), s.farHost(lab, "host-3", s.leader())}
	machinetest.Await(t, 60*time.Second, "three hosts ready", func() bool { return s.leader().allReady("hosts", 3) })
	routers := []string{s.edge("edge-1"), s.edge("edge-2")}
	r, other := s.repo(), s.repo()
	for _, clone := range []*repo{r, other} {
		clone.Write("Procfile", "web: /app\n")
		clone.Commit(t, "one")
	}
	s.leader().must("apps:create", "blog")
	other.Git(t, "push", url(s.follower(), "blog"), "main")
	r.Git(t, "push", url(s.follower(), "shop"), "main")
	for _, app := range []string{"shop", "blog"} {
		s.leader().must("ps:scale", "web=3", "-a", app)
		for _, h := range hosts {
			machinetest.Await(t, 60*time.Second, "a dyno of "+app+" on "+h.Name, func() bool { return len(h.containers(t, app)) == 1 })
		}
	}
	for _, addr := range routers {
		machinetest.Await(t, 60*time.Second, "served by "+addr, func() bool { return ask(t.Context(), addr) == http.StatusOK })
	}
	var before []string
	for _, h := range hosts {
		before = append(before, h.containers(t, "blog")...)
	}
	for i, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		s.changeLeader(t, sig, r, fmt.Sprintf("change %d", i), routers)
	}
	var after []string
	for _, h := range hosts {
		after = append(after, h.containers(t, "blog")...)
	}
	if !slices.Equal(before, after) {
		t.Errorf("what ran was started anew:\n%v\n%v", before, after)
	}
	for _, n := range s.servers {
		if strings.Contains(n.Log.String(), "host is lost") {
			t.Errorf("%s has declared a host lost", n.name)
		}
	}
}

// changeLeader ends the one that leads in the midst of a push through another,
// under load, and starts it again.
func (s *scene) changeLeader(t *testing.T, sig syscall.Signal, r *repo, version string, routers []string) {
	t.Helper()
	old, next := s.leader(), s.follower()
	end := load(t, routers)
	r.Commit(t, version)
	push, said := r.Command("push", url(next, "shop"), "main"), &platformtest.Buffer{}
	push.Stdout, push.Stderr = said, said
	platformtest.Must(push.Start())
	machinetest.Await(t, 60*time.Second, "building", func() bool { return strings.Contains(said.String(), "Building") })
	began := time.Now()
	old.Stop(sig)
	machinetest.Await(t, 60*time.Second, "another leader", next.leads)
	leads := time.Since(began)
	machinetest.Await(t, 60*time.Second, "all hosts ready", func() bool { return next.allReady("hosts", 3) })
	ready := time.Since(began)
	if err := push.Wait(); err != nil || !strings.Contains(said.String(), "Released v") {
		t.Errorf("%s: the push: %v\n%s", sig, err, said)
	}
	released := time.Since(began)
	old.start()
	machinetest.Await(t, 60*time.Second, "all routers ready", func() bool { return next.allReady("routers", 2) })
	asked, failed := end()
	t.Logf("%s to the leader: another leads after %s, all three hosts are ready after %s, the push was released after %s; %d requests, %d failed",
		sig, round(leads), round(ready), round(released), asked, failed)
	if failed > 0 {
		t.Errorf("%s: %d of %d requests failed", sig, failed, asked)
	}
}
