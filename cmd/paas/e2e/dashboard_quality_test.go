package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp/kb"

	"paas/cmd/paas/platformtest"
)

// TestDashboardPages looks at every page that a link leads to, as people do
// whose eyes, hands or screens are not those of who made it.
func TestDashboardPages(t *testing.T) {
	p := shared.get(t)
	s := newScene(t, p, "lamps", p.member(t, "ann@lamps.example", "--admin"))
	b := s.ann.tab()
	list := visitAll(b, "/", func(path string) {
		t.Run(kindOf(path), func(t *testing.T) {
			defer b.as(t)()
			b.accessible()
			b.fitsPhone()
			b.keyboardAlone()
			b.inert()
		})
	})
	for _, want := range []string{"/", "/hosts", "/hosts/:host", "/rebalance", "/audit", "/account", "/apps/:app", "/apps/:app/deploys", "/apps/:app/deploys/:id", "/apps/:app/releases", "/apps/:app/logs", "/apps/:app/metrics",
		"/apps/:app/processes", "/apps/:app/config", "/apps/:app/domains", "/apps/:app/volumes", "/apps/:app/access", "/apps/:app/activity", "/apps/:app/builds", "/apps/:app/settings"} {
		if list[want] == "" {
			t.Errorf("no link leads to %s", want)
		}
	}
	t.Run("without scripts", func(t *testing.T) { withoutScripts(t, s, list) })
}

// as lets what fails be another test's, until the function it gives is called.
func (b *tab) as(t *testing.T) func() {
	before := b.t
	b.t = t
	return func() { b.report(); b.t = before }
}

var idText = regexp.MustCompile(`^(v?\d+|[0-9a-f]{8}-[0-9a-f-]{27,}|[0-9a-f]{7,64}|(web|worker|run|release|scheduler)\.\d+)$`)

