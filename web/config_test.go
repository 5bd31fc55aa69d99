package web

import (
	"context"
	"fmt"
	"html"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"paas/server"
)

// configured is a platform with an app that has config.
type configured struct {
	*fake
	sheet   server.ConfigSheet
	changed []server.ConfigRequest
	staged  []server.ConfigRequest
	refuse  error
	last    func() // happens just before the change
}

// settled is the platform's own look at the version, under its lock.
func (f *configured) settled(r server.ConfigRequest) error {
	if f.last != nil {
		f.last()
		f.last = nil
	}
	if r.Expect != f.sheet.Release.Version {
		return server.Errorf(server.ErrConflict, "The config was changed meanwhile.")
	}
	return nil
}

const (
	storedSecret = "stored-secret-5f1c"
	hostileValue = `"><script>alert(1)</script>`
)

func newConfigured() *configured {
	f := &configured{fake: newFake("shop")}
	f.sheet = server.ConfigSheet{Release: server.Release{Version: 12, User: "ann@example.com", CreatedAt: time.Now(), Image: server.Image{Digest: "sha256:x"},
		Processes: map[string]server.Process{"web": {}, "worker": {}}}, Newest: 13,
		Vars:  map[string]map[string]string{"": {"DATABASE_URL": storedSecret, "OLD": storedSecret + "2", "HOSTILE": hostileValue}, "web": {"ONLY_WEB": storedSecret}},
		Files: map[string]server.ConfigFile{"/app/key.pem": {Content: []byte(storedSecret)}}}
	return f
}

func (f *configured) ConfigSheet(_ context.Context, _ server.Actor, _ string) (server.ConfigSheet, error) {
	return f.sheet, nil
}

func (f *configured) History(context.Context, server.Actor, string, string, int) ([]server.ConfigChange, error) {
	return []server.ConfigChange{{Release: server.Release{Version: 12, User: "<b>ann</b>"}, Keys: []server.KeyChange{{Name: "DATABASE_URL", What: "changed"}, {Name: "ONLY_WEB", Type: "web", What: "set"}}}}, nil
}

func (f *configured) Formation(context.Context, server.Actor, string) ([]server.Formation, error) {
	return []server.Formation{{Type: "web", Quantity: 2, Size: "Standard-1X"}, {Type: "worker", Quantity: 1, Size: "Standard-1X"}, {Type: "clock", Quantity: 0, Size: "Standard-1X"}}, nil
}

func (f *configured) RehearseConfig(context.Context, server.Actor, string, server.ConfigRequest) error {
	return f.refuse
}

func (f *configured) ChangeConfig(_ context.Context, _ server.Actor, _ string, r server.ConfigRequest) (server.Deploy, error) {
	if err := f.settled(r); err != nil {
		return server.Deploy{}, err
	}
	f.changed = append(f.changed, r)
	return server.Deploy{ID: "deploy-1"}, nil
}

func (f *configured) StageConfig(_ context.Context, _ server.Actor, _ string, r server.ConfigRequest) (server.StagedConfig, error) {
	if err := f.settled(r); err != nil {
		return server.StagedConfig{}, err
	}
	f.staged = append(f.staged, r)
	return server.StagedConfig{}, nil
}

func (f *configured) Unstage(_ context.Context, _ server.Actor, _ string, names []string) (server.StagedConfig, error) {
	f.staged = append(f.staged, server.ConfigRequest{Type: "dropped " + fmt.Sprint(names)})
	return server.StagedConfig{}, nil
}

func (f *configured) ApplyStaged(context.Context, server.Actor, string) (server.Deploy, error) {
	return server.Deploy{ID: "deploy-2"}, nil
}

