package cluster

import (
	"context"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"paas/cmd/paas/platformtest"
	"paas/scheduler/agent/machinetest"
)

// A server that does not lead has the one that does answer: the socket, the
// API, commands over SSH and the dashboard. The audit knows the real address.
// When the leader is killed requests wait for the next one.
func TestFollowerForwards(t *testing.T) {
	s := newScene(t).withPostgres()
	s.server()
	s.server()
	f := s.follower()
	f.must("accounts:create", "ann@example.com", "--key", built.Key+".pub", "--admin")
	f.must("apps:create", "shop")
	for _, n := range s.servers {
		if out := n.must("apps"); !strings.Contains(out, "shop") {
			t.Errorf("%s knows no app:\n%s", n.name, out)
		}
		if out := n.must("master-key"); out == "" {
			t.Error("not the operator")
		}
	}
	home := s.login(f)
	out, err := s.as(home, "config:set", "A=1", "-a", "shop")
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if out, err := s.as(home, "audit", "-a", "shop"); err != nil || !strings.Contains(out, "127.0.0.1") {
		t.Errorf("the audit does not say from where: %v\n%s", err, out)
	}
	ssh := exec.Command("ssh", append(built.SSHFlags(), "-p", port(f.ssh), "paas@127.0.0.1", "apps")...)
	if out, err := ssh.CombinedOutput(); err != nil || !strings.Contains(string(out), "shop") {
		t.Errorf("a command over SSH: %v\n%s", err, out)
	}
	t.Run("dashboard", func(t *testing.T) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+f.dashboard+"/sign-in", http.NoBody)
		platformtest.Must(err)
		r.Host = "paas.localhost"
		answer, err := http.DefaultClient.Do(r)
		platformtest.Must(err)
		defer answer.Body.Close()
		body, err := io.ReadAll(answer.Body)
		if err != nil || answer.StatusCode != http.StatusOK || !strings.Contains(string(body), "Sign in") {
			t.Errorf("%d %v\n%s", answer.StatusCode, err, body)
		}
	})
	t.Run("a live log", func(t *testing.T) { s.tailThrough(t, f, home) })
	leader := s.leader()
	began := time.Now()
	leader.Stop(syscall.SIGKILL)
	f.must("config:set", "B=2", "-a", "shop")
	took := time.Since(began)
	t.Logf("a change of config was made %s after the leader was killed", took.Round(10*time.Millisecond))
	if took > 10*time.Second {
		t.Errorf("another leads after %s", took)
	}
}

// tailThrough sees a line in a live log through a server that does not lead.
func (s *scene) tailThrough(t *testing.T, f *node, home string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, built.Paas, "logs", "--tail", "-a", "shop")
	cmd.Env = append(os.Environ(), "HOME="+home)
	out := &platformtest.Buffer{}
	cmd.Stdout, cmd.Stderr = out, out
	platformtest.Must(cmd.Start())
	machinetest.Await(t, 60*time.Second, "a line of the past", func() bool { return strings.Contains(out.String(), "Initial release") })
	f.must("config:set", "C=3", "-a", "shop")
	machinetest.Await(t, 60*time.Second, "a line of now", func() bool { return strings.Contains(out.String(), "Set C config var") })
	cancel()
	_ = cmd.Wait() // it was ended
}

// login makes a home directory that is logged in at a server as ann.
func (s *scene) login(n *node) string {
	s.t.Helper()
	home, err := os.MkdirTemp(s.dir, "home")
	platformtest.Must(err)
	if out, err := s.as(home, "login", n.ssh, "-i", built.Key, "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR"); err != nil {
		s.t.Fatalf("login: %v\n%s", err, out)
	}
	return home
}

// as runs the CLI as who is logged in there.
func (s *scene) as(home string, args ...string) (string, error) {
	cmd := exec.Command(built.Paas, args...)
	cmd.Env = append(os.Environ(), "HOME="+home)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func port(addr string) string {
	_, p, _ := strings.Cut(addr, ":")
	return p
}