// kindOf is a path with what differs between pages of a kind taken out.
func kindOf(path string) string {
	path, query, _ := strings.Cut(path, "?")
	parts := strings.Split(path, "/")
	for i, s := range parts {
		switch {
		case i == 2 && parts[1] == "apps":
			parts[i] = ":app"
		case i == 2 && parts[1] == "hosts":
			parts[i] = ":host"
		case idText.MatchString(s):
			parts[i] = ":id"
		}
	}
	var keys []string
	for pair := range strings.SplitSeq(query, "&") {
		if k, _, ok := strings.Cut(pair, "="); ok && !slices.Contains(keys, k) {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	if len(keys) > 0 {
		return strings.Join(parts, "/") + "?" + strings.Join(keys, "&")
	}
	return strings.Join(parts, "/")
}

// links are the pages of this host that a page leads to.
const links = `[...new Set([...document.querySelectorAll("a[href]:not([download])")].filter((a) => a.origin === location.origin && !a.pathname.startsWith("/static/"))
	.map((a) => a.pathname + a.search))]`

// visitAll opens one page of each kind that links lead to, and gives their paths.
func visitAll(b *tab, from string, look func(path string)) map[string]string {
	b.t.Helper()
	const most = 80 // kinds of pages
	seen := map[string]string{kindOf(from): from}
	for todo := []string{from}; len(todo) > 0; todo = todo[1:] {
		b.open(todo[0])
		if b.eval("document.contentType") != "text/html" {
			b.allow("favicon.ico") // a text brings no picture of its own
			delete(seen, kindOf(todo[0]))
			continue
		}
		found, _ := b.eval(links).([]any)
		look(todo[0])
		for _, l := range found {
			path := l.(string)
			if _, ok := seen[kindOf(path)]; !ok && !strings.Contains(path, "download") {
				seen[kindOf(path)] = path
				todo = append(todo, path)
			}
		}
		if len(seen) > most {
			b.t.Fatalf("more than %d kinds of pages: %v", most, seen)
		}
	}
	return seen
}

// axeFile is what scripts/axe.sh brings.
const axeFile = "../../../bin/axe.min.js"

type finding struct {
	ID, Help, Impact string
	Nodes            []struct {
		Target         []any
		FailureSummary string
		HTML           string
	}
}

// accessible holds the page to WCAG 2.2 AA, as far as a program can tell, and
// to its contrasts in the other theme too.
func (b *tab) accessible() {
	b.t.Helper()
	axe, err := os.ReadFile(axeFile)
	if err != nil {
		b.t.Fatalf("%v\nscripts/axe.sh bin/axe.min.js brings it", err)
	}
	b.eval(`(() => {` + string(axe) + "\n})()")
	b.theme("light")
	b.axe("light", `{ type: "tag", values: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] }`)
	b.theme("dark")
	b.axe("dark", `{ type: "rule", values: ["color-contrast", "link-in-text-block"] }`)
	b.theme("light")
}

func (b *tab) axe(theme, only string) {
	b.t.Helper()
	out, err := json.Marshal(b.eval(`axe.run(document, { resultTypes: ["violations"], preload: false, runOnly: ` + only + ` }).then((r) => r.violations)`))
	platformtest.Must(err)
	var found []finding
	platformtest.Must(json.Unmarshal(out, &found))
	for _, f := range found {
		for _, n := range f.Nodes[:min(len(f.Nodes), 2)] {
			b.t.Errorf("%s: %s (%s, %s; %d times): %v\n%s\n%.300s", theme, f.Help, f.ID, f.Impact, len(f.Nodes), n.Target, n.FailureSummary, n.HTML)
		}
	}
}

// fitsPhone wants no page to be wider than the smallest of phones: what is
// wide scrolls in a box of its own.
func (b *tab) fitsPhone() {
	b.t.Helper()
	b.window(360, 740)
	wide, _ := b.eval(`document.scrollingElement.scrollWidth <= 360 ? [] : [document.scrollingElement.scrollWidth + " pixels", ...[...document.querySelectorAll("body *")]
		.filter((e) => e.getBoundingClientRect().right > 361 && !e.parentElement.closest(".wide, .tabs, pre, code")).slice(0, 6).map((e) => e.outerHTML.slice(0, 160))]`).([]any)
	if len(wide) > 0 {
		b.t.Errorf("wider than 360 pixels: %v", wide)
	}
	b.window(1280, 800)
}

// reach notes what has the focus, and whether that is seen.
const reach = `(() => {
  const name = (e) => e.tagName + " " + (e.name || e.id || "") + " " + (e.getAttribute("href") || e.getAttribute("aria-label") || e.innerText || "").slice(0, 60);
  const all = [...document.querySelectorAll("a[href], button, input, select, textarea, summary, [tabindex='0']")].filter((e) =>
    !e.disabled && e.type !== "hidden" && !e.closest("[inert]") && e.tabIndex >= 0 && e.checkVisibility({ visibilityProperty: true }) && !(e.type === "radio" && !e.checked));
  window.reached = new Set(); window.unseen = new Set(); window.wanted = all.map(name);
  document.addEventListener("focusin", (e) => {
    window.reached.add(name(e.target));
    const s = getComputedStyle(e.target), r = e.target.getBoundingClientRect();
    if ((s.outlineStyle === "none" || parseFloat(s.outlineWidth) < 1) && s.boxShadow === "none" || !r.width) window.unseen.add(name(e.target));
  });
  document.activeElement?.blur();
  return all.length;
})()`

// keyboardAlone wants the Tab key to reach all that can be used, and to show
// where it is.
func (b *tab) keyboardAlone() {
	b.t.Helper()
	const most = 80 // elements of a page
	n := int(b.eval(reach).(float64))
	for range min(n, most) + 2 {
		b.press(kb.Tab)
	}
	if n <= most {
		if missed, _ := b.eval(`window.wanted.filter((n) => !window.reached.has(n))`).([]any); len(missed) > 0 {
			b.t.Errorf("the keyboard does not reach %d of %d: %q", len(missed), n, missed)
		}
	}
	if unseen, _ := b.eval(`[...window.unseen]`).([]any); len(unseen) > 0 {
		b.t.Errorf("the focus cannot be seen on %q", unseen)
	}
}

// harm lists what a page shows that its makers did not put there.
const harm = `(() => {
  const bad = [];
  if (window.harmed !== undefined) bad.push("a script ran: " + window.harmed);
  for (const e of document.querySelectorAll("*")) for (const a of e.attributes) if (/^on/i.test(a.name) || /^\s*javascript:/i.test(a.value)) bad.push(e.outerHTML.slice(0, 200));
  for (const e of document.querySelectorAll("iframe, object, embed, base, img[src='x'], style, [style*=url]")) bad.push(e.outerHTML.slice(0, 200));
  for (const s of document.scripts) if (!s.src.startsWith(location.origin + "/static/")) bad.push(s.outerHTML.slice(0, 200));
  const at = document.body.textContent.search(/[\u0000\u0007\u001b\u200b\u202a-\u202e\u2066-\u2069]/);
  if (at >= 0) bad.push("a character that hides or moves others: " + JSON.stringify(document.body.textContent.slice(Math.max(0, at - 30), at + 30)));
  return bad;
})()`

// inert wants nothing of what people wrote to have become part of the page.
func (b *tab) inert() {
	b.t.Helper()
	if bad, _ := b.eval(harm).([]any); len(bad) > 0 {
		b.t.Errorf("%q", bad)
	}
}

// withoutScripts wants every page to show what it is about where scripts do
// not run.
func withoutScripts(t *testing.T, s *scene, list map[string]string) {
	s.ann.t = t
	b := s.ann.tab()
	b.scripts(false)
	for kind, path := range list {
		b.open(path)
		if h, _ := b.eval(`document.querySelector("main h1")?.innerText`).(string); strings.TrimSpace(h) == "" {
			t.Errorf("%s has no heading without scripts", kind)
		}
		if shown, _ := b.eval(`document.querySelector("main").innerText.length`).(float64); shown < 40 {
			t.Errorf("%s shows nothing without scripts:\n%s", kind, b.seen())
		}
	}
	// And its forms do what they say.
	app := s.shop.app
	b.scale(app, "1")
	b.setConfig(app, "COLOUR=green\n")
	b.reloadUntilLive()
	if got := strings.TrimSpace(s.shop.paas("config:get", "COLOUR")); got != "green" {
		t.Errorf("COLOUR is %q", got)
	}
	b.open("/apps/" + app + "/releases")
	b.click("main a[href$='/rollback']", "Roll back")
	b.waitText("h1", "Roll back to")
	b.click("#rollback")
	b.waitText("#said", "has begun")
	b.reloadUntilLive()
}

// reloadUntilLive is how somebody without scripts follows a deploy.
func (b *tab) reloadUntilLive() {
	b.t.Helper()
	b.waitFor(`!!document.querySelector("#deploy [role=status]")`) // what was clicked may not be all there yet
	for deadline := time.Now().Add(2 * patience); b.eval(`document.querySelector("#deploy [role=status]").dataset.state`) != "live"; b.reload() {
		if time.Now().After(deadline) {
			b.t.Fatalf("not live\n%s", b.seen())
		}
	}
}

// TestHostileTextsAreInert looks at all pages of an app whose owner means harm.
func TestHostileTextsAreInert(t *testing.T) {
	p := shared.get(t)
	w := p.member(t, "mallory@harm.example", "--admin")
	newHostileApp(w, "harm")
	b := w.tab()
	shown := ""
	visitAll(b, "/", func(path string) {
		t.Run(kindOf(path), func(t *testing.T) {
			defer b.as(t)()
			if strings.HasSuffix(path, "/logs") {
				b.waitText("main", "harmed")
			}
			b.inert()
			shown += fmt.Sprint(b.eval(`document.body.innerText`))
		})
	})
	for _, text := range append(hostileTexts(), "HTML", "ANSI") {
		if !strings.Contains(shown, text) {
			t.Errorf("no page shows %q: was it tried?", text)
		}
	}
}