// asked is what a change amounts to, in words.
func asked(r server.ConfigRequest) string {
	var words []string
	for _, name := range []string{"A", "DATABASE_URL", "OLD", "HOSTILE", "ONLY_WEB"} {
		if v, ok := r.Vars[name]; ok && v != nil {
			words = append(words, name+"="+*v)
		} else if ok {
			words = append(words, "-"+name)
		}
	}
	return fmt.Sprintf("%s %d of %d at %d", strings.Join(words, " "), len(words), len(r.Vars), r.Expect)
}

func TestConfigIsMasked(t *testing.T) {
	b := newBrowser(t, newConfigured())
	for _, path := range []string{"/apps/shop/config", "/apps/shop/config?type=web", "/apps/shop/config?key=DATABASE_URL"} {
		body := b.page(path, "••••", "v12", "web/", "&lt;b&gt;ann", "/app/key.pem")
		if strings.Contains(body, storedSecret) || strings.Contains(body, "<script>alert") {
			t.Errorf("%s shows a value", path)
		}
	}
	if w := b.get("/apps/shop/config?type=%3Cx%3E"); w.Code != http.StatusNotFound {
		t.Errorf("a type that is none: %d", w.Code)
	}
}

func TestRevealIsAPost(t *testing.T) {
	b := newBrowser(t, newConfigured())
	if w := b.get("/apps/shop/config/reveal?name=DATABASE_URL"); w.Code == http.StatusOK || strings.Contains(w.Body.String(), storedSecret) {
		t.Errorf("a GET shows it: %d", w.Code)
	}
	for _, c := range []struct{ form, want string }{{"name=DATABASE_URL", storedSecret}, {"name=ONLY_WEB&type=web", storedSecret}, {"name=HOSTILE", html.EscapeString(hostileValue)}, {"name=/app/key.pem&file=1", storedSecret}} {
		var pairs []string
		for part := range strings.SplitSeq(c.form, "&") {
			k, v, _ := strings.Cut(part, "=")
			pairs = append(pairs, k, v)
		}
		w := b.post("/apps/shop/config/reveal", pairs...)
		if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), c.want) || strings.Contains(w.Body.String(), "<script>alert") || !strings.Contains(w.Header().Get("Cache-Control"), "no-store") {
			t.Errorf("%s: %d %v", c.form, w.Code, w.Header())
		}
	}
	if w := b.post("/apps/shop/config/reveal", "name", "NOPE"); w.Code != http.StatusNotFound {
		t.Errorf("no such var: %d", w.Code)
	}
}

var sealedField = regexp.MustCompile(`name="change" value="([^"]+)"`)

// preview gives the page and what confirms it.
func (b *browser) preview(pairs ...string) (page, sealed string) {
	b.t.Helper()
	w := b.post("/apps/shop/config/preview", pairs...)
	m := sealedField.FindStringSubmatch(w.Body.String())
	if w.Code != http.StatusOK || m == nil {
		b.t.Fatalf("%d %s", w.Code, w.Body)
	}
	return w.Body.String(), m[1]
}

func TestConfigPreviewThenChange(t *testing.T) {
	f := newConfigured()
	b := newBrowser(t, f)
	page, sealed := b.preview("set", "A=typed-secret\nDATABASE_URL='another'\nHOSTILE='"+hostileValue+"'", "remove", "OLD")
	for _, want := range []string{"added", "changed", "removed", "v14", "3 dynos", "2 × <code>web", "So already: <code>HOSTILE", "config:set A=… DATABASE_URL=… -a shop"} {
		if !strings.Contains(page, want) {
			t.Errorf("the preview lacks %q", want)
		}
	}
	if strings.Contains(page, "typed-secret") || strings.Contains(page, storedSecret) || strings.Contains(page, "clock") {
		t.Errorf("the preview shows too much:\n%s", page)
	}
	if len(f.changed) != 0 {
		t.Fatal("a preview changed something")
	}
	w := b.post("/apps/shop/config", "change", sealed, "how", "release")
	if w.Code != http.StatusSeeOther || w.Header().Get("Location") != "/apps/shop/deploys/deploy-1" {
		t.Fatalf("%d %v", w.Code, w.Header())
	}
	if got := asked(f.changed[0]); got != "A=typed-secret DATABASE_URL=another -OLD 3 of 3 at 12" {
		t.Error(got)
	}
	if b.post("/apps/shop/config", "change", sealed, "how", "stage"); len(f.staged) != 1 || asked(f.staged[0]) != asked(f.changed[0]) {
		t.Errorf("%v", f.staged)
	}
}

