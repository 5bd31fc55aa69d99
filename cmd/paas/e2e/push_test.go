package e2e

import (
	"crypto/rand"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"paas/cmd/paas/platformtest"
)

func TestPushServesAndTellsTheStory(t *testing.T) {
	p := shared.get(t)
	r := p.newApp(t, "story")
	if code, body, _ := p.get("story", "/"); code != http.StatusServiceUnavailable || !strings.Contains(body, "H81") {
		t.Errorf("before the first push: %d %q", code, body)
	}
	out := r.push("one")
	contains(t, out, "remote: -----> Building", "remote: -----> Build succeeded", "remote:        Released v2", "http://story.localhost", "main -> main")
	r.serves("one")
	contains(t, r.push("two"), "Released v3")
	r.serves("two")
	out = p.mustPaas(t, "releases", "-a", "story")
	contains(t, out, "v3", "v2", "v1", "Deploy "+strings.TrimSpace(r.git("rev-parse", "HEAD"))[:8], "Initial release", "ann@example.com", "Current: v3")
}

func TestPushRefs(t *testing.T) {
	p := shared.get(t)
	r := p.newApp(t, "refs")
	r.push("one")
	refuse := func(want string, args ...string) {
		t.Helper()
		out, err := r.try(args...)
		if err == nil {
			t.Errorf("git %v went through:\n%s", args, out)
		}
		contains(t, out, want)
	}
	r.git("checkout", "-q", "-b", "feature")
	r.commit("feature")
	refuse("main", "push", "paas", "feature")
	r.git("tag", "v1.0")
	refuse("tag", "push", "paas", "v1.0")
	refuse("delet", "push", "paas", ":main")
	r.serves("one")
	r.git("push", "paas", "feature:main")
	r.serves("feature")
	r.git("checkout", "-q", "main")
	r.commit("diverged")
	refuse("rejected", "push", "paas", "main")
	r.git("push", "--force", "paas", "main")
	r.serves("diverged")
	r.git("checkout", "-q", "-b", "master")
	r.commit("on master")
	r.git("push", "paas", "master")
	r.serves("on master")
}

func TestFailedPushLeavesEverything(t *testing.T) {
	p := shared.get(t)
	r := p.newApp(t, "fails")
	r.push("good")
	cases := []struct{ name, dockerfile, want string }{
		{"no dockerfile", "", "Dockerfile"},
		{"does not parse", "FROM scratch\nCOPYY app /\n", "COPYY"},
		{"failing run", "FROM scratch\nCOPY app VERSION /\nRUN [\"/app\", \"-mode\", \"exit\"]\nCMD [\"/app\"]\n", "the moon is in the wrong house"},
		{"no process", "FROM scratch\nCOPY app VERSION /\n", "no process"},
		{"exits at once", "FROM scratch\nCOPY app VERSION /\nCMD [\"/app\", \"-mode\", \"exit\"]\n", "status 7"},
		{"never binds", "FROM scratch\nCOPY app VERSION /\nCMD [\"/app\", \"-mode\", \"deaf\"]\n", "8080"},
		{"answers 500", "FROM scratch\nCOPY app VERSION /\nCMD [\"/app\", \"-mode\", \"error\"]\n", "500"},
		{"no such program", "FROM scratch\nCOPY app VERSION /\nCMD [\"/nowhere\"]\n", "nowhere"},
		{"no such base", "FROM nowhere.invalid/x:1\nCMD [\"/x\"]\n", "nowhere.invalid/x:1"},
	}
	head := r.git("ls-remote", "paas", "refs/heads/main")
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			r.write("Dockerfile", c.dockerfile)
			if c.dockerfile == "" {
				r.git("rm", "-q", "-f", "--", "Dockerfile")
			}
			r.commit(c.name)
			for range 2 { // the same commit can be pushed again
				out, err := r.try("push", "paas", "main")
				if err == nil {
					t.Fatalf("the push went through:\n%s", out)
				}
				contains(t, out, c.want, "still serves", "[remote rejected]")
				r.serves("good")
				if now := r.git("ls-remote", "paas", "refs/heads/main"); now != head {
					t.Fatalf("the branch moved from %s to %s", head, now)
				}
				if c.name != "exits at once" {
					break
				}
			}
		})
	}
	r.write("Dockerfile", dockerfile)
	r.push("good again")
	r.serves("good again")
	if list := p.containers(t); countOf(list, "paas-fails-") > 2 {
		t.Errorf("containers left behind: %v", list)
	}
}

