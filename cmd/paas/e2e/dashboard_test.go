package e2e

import (
	"strings"
	"testing"
)

// TestDashboardStory is the first hour of somebody with the dashboard: from the
// link to sign in, over the first push and a bad one, to a terminal.
func TestDashboardStory(t *testing.T) {
	p := shared.get(t)
	w := p.member(t, "sue@story.example")
	b := w.tab()
	b.waitText("h1", "First steps")

	// The first push turns the page into that of its deploy, and that into live.
	r := w.newApp("story")
	f := demoFiles()
	f["Dockerfile"] = strings.Replace(f["Dockerfile"], `"0.3"`, `"3"`, 1)
	r.commit("The first of all", f)
	pushed := r.pushing()
	b.waitFor(`location.pathname.startsWith("/apps/story/deploys/")`)
	b.waitText("#output-section", "bundling scripts")
	b.becomesLive()
	b.waitText("#instances", "web.1")
	if out, err := pushed(); err != nil {
		t.Fatalf("git push: %v\n%s", err, out)
	}
	if out := r.paas("logs", "-n", "1"); out == "" {
		t.Error("the app has no log")
	}

	// Its log shows a request as it comes.
	b.open("/apps/story/logs")
	b.waitText("#status", "live")
	r.get("/products/lantern")
	b.waitText("#log", "/products/lantern")

	// A bad release is taken back on the page.
	r.push("A bad idea", nil)
	r.serves("A bad idea")
	b.open("/apps/story/releases")
	b.click("main a[href$='/rollback']", "Roll back")
	b.waitText("h1", "Roll back to")
	b.click("#rollback")
	b.becomesLive()
	r.serves("The first of all")

	b.scale("story", "1")
	b.waitFor(`!document.querySelector("#dynos").innerText.includes("web.2")`)
	b.setConfig("story", "GREETING=hello")
	b.becomesLive()
	if got := strings.TrimSpace(r.paas("config:get", "GREETING")); got != "hello" {
		t.Errorf("GREETING is %q", got)
	}

	b.openTerminal("story", "web.1", "/demo shell")
	b.onScreen("shop:/")
	b.types("status\r")
	b.onScreen("DYNO=web.1")
	b.types("exit\r")
	b.waitFor(`/ended|exit/i.test(document.querySelector("#terminal-state").innerText)`)

	b.click("header button", "Sign out")
	b.waitFor(`location.pathname === "/sign-in"`)
	b.open("/apps/story")
	if !strings.HasPrefix(b.path(), "/sign-in?next=") {
		t.Errorf("signed out, the app is still shown at %s", b.path())
	}
}

// scale sets how many web dynos an app has, on its page.
func (b *tab) scale(app, count string) {
	b.t.Helper()
	b.open("/apps/" + app + "/processes")
	b.fill("#quantity-web", count)
	b.click("#apply")
	b.waitFor(`document.querySelector("#said").innerText !== "" && document.querySelector("#quantity-web").value === ` + quoted(count))
}

// setConfig sets config vars of an app, on its pages.
func (b *tab) setConfig(app, lines string) {
	b.t.Helper()
	b.open("/apps/" + app + "/config")
	b.fill("#set", lines)
	b.click("main button.main", "Preview")
	b.waitText("h1", "What will change")
	b.click("main button.main", "Change and make")
	b.waitFor(`location.pathname.startsWith("/apps/` + app + `/deploys/")`)
}

// becomesLive waits until the page of a deploy says so.
func (b *tab) becomesLive() {
	b.t.Helper()
	b.waitLonger(2*patience, `document.querySelector("#deploy [role=status]")?.dataset.state === "live"`)
}
