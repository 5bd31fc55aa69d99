package cluster

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// repo is a developer's clone of an app that runs nothing by itself: its
// releases are live as soon as they are written.
type repo struct {
	s   *scene
	dir string
}

func (s *scene) repo() *repo {
	s.t.Helper()
	dir, err := os.MkdirTemp(s.dir, "repo")
	must(err)
	r := &repo{s: s, dir: dir}
	must(os.Link(built.app, filepath.Join(dir, "app")))
	must(os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte("FROM scratch\nCOPY app VERSION /\n"), 0o644))
	must(os.WriteFile(filepath.Join(dir, "Procfile"), []byte("worker: /app\n"), 0o644))
	r.git("init", "-q", "-b", "main")
	return r
}

func (r *repo) command(args ...string) *exec.Cmd {
	cmd := exec.Command("git", args...)
	cmd.Dir = r.dir
	cmd.Env = append(os.Environ(), "HOME="+r.dir, "GIT_CONFIG_NOSYSTEM=1", "GIT_AUTHOR_NAME=Ann", "GIT_AUTHOR_EMAIL=ann@example.com",
		"GIT_COMMITTER_NAME=Ann", "GIT_COMMITTER_EMAIL=ann@example.com", "GIT_SSH_COMMAND=ssh "+strings.Join(sshFlags(), " "))
	return cmd
}

func (r *repo) git(args ...string) string {
	r.s.t.Helper()
	out, err := r.command(args...).CombinedOutput()
	if err != nil {
		r.s.t.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// commit makes one of a version and gives its id.
func (r *repo) commit(version string) string {
	r.s.t.Helper()
	must(os.WriteFile(filepath.Join(r.dir, "VERSION"), []byte(version), 0o644))
	r.git("add", "-A", "--", ".")
	r.git("commit", "-q", "-m", version)
	return r.git("rev-parse", "HEAD")
}

func url(n *node, app string) string { return "ssh://paas@" + n.ssh + "/" + app + ".git" }

// head is where main stands, as a server tells who fetches.
func (r *repo) head(n *node) string {
	r.s.t.Helper()
	id, _, _ := strings.Cut(r.git("ls-remote", url(n, "shop"), "refs/heads/main"), "\t")
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
	n.must("accounts:create", "ann@example.com", "--key", built.key+".pub", "--admin")
	n.must("apps:create", "shop")
	n.must("access:add", "ann@example.com", "-a", "shop")
}

// A push works through every server, and every server has it then.
func TestPushThroughEach(t *testing.T) {
	s, r := newShop(t, 2)
	for i, n := range []*node{s.follower(), s.leader(), s.follower()} {
		commit := r.commit(string(rune('a' + i)))
		began := time.Now()
		out := r.git("push", url(n, "shop"), "main")
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
	thorough(t)
	s, r := newShop(t, 3)
	f := s.follower()
	f.stop(syscall.SIGTERM)
	f.start("--failpoint", "build.started=kill")
	commit := r.commit("a")
	out, err := r.command("push", url(f, "shop"), "main").CombinedOutput()
	killed := time.Now()
	if err == nil {
		t.Fatalf("the server was not killed:\n%s", out)
	}
	<-f.exited
	left := s.leader()
	await(t, time.Minute, "deployed", func() bool { return r.head(left) == commit })
	t.Logf("the server that built a push was killed: deployed elsewhere after %s", time.Since(killed).Round(10*time.Millisecond))
	f.start()

	f, old := s.follower(), s.leader()
	commit = r.commit("b")
	push := r.command("push", url(f, "shop"), "main")
	said := &lockedBuffer{}
	push.Stdout, push.Stderr = said, said
	must(push.Start())
	await(t, time.Minute, "building", func() bool { return strings.Contains(said.String(), "Building") })
	killed = time.Now()
	old.stop(syscall.SIGKILL)
	if err := push.Wait(); err != nil || !strings.Contains(said.String(), "Released v") {
		t.Errorf("the push: %v\n%s", err, said)
	}
	t.Logf("the leader was killed while another server built: released after %s", time.Since(killed).Round(10*time.Millisecond))
	if at := r.head(s.leader()); at != commit {
		t.Errorf("main is at %.8s, not %.8s", at, commit)
	}
}