func countOf(list []string, prefix string) int {
	n := 0
	for _, s := range list {
		if strings.HasPrefix(s, prefix) {
			n++
		}
	}
	return n
}

// Two pushes of one app at once: both end, the newer commit serves.
func TestTwoPushesAtOnce(t *testing.T) {
	p := shared.get(t)
	r := p.newApp(t, "twice")
	r.push("zero")
	r.commit("one")
	first := exec.Command("git", "push", "paas", "main")
	first.Dir, first.Env = r.dir, append(built.Env(t.TempDir()), "PATH="+"/usr/local/bin:/usr/bin:/bin")
	platformtest.Must(first.Start())
	other := &repo{t: t, p: p, dir: filepath.Join(t.TempDir(), "other"), app: "twice"}
	r.git("clone", "-q", r.dir, other.dir)
	other.git("remote", "add", "paas", "ssh://paas@"+p.ssh+"/twice.git")
	other.commit("two")
	other.git("push", "paas", "main")
	if err := first.Wait(); err != nil && exitCode(err) != 1 {
		t.Errorf("first push: %v", err)
	}
	r.serves("two")
	if got, want := strings.Fields(r.git("ls-remote", "paas", "refs/heads/main"))[0], strings.TrimSpace(other.git("rev-parse", "HEAD")); got != want {
		t.Errorf("main is %s, want %s", got, want)
	}
}

// The promise of the house: no deploy costs a request. 20 deploys under 200
// requests a second, half of them over kept connections, a third with a body.
func TestTwentyDeploysUnderLoadLoseNoRequest(t *testing.T) {
	p := shared.get(t)
	r := p.newApp(t, "busy")
	r.push("0")
	var sent, failed atomic.Int64
	var first atomic.Value
	stop := make(chan struct{})
	var wg sync.WaitGroup
	kept := &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 50}}
	fresh := &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	defer kept.CloseIdleConnections()
	shoot := func(n int) {
		defer wg.Done()
		client, method, body := kept, http.MethodGet, ""
		if n%2 == 0 {
			client = fresh
		}
		if n%3 == 0 {
			method, body = http.MethodPost, strings.Repeat("x", 10_000)
		}
		req, _ := http.NewRequest(method, "http://"+p.http+"/", strings.NewReader(body))
		req.Host = "busy.localhost"
		sent.Add(1)
		resp, err := client.Do(req)
		if err != nil {
			failed.Add(1)
			first.CompareAndSwap(nil, err.Error())
			return
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			failed.Add(1)
			first.CompareAndSwap(nil, resp.Status)
		}
	}
	wg.Add(1)
	go func() {
		defer wg.Done()
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for n := 0; ; n++ {
			select {
			case <-stop:
				return
			case <-tick.C:
				wg.Add(1)
				go shoot(n)
			}
		}
	}()
	began := time.Now()
	for n := 1; n <= 20; n++ {
		r.push(string(rune('a' + n)))
	}
	took := time.Since(began)
	close(stop)
	wg.Wait()
	t.Logf("%d requests in %s (%.0f a second), %d failed", sent.Load(), took.Round(time.Millisecond), float64(sent.Load())/took.Seconds(), failed.Load())
	if failed.Load() > 0 {
		var errs []string
		for line := range strings.SplitSeq(p.mustPaas(t, "logs", "-n", "1500", "--dyno-name", "router", "-a", "busy"), "\n") {
			if strings.Contains(line, "at=error") {
				errs = append(errs, line)
			}
		}
		t.Errorf("%d of %d requests failed, first: %v\n%s", failed.Load(), sent.Load(), first.Load(), strings.Join(errs[:min(20, len(errs))], "\n"))
	}
	if sent.Load() < 500 {
		t.Errorf("only %d requests were sent", sent.Load())
	}
}

