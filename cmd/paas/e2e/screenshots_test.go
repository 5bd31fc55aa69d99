package e2e

import (
	"flag"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"paas/cmd/paas/platformtest"
)

var picturesTo = flag.String("screenshots", "", "directory for TestScreenshots to write its pictures to")

// gallery takes pictures of pages.
type gallery struct {
	*tab
	dir   string
	taken int
}

// shot takes the page in both themes as it is now, named so.
func (g *gallery) shot(name string) {
	g.t.Helper()
	for _, theme := range []string{"light", "dark"} {
		g.theme(theme)
		g.screenshot(filepath.Join(g.dir, name+"-"+theme+".webp"))
		g.taken++
	}
}

// page opens a page, waits for a text on it and takes it; phone says whether
// to take it as a phone shows it, too.
func (g *gallery) page(name, path, text string, phone bool) {
	g.t.Helper()
	g.open(path)
	g.waitText("main", text)
	g.shot(name)
	if phone {
		g.window(390, 844)
		g.theme("light")
		g.screenshot(filepath.Join(g.dir, name+"-phone.webp"))
		g.window(1280, 800)
	}
}

// TestScreenshots takes the pictures of docs/screenshots: scripts/screenshots.sh
// runs it.
func TestScreenshots(t *testing.T) {
	if *picturesTo == "" {
		t.Skip("no -screenshots DIRECTORY")
	}
	p := stage(t)
	ann := p.member(t, "ann@lamps.example", "--admin")
	strangers := &gallery{tab: newStrangersTab(t, p), dir: *picturesTo}
	strangers.page("sign-in", "/sign-in", "paas dashboard", true)
	strangers.openURL(findLink(t, ann.paas("dashboard", "--print")))
	strangers.shot("sign-in-link")

	g := &gallery{tab: ann.tab(), dir: *picturesTo}
	g.page("first-run", "/", "git push", true)
	s := newScene(t, p, "lamps", ann)
	others(t, s)
	g.live(s)
	g.pages(t, s)
	t.Logf("%d pictures, and those of phones", g.taken+strangers.taken)
}

// TestPicturesOfTheDocs wants every picture that the docs show to be there.
func TestPicturesOfTheDocs(t *testing.T) {
	const docs = "../../../docs"
	page, err := os.ReadFile(filepath.Join(docs, "dashboard.md"))
	platformtest.Must(err)
	shown := regexp.MustCompile(`\((screenshots/[a-z-]+\.webp)\)`).FindAllSubmatch(page, -1)
	if len(shown) < 20 {
		t.Errorf("docs/dashboard.md shows %d pictures", len(shown))
	}
	for _, m := range shown {
		if _, err := os.Stat(filepath.Join(docs, string(m[1]))); err != nil {
			t.Errorf("%v: make screenshots", err)
		}
	}
}

// stage is a platform of its own, at the usual ports where they are free.
func stage(t *testing.T) *platform {
	t.Helper()
	p := newPlatform(filepath.Join(built.Dir, "stage"))
	for port, at := range map[string]*string{"8080": &p.http, "2222": &p.ssh, "8081": &p.api} {
		if l, err := net.Listen("tcp", "127.0.0.1:"+port); err == nil {
			*at = l.Addr().String()
			l.Close()
		}
	}
	t.Cleanup(p.destroy)
	if err := p.start(); err != nil {
		t.Fatal(err)
	}
	return p
}

// others are the apps beside the one that the pictures are about.
func others(t *testing.T, s *scene) {
	small := files{"Dockerfile": demoFiles()["Dockerfile"], "Procfile": "web: /demo web\n"}
	for _, name := range []string{"blog", "search-api", "status"} {
		s.ann.newApp(name).push("Deploy from main", small)
	}
	jobs := s.ann.newApp("mailer")
	jobs.push("Send receipts", files{"Dockerfile": small["Dockerfile"], "Procfile": "web: /demo web\nworker: /demo crash\n"})
	jobs.paas("ps:scale", "web=0", "worker=1")
	s.ann.newApp("playground")
	s.ann.paas("maintenance:on", "-a", "status")
	db := s.ann.p.db(t)
	past(t, db, "lamps", 14, 0.02, map[string]int{"web": 2, "worker": 1})
	past(t, db, "blog", 2, 0, map[string]int{"web": 1})
	past(t, db, "search-api", 31, 0.03, map[string]int{"web": 1})
	past(t, db, "mailer", 0.2, 0, map[string]int{"worker": 1})
}

var deployPath = regexp.MustCompile(`/apps/lamps/deploys/[^/?#]+$`)