func TestConfigChangedBetweenPreviewAndConfirmation(t *testing.T) {
	f := newConfigured()
	b := newBrowser(t, f)
	_, sealed := b.preview("set", "A=1\nOLD=mine")
	f.sheet.Release.Version, f.sheet.Newest, f.sheet.Release.User = 14, 14, "bob@example.com"
	f.sheet.Vars[""] = map[string]string{"OLD": "mine"}
	w := b.post("/apps/shop/config", "change", sealed, "how", "release")
	body := w.Body.String()
	if w.Code != http.StatusConflict || len(f.changed) != 0 || !strings.Contains(body, "you looked at v12, and v14") || !strings.Contains(body, "bob@") || !strings.Contains(body, "So already: <code>OLD") {
		t.Fatalf("%d %v %s", w.Code, f.changed, body)
	}
	again := sealedField.FindStringSubmatch(body)
	if w := b.post("/apps/shop/config", "change", again[1], "how", "release"); w.Code != http.StatusSeeOther || asked(f.changed[0]) != "A=1 1 of 1 at 14" {
		t.Errorf("%d %v", w.Code, f.changed)
	}
	_, sealed = b.preview("set", "A=1")
	value := "x"
	f.sheet.Staged = server.StagedConfig{Patch: server.ConfigPatch{Vars: map[string]*string{"A": &value}}, UpdatedAt: time.Now()}
	if w := b.post("/apps/shop/config", "change", sealed, "how", "release"); w.Code != http.StatusConflict || !strings.Contains(w.Body.String(), "staged for the next release was changed meanwhile") {
		t.Errorf("%d", w.Code)
	}
}

// A change made in the very last moment is seen by the platform alone.
func TestConfigChangedInTheLastMoment(t *testing.T) {
	f := newConfigured()
	b := newBrowser(t, f)
	for _, how := range []string{"release", "stage"} {
		_, sealed := b.preview("set", "A=1")
		f.last = func() { f.sheet.Release.Version++ }
		w := b.post("/apps/shop/config", "change", sealed, "how", how)
		if w.Code != http.StatusConflict || len(f.changed)+len(f.staged) != 0 || !strings.Contains(w.Body.String(), "serves now") {
			t.Errorf("%s: %d %s", how, w.Code, w.Body)
		}
	}
}

