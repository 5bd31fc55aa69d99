package e2e

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"paas/cmd/paas/platformtest"
)

// failpoints are the moments of a deploy at which the server is killed.
var failpoints = []string{
	"build.started", "build.before_commit", "build.after_commit", "release.before_commit",
	"release.after_commit", "rolling", "rolled.before_live", "live.after_commit", "ref.moved",
}

// kill -9 of the server at each point of a deploy: the old release serves on
// meanwhile, and within 30 s of the restart the deploy is live, the branch has
// followed and nothing is left over.
func TestKillAtEveryPoint(t *testing.T) {
	p := newPlatform(filepath.Join(built.Dir, "crash"))
	if err := p.start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.destroy)
	r := p.newApp(t, "crash")
	r.push("zero")
	for _, point := range failpoints {
		t.Run(point, func(t *testing.T) {
			p.terminate()
			if err := p.start("--failpoint", point+"=kill"); err != nil {
				t.Fatal(err)
			}
			killedAt(t, p, r, point)
		})
	}
}

func killedAt(t *testing.T, p *platform, r *repo, version string) {
	t.Helper()
	before := r.appAnswers(t)
	r.commit(version)
	if out, err := r.try("push", "paas", "main"); err == nil {
		t.Fatalf("the push went through though the server was killed:\n%s", out)
	}
	<-p.Exited
	if c := countOf(p.containers(t), "paas-crash-"); c == 0 {
		t.Fatalf("no container serves while the server is down (before: %s)", before)
	}
	if err := p.start(); err != nil {
		t.Fatal(err)
	}
	want := strings.TrimSpace(r.git("rev-parse", "HEAD"))
	err := p.Until(30*time.Second, "done with the deploy", func() bool {
		_, body, _ := p.get("crash", "/")
		refs, err := r.try("ls-remote", "paas", "refs/heads/main")
		return err == nil && strings.HasPrefix(body, version+" ") && strings.HasPrefix(refs, want)
	})
	if err != nil {
		t.Fatal(err)
	}
	err = p.Until(30*time.Second, "clean", func() bool { return len(p.containers(t)) == 1 })
	if err != nil {
		t.Errorf("containers left over: %v\n%v", p.containers(t), err)
	}
	if out := p.mustPaas(t, "releases", "-a", "crash"); strings.Count(out, "Deploy "+want[:8]) != 1 {
		t.Errorf("not exactly one release of %s:\n%s", want[:8], out)
	}
}

func (r *repo) appAnswers(t *testing.T) string {
	t.Helper()
	code, body, err := r.p.get(r.app, "/")
	if err != nil || code != 200 {
		t.Fatalf("%s answers %d %q %v", r.app, code, body, err)
	}
	return body
}

// A restart of the whole platform: the container is not touched, and the app
// is reachable again within two seconds of the start.
func TestRestartKeepsAppsRunning(t *testing.T) {
	p := newPlatform(filepath.Join(built.Dir, "restart"))
	if err := p.start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.destroy)
	r := p.newApp(t, "steady")
	r.push("one")
	id := containerID(t, p)
	p.terminate()
	if now := containerID(t, p); now != id {
		t.Fatalf("the container changed from %s to %s with the stop", id, now)
	}
	began := time.Now()
	started := make(chan error, 1)
	go func() { started <- p.start() }()
	var took time.Duration
	for took == 0 && time.Since(began) < 60*time.Second {
		if code, _, err := p.get("steady", "/"); err == nil && code == 200 {
			took = time.Since(began)
		}
	}
	if err := <-started; err != nil {
		t.Fatal(err)
	}
	t.Logf("reachable %s after the start (a binary with the race detector)", took.Round(time.Millisecond))
	if took == 0 {
		t.Error("not reachable after a minute")
	}
	r.serves("one")
	if now := containerID(t, p); now != id {
		t.Errorf("the container changed from %s to %s with the start", id, now)
	}
	contains(t, p.mustPaas(t, "ps", "-a", "steady"), "web.1: up")
}

func containerID(t *testing.T, p *platform) string {
	t.Helper()
	list := p.containers(t)
	if len(list) != 1 {
		t.Fatalf("containers: %v", list)
	}
	out, err := exec.Command("docker", "inspect", "--format", "{{.Id}} {{.State.StartedAt}}", "--", strings.Fields(list[0])[0]).Output()
	platformtest.Must(err)
	return string(out)
}

