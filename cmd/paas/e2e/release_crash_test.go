package e2e

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// kill -9 of the server around the release command and postdeploy: each has
// run exactly once when the deploy is live.
func TestKillAroundReleaseCommand(t *testing.T) {
	p := newPlatform(filepath.Join(built.Dir, "release-crash"))
	if err := p.start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.destroy)
	for i, point := range []string{"release.command_begun", "release.command_done", "postdeploy.command_begun", "postdeploy.done"} {
		t.Run(point, func(t *testing.T) {
			app := fmt.Sprint("release-crash-", i)
			r := p.newApp(t, app)
			r.write("Procfile", "web: /app\nrelease: /app -mode say migrated\n")
			r.write("app.json", `{"scripts": {"postdeploy": "/app -mode say seeded"}}`)
			p.terminate()
			if err := p.start("--failpoint", point+"=kill"); err != nil {
				t.Fatal(err)
			}
			r.commit("one")
			if out, err := r.try("push", "paas", "main"); err == nil {
				t.Fatalf("the push went through though the server was killed:\n%s", out)
			}
			<-p.Exited
			if err := p.start(); err != nil {
				t.Fatal(err)
			}
			ranOnce(t, p, r)
		})
	}
}

// kill -9 while the release command runs: it goes on without the server, and
// its end is taken up with every line it printed meanwhile.
func TestKillWhileReleaseCommandRuns(t *testing.T) {
	p := newPlatform(filepath.Join(built.Dir, "release-running"))
	if err := p.start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.destroy)
	r := p.newApp(t, "release-running")
	r.write("Procfile", "web: /app\nrelease: /app -mode linger 4 migrated\n")
	r.write("app.json", `{"scripts": {"postdeploy": "/app -mode say seeded"}}`)
	r.commit("one")
	pushed := r.pushLater()
	p.untilLogged(t, r.app, "]: lingering")
	_ = p.Cmd.Process.Kill()
	<-p.Exited
	if out := <-pushed; out.err == nil {
		t.Fatalf("the push went through though the server was killed:\n%s", out.text)
	}
	if err := p.start(); err != nil {
		t.Fatal(err)
	}
	ranOnce(t, p, r)
	if out := p.mustPaas(t, "releases:output", "v2", "-a", r.app); out != "lingering\nmigrated\n" {
		t.Errorf("kept output %q", out)
	}
}

// A deploy that is cancelled takes its release command with it.
func TestCancelWhileReleaseCommandRuns(t *testing.T) {
	p := shared.get(t)
	r := p.newApp(t, "release-cancel")
	r.write("Procfile", "web: /app\nrelease: /app -mode worker\n")
	r.commit("one")
	pushed := r.pushLater()
	p.untilLogged(t, r.app, "]: worker at work")
	p.mustPaas(t, "deploys:cancel", "-a", r.app)
	out := <-pushed
	if out.err == nil {
		t.Fatalf("a cancelled push went through:\n%s", out.text)
	}
	contains(t, out.text, "worker at work", "The deploy was cancelled", "Nothing was changed")
	err := p.Until(30*time.Second, "clean", func() bool { return countOf(p.containers(t), "paas-"+r.app+"-") == 0 })
	if err != nil {
		t.Errorf("containers left over: %v\n%v", p.containers(t), err)
	}
	p.untilLogged(t, r.app, "paas[release.1001]: State changed from up to complete")
}

type pushResult struct {
	text string
	err  error
}

// pushLater pushes in the background.
func (r *repo) pushLater() <-chan pushResult {
	out := make(chan pushResult, 1)
	go func() {
		text, err := r.try("push", "paas", "main")
		out <- pushResult{text, err}
	}()
	return out
}

// untilLogged waits until an app's log holds a text.
func (p *platform) untilLogged(t *testing.T, app, text string) {
	t.Helper()
	err := p.Until(30*time.Second, "saying "+text, func() bool {
		log, err := p.paas("logs", "-n", "1500", "-a", app)
		return err == nil && strings.Contains(log, text)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// ranOnce waits until the deploy is through and counts what ran.
func ranOnce(t *testing.T, p *platform, r *repo) {
	t.Helper()
	want := strings.TrimSpace(r.git("rev-parse", "HEAD"))
	err := p.Until(30*time.Second, "done with the deploy", func() bool {
		refs, err := r.try("ls-remote", "paas", "refs/heads/main")
		return err == nil && strings.HasPrefix(refs, want)
	})
	if err != nil {
		t.Fatal(err)
	}
	r.serves("one")
	log := p.mustPaas(t, "logs", "-n", "1500", "-a", r.app)
	for _, line := range []string{"]: migrated\n", "]: seeded\n"} {
		if n := strings.Count(log, line); n != 1 {
			t.Errorf("%d times %q in the log, want once:\n%s", n, line, log)
		}
	}
	if out := p.mustPaas(t, "releases", "-a", r.app); strings.Count(out, "Deploy "+want[:8]) != 1 {
		t.Errorf("not exactly one release:\n%s", out)
	}
	err = p.Until(30*time.Second, "clean", func() bool { return countOf(p.containers(t), "paas-"+r.app+"-") == 1 })
	if err != nil {
		t.Errorf("containers left over: %v\n%v", p.containers(t), err)
	}
}