// What was sealed for one person and app is no change of another's.
func TestPreviewBelongsToItsPersonAndApp(t *testing.T) {
	f := newConfigured()
	f.apps = append(f.apps, server.App{ID: "id-other", Name: "other"})
	b := newBrowser(t, f)
	_, sealed := b.preview("set", "A=1")
	flipped := "A" + sealed[1:]
	if sealed[0] == 'A' {
		flipped = "B" + sealed[1:]
	}
	for path, change := range map[string]string{"/apps/other/config": sealed, "/apps/shop/config": flipped} {
		if w := b.post(path, "change", change, "how", "release"); w.Code != http.StatusConflict || len(f.changed) != 0 {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
	f.account.ID = "eve"
	if w := b.post("/apps/shop/config", "change", sealed, "how", "release"); w.Code != http.StatusConflict || len(f.changed) != 0 {
		t.Errorf("by another: %d", w.Code)
	}
}

func TestConfigThatCannotBeTaken(t *testing.T) {
	f := newConfigured()
	b := newBrowser(t, f)
	for _, c := range []struct {
		pairs []string
		says  string
	}{
		{[]string{"set", "A=kept-text\nno assignment"}, "line 2: it is not of the form"},
		{[]string{"set", "A=kept-text\nA=2"}, "a second time"},
		{[]string{"set", "OLD=kept-text", "remove", "OLD"}, "both set and removed"},
		{[]string{"set", "# kept-text"}, "nothing to change"},
	} {
		w := b.post("/apps/shop/config/preview", c.pairs...)
		body := w.Body.String()
		if w.Code != http.StatusUnprocessableEntity || !strings.Contains(body, c.says) || !strings.Contains(body, "kept-text") || strings.Contains(body, storedSecret) {
			t.Errorf("%v: %d %s", c.pairs, w.Code, body)
		}
	}
	f.refuse = server.Errorf(server.ErrInvalid, "The app would have 1001 config vars.")
	if w := b.post("/apps/shop/config/preview", "set", "A=1"); w.Code != http.StatusUnprocessableEntity || !strings.Contains(w.Body.String(), "1001 config vars") {
		t.Errorf("%d", w.Code)
	}
	if w := b.post("/apps/shop/config/preview", "set", "A="+strings.Repeat("x", maxForm)); w.Code != http.StatusRequestEntityTooLarge {
		t.Errorf("a form too large: %d", w.Code)
	}
}

func TestStagedConfigIsShown(t *testing.T) {
	f := newConfigured()
	value := storedSecret
	f.sheet.Staged = server.StagedConfig{Patch: server.ConfigPatch{Vars: map[string]*string{"OLD": nil, "web/NEW": &value}}, Actor: "bob@example.com", UpdatedAt: time.Now()}
	b := newBrowser(t, f)
	body := b.page("/apps/shop/config", "Waits for the next release", "web/NEW", "bob@example.com", "removed with the next release", "paas config:apply -a shop", "Make v14 of it")
	if strings.Contains(body, storedSecret) {
		t.Error("a staged value is shown")
	}
	if w := b.post("/apps/shop/config/unstage", "name", "web/NEW"); w.Code != http.StatusSeeOther || f.staged[0].Type != "dropped [web/NEW]" {
		t.Errorf("%d %v", w.Code, f.staged)
	}
	if w := b.post("/apps/shop/config/apply"); w.Header().Get("Location") != "/apps/shop/deploys/deploy-2" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
}

// Who may read the config but not change it finds no way to on the page.
func TestConfigForReaders(t *testing.T) {
	f := newConfigured()
	f.may = []server.Permission{server.PermView, server.PermDeploy}
	body := newBrowser(t, f).page("/apps/shop/config", "DATABASE_URL", "••••")
	for _, absent := range []string{"<textarea", `type="checkbox"`, "config/preview\" id=\"change\" class=\"config\" autocomplete=\"off\"><button", "Preview the change"} {
		if strings.Contains(body, absent) {
			t.Errorf("the page has %q", absent)
		}
	}
}

// Nothing that a browser sends in the place of a preview is one.
func FuzzPreview(f *testing.F) {
	p := newPreviews()
	sealed, err := p.seal(wantedConfig{App: "a", Account: "b", At: time.Now()})
	if err != nil {
		f.Fatal(err)
	}
	for _, s := range []string{"", "x", sealed, sealed + "A", sealed[4:], "////"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if w, err := p.open(s, "a", "b"); err == nil && (w.App != "a" || w.Account != "b" || len(w.Vars) != 0) || err != nil && s == sealed {
			t.Fatalf("%q: %+v %v", s, w, err)
		}
	})
}

func TestOldPreviewsAreGone(t *testing.T) {
	p := newPreviews()
	sealed, err := p.seal(wantedConfig{App: "a", Account: "b", At: time.Now().Add(-previewLife - time.Second)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.open(sealed, "a", "b"); !server.IsID(err, server.ErrConflict) {
		t.Error(err)
	}
}
