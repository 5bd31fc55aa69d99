package e2e

import (
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"paas/cmd/paas/platformtest"
)

// demoApp is the app of scenes, built once.
var demoApp = sync.OnceValue(func() string {
	bin := filepath.Join(built.Dir, "demo")
	platformtest.BuildApp(bin, "./testdata/demo")
	return bin
})

// files of a work tree, by name; an empty one is removed.
type files map[string]string

// demoFiles are those of an app that has all there is to see.
func demoFiles() files {
	return files{
		"Dockerfile": "FROM scratch\nCOPY demo /demo\nRUN [\"/demo\", \"build\", \"0.3\"]\nCOPY VERSION /VERSION\n",
		"Procfile":   "web: /demo web\nworker: /demo worker\nrelease: /demo migrate\n",
		"app.json": `{"formation": {"web": {"quantity": 2}, "worker": {"quantity": 1}},
  "healthchecks": {"web": [{"type": "startup", "path": "/up"}]},
  "cron": [{"command": "/demo report", "schedule": "0 3 * * *", "timezone": "Europe/Berlin"}]}`,
	}
}

// work is a member's work tree of an app.
type work struct {
	who      *member
	app, dir string
}

// newApp makes an app of the member's with a work tree.
func (w *member) newApp(name string) *work {
	w.t.Helper()
	w.paas("apps:create", name, "--no-remote")
	return w.clone(name)
}

// clone is a work tree of an app that is there.
func (w *member) clone(name string) *work {
	w.t.Helper()
	r := &work{who: w, app: name, dir: w.t.TempDir()}
	r.git("init", "-q", "-b", "main")
	r.git("remote", "add", "paas", "ssh://paas@"+w.p.ssh+"/"+name+".git")
	platformtest.Must(os.Link(demoApp(), filepath.Join(r.dir, "demo")))
	return r
}

// catchUp takes what others pushed.
func (r *work) catchUp() *work {
	r.who.t.Helper()
	r.git("fetch", "-q", "paas", "main")
	r.git("reset", "-q", "--hard", "FETCH_HEAD")
	return r
}

func (r *work) git(args ...string) string {
	r.who.t.Helper()
	out, err := r.who.try(r.dir, "git", args...)
	if err != nil {
		r.who.t.Fatalf("git %v: %v\n%s\nserver:\n%s", args, err, out, platformtest.Tail(r.who.p.Log.String(), 40))
	}
	return out
}

func (r *work) commit(subject string, changed files) {
	r.who.t.Helper()
	for _, name := range slices.Sorted(maps.Keys(changed)) {
		if text := changed[name]; text != "" {
			platformtest.Must(os.WriteFile(filepath.Join(r.dir, name), []byte(text), 0o644))
		} else {
			_ = os.Remove(filepath.Join(r.dir, name))
		}
	}
	platformtest.Must(os.WriteFile(filepath.Join(r.dir, "VERSION"), []byte(subject+"\n"), 0o644))
	r.git("add", "-A", "--", ".")
	r.git("commit", "-q", "-m", subject)
}

// push commits and pushes what must become live.
func (r *work) push(subject string, changed files) {
	r.who.t.Helper()
	r.commit(subject, changed)
	r.git("push", "paas", "main")
}

// serves wants the app to answer with what was pushed under that subject.
func (r *work) serves(subject string) {
	r.who.t.Helper()
	if code, body, err := r.who.p.get(r.app, "/"); err != nil || code != http.StatusOK || !strings.Contains(body, subject) {
		r.who.t.Fatalf("%s answers %d %q (%v), want %q", r.app, code, body, err, subject)
	}
}

// fails commits and pushes what must not, and takes the commit back.
func (r *work) fails(subject string, changed files) {
	r.who.t.Helper()
	r.commit(subject, changed)
	if out, err := r.who.try(r.dir, "git", "push", "paas", "main"); err == nil {
		r.who.t.Fatalf("the push of %q went through:\n%s", subject, out)
	}
	r.git("reset", "-q", "--hard", "HEAD~1")
}

// paas runs the CLI for the app, and wants it to succeed.
func (r *work) paas(args ...string) string {
	r.who.t.Helper()
	return r.who.paas(append(args, "-a", r.app)...)
}

// get asks the app, whatever it answers.
func (r *work) get(path string) {
	r.who.t.Helper()
	if code, _, err := r.who.p.get(r.app, path); err != nil || code == http.StatusBadGateway {
		r.who.t.Fatalf("%s%s: %d %v", r.app, path, code, err)
	}
}

// scene is an app with a past: releases of two people, a rollback, a build
// that failed and a release that crashed, config, domains, guests and a log.
type scene struct {
	ann, ben *member
	shop     *work
}

// newScene makes it for ann, as an app of that name.
func newScene(t *testing.T, p *platform, name string, ann *member) *scene {
	t.Helper()
	s := &scene{ann: ann, ben: p.member(t, "ben@"+name+".example")}
	s.shop = s.ann.newApp(name)
	s.shop.push("First version", demoFiles())
	s.shop.paas("config:set", "DATABASE_URL=postgres://shop:s3cret-pass@db.internal/shop", "QUEUE=orders", "SESSION_SECRET=0b5e63f7c1", "MAIL_FROM=hello@shop.example")
	s.shop.paas("access:add", s.ben.email, "-p", "deploy,operate")
	s.shop.paas("access:add", "cleo@shop.example", "-p", "view")
	s.shop.paas("domains:add", "www."+name+".example")
	s.shop.paas("volumes:create", "uploads", "--size", "10G")
	s.shop.push("Show what is in stock on product pages", nil)
	broken := demoFiles()["Dockerfile"] + "COPY images.lock /images.lock\n"
	s.shop.fails("Upgrade the image library", files{"Dockerfile": broken})
	s.ben.clone(name).catchUp().push("Search finds words with typos", nil)
	s.shop.catchUp()
	s.shop.fails("Switch to the new payment client", files{"Procfile": "web: /demo crash\nworker: /demo worker\n"})
	s.shop.push("Add gift cards", nil)
	s.shop.paas("rollback")
	s.shop.paas("config:set", "GIFT_CARDS=off", "MAIL_FROM=team@shop.example")
	for _, path := range []string{"/", "/products/lamp", "/products/chair", "/cart", "/checkout", "/missing/sofa"} {
		s.shop.get(path)
	}
	return s
}

// hostileTexts are texts that would harm whoever shows them as they are.
func hostileTexts() []string {
	return []string{`<script>window.harmed = 1</script>`, `"><img src=x onerror="window.harmed = 2">`, `'-window.harmed-'`, `</title><svg onload=window.harmed=3>`}
}

// newHostileApp is an app whose every text is meant to harm who looks at it.
func newHostileApp(w *member, name string) *work {
	w.t.Helper()
	bad := hostileTexts()
	r := w.newApp(name)
	f := files{"Dockerfile": "FROM scratch\nCOPY demo VERSION /\nRUN [\"/demo\", \"hostile\"]\n",
		"Procfile": "web: /demo say " + quoted(bad[0]) + " " + quoted(bad[1]) + "\n" + "worker: /demo worker " + quoted(bad[3]) + "\n"}
	r.push(bad[0]+bad[1]+"\u202e reversed", f)
	r.paas("config:set", "HTML="+strings.Join(bad, ""), "ANSI=\x1b]0;title\x07\x1b[31mred")
	r.fails(bad[3]+bad[2], files{"Dockerfile": "FROM scratch\nCOPY " + quoted(bad[1]) + " /\n"})
	return r
}
