package cluster

import (
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"paas/cmd/paas/platformtest"
	"paas/scheduler/agent/machinetest"
)

// repo is a developer's clone of an app that runs nothing by itself: its
// releases are live as soon as they are written.
type repo struct {
	*platformtest.Repo
	s *scene
}

func (s *scene) repo() *repo {
	s.t.Helper()
	dir, err := os.MkdirTemp(s.dir, "repo")
	platformtest.Must(err)
	r := &repo{Repo: built.Repo(s.t, dir, "FROM scratch\nCOPY app VERSION /\n"), s: s}
	r.Write("Procfile", "worker: /app\n")
	return r
}

func url(n *node, app string) string { return "ssh://paas@" + n.ssh + "/" + app + ".git" }

// head is where main stands, as a server tells who fetches.
func (r *repo) head(n *node) string {
	r.s.t.Helper()
	id, _, _ := strings.Cut(r.Git(r.s.t, "ls-remote", url(n, "shop"), "refs/heads/main"), "\t")
	return id
}

// newShop makes servers, an account and an app.
func newShop(t *testing.T, servers int) (*scene, *repo) {
	t.Helper()
	s := newScene(t).withPostgres().withBuildkit()
	for range servers {
		s.server()
	}
	s.shop()
	return s, s.repo()
}

func (s *scene) shop() {
	s.t.Helper()
	n := s.leader()
	n.must("accounts:create", "ann@example.com", "--key", built.Key+".pub", "--admin")
	n.must("apps:create", "shop")
	n.must("access:add", "ann@example.com", "-a", "shop")
}

// A push works through every server, and every server has it then.
func TestPushThroughEach(t *testing.T) {
	s, r := newShop(t, 2)
	for i, n := range []*node{s.follower(), s.leader(), s.follower()} {
		commit := r.Commit(t, string(rune('a'+i)))
		began := time.Now()
		out := r.Git(t, "push", url(n, "shop"), "main")
		t.Logf("a push through %s took %s", n.name, time.Since(began).Round(time.Millisecond))
		if !strings.Contains(out, "Released v") || !strings.Contains(out, "Build succeeded") {
			t.Errorf("the pusher was told:\n%s", out)
		}
		for _, other := range s.servers {
			if at := r.head(other); at != commit {
				t.Errorf("main of %s is at %.8s, not %.8s", other.name, at, commit)
			}
		}
	}
}

// The server that works on a push is killed: another goes on. The leader is
// killed while another builds: the deploy ends all the same.
func TestServerDiesInPush(t *testing.T) {
	platformtest.Thorough(t)
	s, r := newShop(t, 3)
	f := s.follower()
	f.Stop(syscall.SIGTERM)
	f.start("--failpoint", "build.started=kill")
	commit := r.Commit(t, "a")
	out, err := r.Command("push", url(f, "shop"), "main").CombinedOutput()
	killed := time.Now()
	if err == nil {
		t.Fatalf("the server was not killed:\n%s", out)
	}
	<-f.Exited
	left := s.leader()
	machinetest.Await(t, time.Minute, "deployed", func() bool { return r.head(left) == commit })
	t.Logf("the server that built a push was killed: deployed elsewhere after %s", time.Since(killed).Round(10*time.Millisecond))
	f.start()

	f, old := s.follower(), s.leader()
	commit = r.Commit(t, "b")
	push := r.Command("push", url(f, "shop"), "main")
	said := &platformtest.Buffer{}
	push.Stdout, push.Stderr = said, said
	platformtest.Must(push.Start())
	machinetest.Await(t, time.Minute, "building", func() bool { return strings.Contains(said.String(), "Building") })
	killed = time.Now()
	old.Stop(syscall.SIGKILL)
	if err := push.Wait(); err != nil || !strings.Contains(said.String(), "Released v") {
		t.Errorf("the push: %v\n%s", err, said)
	}
	t.Logf("the leader was killed while another server built: released after %s", time.Since(killed).Round(10*time.Millisecond))
	if at := r.head(s.leader()); at != commit {
		t.Errorf("main is at %.8s, not %.8s", at, commit)
	}
}