// live takes a deploy while it builds.
func (g *gallery) live(s *scene) {
	slow := demoFiles()
	slow["Dockerfile"] = `FROM scratch
COPY demo VERSION /
RUN ["/demo", "build", "12"]
`
	s.shop.commit("Let people pay by invoice", slow)
	pushed := s.shop.pushing()
	g.open("/apps/lamps/deploys")
	const link = `[...document.querySelectorAll("main a")].find((a) => /deploys\/./.test(a.pathname) && /building/i.test(a.closest("tr, li")?.innerText) && !/failed/i.test(a.closest("tr, li")?.innerText))`
	g.waitFor(link + ` !== undefined`)
	path := g.eval(link + `.pathname`).(string)
	if !deployPath.MatchString(path) {
		g.t.Fatalf("the deploy under way leads to %s", path)
	}
	g.page("deploy-live", path, "bundling scripts", true)
	if out, err := pushed(); err != nil {
		g.t.Fatalf("git push: %v\n%s", err, out)
	}
	g.waitText("main", "live")
	g.shot("deploy-done")
}

// pages takes all that stand still.
func (g *gallery) pages(t *testing.T, s *scene) {
	t.Helper()
	app := "/apps/lamps"
	stop := s.shoppers()
	defer stop()
	for _, p := range []struct {
		name, path, text string
		phone            bool
	}{
		{"apps", "/", "search-api", true},
		{"overview", app, "web.1", true},
		{"deploys", app + "/deploys", "Let people pay", false},
		{"releases", app + "/releases", "Rollback", true},
		{"metrics", app + "/metrics?range=24h", "CPU", true},
		{"config", app + "/config", "DATABASE_URL", true},
		{"processes", app + "/processes", "worker", false},
		{"domains", app + "/domains", "www.lamps.example", false},
		{"volumes", app + "/volumes", "uploads", false},
		{"access", app + "/access", "cleo@shop.example", false},
		{"activity", app + "/activity", "lamps", false},
		{"builds", app + "/builds", "", false},
		{"settings", app + "/settings", "lamps", false},
		{"hosts", "/hosts", "lamps", true},
		{"rebalance", "/rebalance", "evenly full", false},
		{"audit", "/audit", "ann@lamps.example", false},
		{"account", "/account", "ann@lamps.example", false},
	} {
		g.page(p.name, p.path, p.text, p.phone)
	}
	g.logs(app)
	g.found("deploy-failed", app+"/deploys", `[...document.querySelectorAll("main a")].find((a) => /deploys\/./.test(a.pathname) && /failed/i.test(a.closest("tr, li")?.innerText))`, "Failed while")
	g.found("rollback", app+"/releases", `document.querySelector("main a[href$='/rollback']")`, "Leave it as it is")
	g.page("diff", app+"/releases/diff?from=2&to=4", "v4", false)
	g.configPreview(app)
	g.terminal()
	g.palette(app)
	g.allow("404")
	g.page("error", "/apps/lamsp", "find that app", false)
}

func (g *gallery) logs(app string) {
	g.open(app + "/logs")
	g.waitFor(`document.querySelector("main").innerText.split("took=").length > 12`)
	g.shot("logs")
	g.window(390, 844)
	g.screenshot(filepath.Join(g.dir, "logs-phone.webp"))
	g.window(1280, 800)
}

// found takes the page that a link leads to.
func (g *gallery) found(name, path, link, text string) {
	g.t.Helper()
	g.open(path)
	g.waitFor(link + " != null")
	g.page(name, g.eval(link+".pathname").(string), text, false)
}

func (g *gallery) configPreview(app string) {
	g.open(app + "/config")
	g.fill("#set", "MAIL_FROM=shop@lamps.example\nINVOICES=on\n")
	g.click("main button.main", "Preview")
	g.waitText("h1", "What will change")
	g.shot("config-preview")
}

func (g *gallery) terminal() {
	g.openTerminal("lamps", "web.1", "/demo shell")
	g.onScreen("shop:/")
	g.types("status\r")
	g.onScreen("DYNO=web.1")
	g.shot("terminal")
	g.types("exit\r") // a page with an open terminal asks before it goes
	g.waitFor(`/ended|exit/i.test(document.querySelector("#terminal-state").innerText)`)
}

func (g *gallery) palette(app string) {
	g.open(app)
	g.types("/")
	g.waitFor(paletteOpen)
	g.types("log")
	g.waitFor(chosen + ` !== null`)
	g.shot("palette")
}

// shoppers use the app until the function it gives is called.
func (s *scene) shoppers() func() {
	stop, gone := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(gone)
		tick := time.NewTicker(150 * time.Millisecond)
		defer tick.Stop()
		paths := []string{"/", "/products/lamp", "/products/chair", "/cart", "/products/sofa?color=green", "/checkout", "/search?q=lmap"}
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			case <-tick.C:
				path := paths[i%len(paths)]
				if i%23 == 0 {
					path = fmt.Sprintf("/missing/%d", i)
				}
				_, _, _ = s.shop.who.p.get(s.shop.app, path)
			}
		}
	}()
	return func() { close(stop); <-gone }
}