// A push and a rollback at once: both become releases, one after the other,
// and what serves at the end is what the newest release says.
func TestPushDuringRollback(t *testing.T) {
	p := shared.get(t)
	r := p.newApp(t, "crossing")
	r.push("one")
	r.push("two")
	r.commit("three")
	done := make(chan error, 1)
	go func() {
		_, err := r.try("push", "paas", "main")
		done <- err
	}()
	out, err := p.paas("rollback", "v2", "-a", "crossing")
	if err != nil {
		t.Fatalf("rollback: %v\n%s", err, out)
	}
	if err := <-done; err != nil {
		t.Fatalf("push: %v", err)
	}
	list := p.mustPaas(t, "releases", "-a", "crossing")
	want := "three"
	if strings.Index(list, "Rollback to v2") < strings.Index(list, "Deploy "+strings.TrimSpace(r.git("rev-parse", "HEAD"))[:8]) {
		want = "one"
	}
	r.serves(want)
	contains(t, list, "Current: v5", "v4", "v5")
}

const sleeping = "FROM scratch\nCOPY app VERSION /\nRUN [\"/app\", \"-mode\", \"deaf\"]\nENTRYPOINT [\"/app\"]\n"

// hang starts a push whose build does not end and waits until it builds.
func (r *repo) hang(t *testing.T) <-chan string {
	t.Helper()
	r.write("Dockerfile", sleeping)
	r.commit("hangs " + rand.Text())
	done := make(chan string, 1)
	go func() {
		out, _ := r.try("push", "paas", "main")
		done <- out
	}()
	err := r.p.Until(60*time.Second, "building", func() bool {
		out, _ := r.p.paas("deploys", "-a", r.app)
		return strings.Contains(out, "building")
	})
	if err != nil {
		t.Fatal(err)
	}
	return done
}

func ended(t *testing.T, done <-chan string) string {
	t.Helper()
	select {
	case out := <-done:
		return out
	case <-time.After(60 * time.Second):
		t.Fatal("the pusher still waits")
		return ""
	}
}

// A build that hangs can be cancelled; its slot is free for the next push.
func TestCancelledBuildGivesItsSlotBack(t *testing.T) {
	p := shared.get(t)
	r := p.newApp(t, "cancels")
	r.push("good")
	for range 3 { // more often than there are slots
		done := r.hang(t)
		p.mustPaas(t, "deploys:cancel", "-a", "cancels")
		contains(t, ended(t, done), "cancelled by", "v2 still serves", "[remote rejected]")
	}
	if out, err := p.paas("deploys:cancel", "-a", "cancels"); err == nil {
		t.Errorf("cancelled nothing: %s", out)
	}
	r.write("Dockerfile", dockerfile)
	r.push("after")
	r.serves("after")
}

// An app that is destroyed while it builds: the build ends, the pusher is
// told, the slot is free, and an app of the same name deploys at once.
func TestDestroyWhileBuilding(t *testing.T) {
	p := shared.get(t)
	for range 3 {
		r := p.newApp(t, "gone")
		done := r.hang(t)
		p.mustPaas(t, "apps:destroy", "-a", "gone", "--confirm", "gone")
		contains(t, ended(t, done), "destroyed")
	}
	r := p.newApp(t, "gone")
	r.push("again")
	r.serves("again")
	p.mustPaas(t, "apps:destroy", "-a", "gone", "--confirm", "gone")
	again := p.newApp(t, "gone")
	again.push("at once")
	again.serves("at once")
}

// Postgres is killed in the middle of a deploy, again and again: each deploy
// goes live all the same, and nobody is told otherwise.
func TestDatabaseKilledDuringDeploys(t *testing.T) {
	p := newPlatform(filepath.Join(built.Dir, "blip"))
	if err := p.start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.destroy)
	r := p.newApp(t, "blip")
	r.push("zero")
	for n, delay := range []time.Duration{100, 300, 500, 700, 900} {
		version := string(rune('a' + n))
		r.commit(version)
		pid := lastChildPID(p, "postgres")
		timer := time.AfterFunc(delay*time.Millisecond, func() { _ = exec.Command("kill", "-9", "--", pid).Run() })
		out, err := r.try("push", "paas", "main")
		timer.Stop()
		if err != nil {
			t.Fatalf("killed after %d ms: %v\n%s\n%s", delay, err, out, platformtest.Tail(p.Log.String(), 30))
		}
		r.serves(version)
		err = p.Until(60*time.Second, "running postgres again", func() bool { _, err := p.paas("apps"); return err == nil })
		if err != nil {
			t.Fatal(err)
		}
	}
}
