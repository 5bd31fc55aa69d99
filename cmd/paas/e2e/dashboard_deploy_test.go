package e2e

import (
	"fmt"
	"strings"
	"testing"

	"paas/cmd/paas/platformtest"
)

// smallFiles are those of an app that is built and up soon.
func smallFiles() files {
	return files{"Dockerfile": "FROM scratch\nCOPY demo VERSION /\nRUN [\"/demo\", \"build\", \"0.2\"]\n", "Procfile": "web: /demo web\n"}
}

// pushing pushes what is committed while somebody looks on; the function
// waits for its end and gives what git said.
func (r *work) pushing() (wait func() (string, error)) {
	var out string
	var err error
	done := make(chan struct{})
	go func() {
		defer close(done)
		out, err = r.who.try(r.dir, "git", "push", "paas", "main")
	}()
	wait = func() (string, error) { <-done; return out, err }
	r.who.t.Cleanup(func() { <-done })
	return wait
}

// TestDashboardFirstRun goes from no app to a live one with the page beside.
func TestDashboardFirstRun(t *testing.T) {
	p := shared.get(t)
	who := p.member(t, "newcomer@first.example")
	b := who.tab()
	b.open("/")
	b.waitFor(`location.pathname === "/start"`)
	if text := b.text("main"); !strings.Contains(text, "paas login") || !strings.Contains(text, "SHA256:") || strings.Count(text, "to do") != 2 {
		t.Errorf("the first steps of who has a key and is logged in:\n%s", text)
	}
	b.accessible()
	b.fitsPhone()
	r := who.newApp("first-run")
	b.waitText("#first", "git remote add paas ssh://")
	r.commit("<b>First</b> version", smallFiles())
	wait := r.pushing()
	b.waitFor(`location.pathname.startsWith("/apps/first-run/deploys/")`) // the page turned by itself
	b.waitText("#output", "Building")
	b.waitLonger(2*patience, `document.querySelector(".now").dataset.state === "live"`)
	b.waitText("#instances", "web.1")
	b.waitFor(`document.querySelector("#instances .state.good") !== null`)
	b.waitFor(`document.getElementById("stream").dataset.ended !== undefined`)
	b.waitText("#output", "deployed to paas")
	if out, err := wait(); err != nil {
		t.Fatalf("the push: %v\n%s", err, out)
	}
	if text := b.text("#deploy"); strings.Count(text, "done") != 5 || !strings.Contains(text, "<b>First</b> version") {
		t.Errorf("the steps:\n%s", text)
	}
	live := b.eval(outputText).(string)
	b.reload()
	if again := b.eval(outputText).(string); again != live {
		t.Errorf("what was followed differs from what is kept:\n%s\n---\n%s", live, again)
	}
}

const outputText = `[...document.querySelectorAll("#output summary, #output .ln")].map((e) => e.textContent.trim()).join("\n")`