// A second start on the same directory is refused and disturbs nothing.
func TestSecondStartIsRefused(t *testing.T) {
	p := shared.get(t)
	out, err := exec.Command(built.Paas, "standalone", "--data-dir", p.data).CombinedOutput()
	if err == nil {
		t.Fatal("a second paas started on one data directory")
	}
	contains(t, string(out), "already runs", p.data, "paas doctor")
	p.mustPaas(t, "apps")
}

func TestPortInUseIsNamed(t *testing.T) {
	p := shared.get(t)
	for flag, addr := range map[string]string{"--http": p.http, "--ssh": p.ssh, "--api": p.api, "--registry": p.registry} {
		q := newPlatform(filepath.Join(built.Dir, "port"+flag))
		if err := q.start(flag, addr); err == nil {
			t.Errorf("%s: started on a port that is in use", flag)
		}
		contains(t, q.Log.String(), addr, "in use", flag)
		q.destroy()
	}
}

func TestWrongMasterKeyRefusesToStart(t *testing.T) {
	p := newPlatform(filepath.Join(built.Dir, "key"))
	t.Cleanup(p.destroy)
	if err := p.start(); err != nil {
		t.Fatal(err)
	}
	p.terminate()
	key := filepath.Join(p.data, "master.key")
	platformtest.Must(exec.Command("mv", "--", key, key+".away").Run())
	if err := p.start(); err == nil {
		t.Fatal("started without its master key")
	}
	contains(t, p.Log.String(), "master key", "missing", "backup")
	platformtest.Must(writeFile(key, strings.Repeat("ab", 32)+"\n"))
	if err := p.start(); err == nil {
		t.Fatal("started with another master key")
	}
	contains(t, p.Log.String(), "not the one")
	platformtest.Must(exec.Command("mv", "--", key+".away", key).Run())
	if err := p.start(); err != nil {
		t.Fatal(err)
	}
}

// A child that dies is started again, and deploys work after it.
func TestDeadChildrenAreRestarted(t *testing.T) {
	p := newPlatform(filepath.Join(built.Dir, "children"))
	if err := p.start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.destroy)
	r := p.newApp(t, "orphan")
	version := "one"
	r.push(version)
	for _, name := range []string{"postgres", "buildkitd"} {
		pid := childPID(t, p, name)
		platformtest.Must(exec.Command("kill", "-9", "--", pid).Run())
		r.serves(version)
		err := p.Until(60*time.Second, "running "+name+" again", func() bool {
			now := lastChildPID(p, name)
			return now != "" && now != pid
		})
		if err != nil {
			t.Fatal(err)
		}
		err = p.Until(60*time.Second, "answering", func() bool { _, err := p.paas("apps"); return err == nil })
		if err != nil {
			t.Fatal(err)
		}
		version = "after " + name
		r.push(version)
		r.serves(version)
	}
}

func childPID(t *testing.T, p *platform, name string) string {
	t.Helper()
	pid := lastChildPID(p, name)
	if pid == "" {
		t.Fatalf("no child %s in the log:\n%s", name, p.Log)
	}
	return pid
}

// lastChildPID reads the newest "child is ready" line of a child.
func lastChildPID(p *platform, name string) string {
	pid := ""
	for line := range strings.SplitSeq(p.Log.String(), "\n") {
		if strings.Contains(line, `msg="child is ready" child=`+name+" ") {
			_, rest, _ := strings.Cut(line, "pid=")
			pid, _, _ = strings.Cut(rest, " ")
		}
	}
	return strings.TrimSpace(pid)
}

// An engine that is away: the platform starts, says what is missing, and the
// deploy fails with the engine named while nothing else changes.
func TestEngineAway(t *testing.T) {
	p := newPlatform(filepath.Join(built.Dir, "engine"), "--docker", filepath.Join(built.Dir, "no-engine.sock"))
	if err := p.start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.destroy)
	r := p.newApp(t, "waits")
	r.commit("one")
	out, err := r.try("push", "paas", "main")
	if err == nil {
		t.Fatalf("deployed without an engine:\n%s", out)
	}
	contains(t, out, "there is no host")
	contains(t, p.Log.String(), "Docker Engine is not reachable")
}