// TestDashboardBadReleaseIsRolledBack shows why a release failed, without
// JavaScript too, and goes back to an earlier one from the page.
func TestDashboardBadReleaseIsRolledBack(t *testing.T) {
	p := shared.get(t)
	who := p.member(t, "careful@bad.example")
	r := who.newApp("bad-release")
	r.push("First version", smallFiles())
	r.push("Second version", nil)
	b := who.tab()
	r.commit("Crash at start", files{"Procfile": "web: /demo crash\n"})
	b.open("/apps/bad-release/deploys")
	wait := r.pushing()
	b.waitText("#deploys", "Crash at start")
	b.click("#deploys tbody tr:first-child a")
	b.waitFor(`location.pathname.startsWith("/apps/bad-release/deploys/") && document.readyState === "complete"`)
	b.waitLonger(2*patience, `document.querySelector(".now").dataset.state === "failed"`)
	if out, err := wait(); err == nil {
		t.Fatalf("the push of what crashes went through:\n%s", out)
	}
	for _, want := range []string{"Failed while rolling.", "web.1 of v4 did not come up", "v3 still serves, with its code and config as they were.", "paas logs -a bad-release"} {
		b.waitText("#deploy", want)
	}
	failed := b.path()
	b.scripts(false)
	b.open(failed)
	b.waitText("#deploy", "did not come up")
	b.waitText("#output", "Launching v4")
	b.scripts(true)

	b.open("/apps/bad-release/releases")
	b.click(`input[name=from][value="2"]`)
	b.click(`input[name=to][value="3"]`)
	b.click("button", "Compare the two")
	b.waitFor(`location.pathname.endsWith("/releases/diff") && document.readyState === "complete"`)
	b.waitText(".changes .came", "Second version")
	b.open("/apps/bad-release/releases")
	b.click(`a[href$="/releases/2/rollback"]`)
	b.waitFor(`location.pathname.endsWith("/releases/2/rollback") && document.readyState === "complete"`)
	b.waitText(".changes .gone", "Second version") // it would be taken back
	b.click("#rollback")
	b.waitFor(`location.pathname.startsWith("/apps/bad-release/deploys/")`)
	b.waitText(".said", "Rollback to v2 has begun.")
	b.waitLonger(2*patience, `document.querySelector(".now").dataset.state === "live"`)
	if out := r.paas("releases"); !strings.Contains(out, "Current: v5") {
		t.Errorf("after the rollback:\n%s", out)
	}
}

// TestDashboardDeployIsCancelled presses the button while the build runs.
func TestDashboardDeployIsCancelled(t *testing.T) {
	p := shared.get(t)
	who := p.member(t, "hasty@cancel.example")
	r := who.newApp("cancelled")
	f := smallFiles()
	f["Dockerfile"] = strings.Replace(f["Dockerfile"], "0.2", "60", 1)
	b := who.tab()
	b.open("/apps/cancelled")
	r.commit("Slow", f)
	wait := r.pushing()
	b.waitFor(`location.pathname.startsWith("/apps/cancelled/deploys/") && document.readyState === "complete"`)
	b.waitText(".step.busy", "build")
	b.click("#cancel")
	b.waitFor(`document.querySelector(".now")?.dataset.state === "cancelled"`)
	b.waitText("main", "cancelled by "+who.email)
	if out, err := wait(); err == nil || !strings.Contains(out, "cancelled by "+who.email) {
		t.Errorf("git push: %v\n%s", err, out)
	}
	if b.has("#cancel") {
		t.Error("what was cancelled can be cancelled")
	}
}

// TestDashboardLongOutput follows a build that prints without end.
func TestDashboardLongOutput(t *testing.T) {
	p := shared.get(t)
	who := p.member(t, "loud@output.example")
	r := who.newApp("loud")
	f := smallFiles()
	f["Dockerfile"] += "RUN [\"/demo\", \"flood\", \"60000\"]\n"
	b := who.tab()
	b.open("/apps/loud")
	r.commit("Loud", f)
	wait := r.pushing()
	b.waitFor(`location.pathname.startsWith("/apps/loud/deploys/") && document.readyState === "complete"`)
	b.waitLonger(3*patience, `document.getElementById("stream").dataset.ended !== undefined`)
	if out, err := wait(); err != nil {
		t.Fatalf("the push: %v\n%s", err, platformtest.Tail(out, 20))
	}
	b.waitText("#output", "deployed to paas")
	if n := b.eval(`document.querySelectorAll("#output *").length`).(float64); n > 10000 {
		t.Errorf("the page has %g elements of output", n)
	}
	b.waitFor(`document.getElementById("output").textContent.includes("Lines before these are not shown.")`)
	raw := b.eval(fmt.Sprintf(`fetch(%s).then((r) => r.text()).then((t) => t.split("\n").length)`, quoted(strings.TrimSuffix(b.path(), "?")+"/output.txt"))).(float64)
	// How much of a flood BuildKit passes on depends on how fast it comes.
	if shown := b.eval(`document.querySelectorAll("#output .ln").length`).(float64); shown > 2000 || raw <= shown {
		t.Errorf("the page has %g lines, the text %g", shown, raw)
	}
}
