package web

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"paas/builder"
	"paas/server"
)

// evil is text as a user could choose it: markup, a turned direction, an
// escape sequence.
const evil = "<script>alert(1)</script>\u202eevil\x1b]0;title\x07\"' onload=x"

// deployFake is a shop of which v4 serves, v3 served and v5 failed.
type deployFake struct {
	*fake
	deploy    server.Deploy
	steps     []server.Step
	output    []byte
	talks     bool   // it has not said its last word
	rest      []byte // that Follow adds
	releases  []server.Release
	instances []server.Instance
	diff      server.ReleaseDiff
	build     server.Build
	asked     []string
	page      server.Page
}

func newDeployFake() *deployFake {
	now := time.Now()
	image := server.Image{Digest: "sha256:aaa", Size: 5 << 20}
	f := &deployFake{fake: newFake("shop"),
		deploy: server.Deploy{ID: "d5", AppID: "id-shop", App: "shop", Kind: server.KindPush, State: server.DeployFailed, Stage: server.DeployRolling,
			Reason: "web.1 of v5 did not come up: it crashed with exit code 1.", User: "ann@example.com", Description: "Deploy 0123abcd", BuildID: "b5",
			ReleaseID: "r5", Version: 5, Ref: "refs/heads/main", Commit: "0123abcd0123", Subject: evil, CreatedAt: now.Add(-time.Minute), UpdatedAt: now},
		output: []byte("-----> Building 0123abcd with its Dockerfile\n       \x1b[31mred\x1b[0m " + evil + "\n-----> Launching v5\n !     web.1 crashed\n"),
	}
	f.steps = []server.Step{{Name: "push", State: server.StepDone, From: now.Add(-time.Minute), To: now.Add(-59 * time.Second)},
		{Name: "build", State: server.StepDone, From: now.Add(-59 * time.Second), To: now.Add(-20 * time.Second)},
		{Name: "release", State: server.StepDone, From: now.Add(-20 * time.Second), To: now.Add(-10 * time.Second), Command: true},
		{Name: "roll out", State: server.StepFailed, From: now.Add(-10 * time.Second), To: now}, {Name: "live", State: server.StepWaits}}
	f.apps[0].Current = "r4"
	for v := 5; v >= 3; v-- {
		f.releases = append(f.releases, server.Release{ID: fmt.Sprintf("r%d", v), Version: v, Status: server.ReleaseSucceeded, Description: "Deploy " + evil,
			User: "ann@example.com", Commit: "0123abcd0123", Subject: evil, Image: image, Current: v == 4, CreatedAt: now.Add(time.Duration(v-8) * time.Hour),
			Processes: map[string]server.Process{"web": {Line: "node " + evil}}})
	}
	f.releases[0].Status, f.releases[0].Reason, f.releases[0].CreatedAt = server.ReleaseFailed, f.deploy.Reason, now
	f.build = server.Build{ID: "b5", Commit: "0123abcd0123", Subject: evil, User: "ann@example.com", Status: "succeeded", Image: image, DeployID: "d5", CreatedAt: now.Add(-time.Minute), UpdatedAt: now}
	f.diff = server.ReleaseDiff{From: f.releases[1], To: f.releases[2], Commits: []server.Commit{{ID: "0123abcd", Subject: evil, Author: evil}}, Gone: []server.Commit{{ID: "fedc", Subject: "a feature"}},
		Keys: []server.KeyChange{{Name: "SECRET", What: "changed"}}, Processes: []server.ProcessChange{{Type: "worker", To: "node " + evil}},
		CronsAdded: []builder.CronSpec{{Schedule: "@daily", Command: evil}}}
	return f
}

func (f *deployFake) Deploys(_ context.Context, _ server.Actor, _ string, p server.Page) ([]server.Deploy, error) {
	f.page = p
	return []server.Deploy{f.deploy}, nil
}

func (f *deployFake) Deploy(_ context.Context, _ server.Actor, _, id string) (server.Deploy, error) {
	if id != f.deploy.ID {
		return server.Deploy{}, server.Errorf(server.ErrNotFound, "Couldn't find that deploy.")
	}
	return f.deploy, nil
}

func (f *deployFake) DeploySteps(context.Context, server.Actor, string, string) ([]server.Step, error) {
	return f.steps, nil
}

func (f *deployFake) DeployOutput(context.Context, server.Actor, string, string) ([]byte, bool, error) {
	return f.output, f.deploy.State.Final() && !f.talks, nil
}

func (f *deployFake) Follow(_ context.Context, _ server.Actor, _, _ string, out io.Writer) (server.Deploy, error) {
	for _, part := range [][]byte{f.output, f.rest} { // as it comes: in pieces
		for len(part) > 0 {
			n := min(7, len(part))
			if _, err := out.Write(part[:n]); err != nil {
				return f.deploy, err
			}
			part = part[n:]
		}
	}
	return f.deploy, nil
}

func (f *deployFake) Cancel(_ context.Context, _ server.Actor, _, id string) (server.Deploy, error) {
	f.asked = append(f.asked, "cancel "+id)
	return f.deploy, nil
}

func (f *deployFake) Releases(_ context.Context, _ server.Actor, _ string, p server.Page) ([]server.Release, error) {
	return f.releases[:min(p.Max, len(f.releases))], nil
}

func (f *deployFake) Release(_ context.Context, _ server.Actor, _, ident string) (server.Release, error) {
	for _, r := range f.releases {
		if r.ID == ident || fmt.Sprint(r.Version) == ident {
			return r, nil
		}
	}
	return server.Release{}, server.Errorf(server.ErrNotFound, "shop has no release %s.", ident)
}

func (f *deployFake) ReleaseOutput(context.Context, server.Actor, string, string) (string, error) {
	return "migrated " + evil + "\n", nil
}

func (f *deployFake) Diff(_ context.Context, _ server.Actor, _, from, to string) (server.ReleaseDiff, error) {
	f.asked = append(f.asked, "diff "+from+" "+to)
	return f.diff, nil
}

func (f *deployFake) Rollback(_ context.Context, _ server.Actor, _, ident string) (server.Deploy, error) {
	f.asked = append(f.asked, "rollback "+ident)
	return server.Deploy{ID: "d6", Description: "Rollback to v3"}, nil
}

func (f *deployFake) Retry(_ context.Context, _ server.Actor, _, ident string) (server.Deploy, error) {
	f.asked = append(f.asked, "retry "+ident)
	return server.Deploy{ID: "d6", Description: "Retry of v5"}, nil
}

func (f *deployFake) Builds(context.Context, server.Actor, string, server.Page) ([]server.Build, error) {
	return []server.Build{f.build}, nil
}

func (f *deployFake) Build(context.Context, server.Actor, string, string) (server.Build, error) {
	return f.build, nil
}

func (f *deployFake) Instances(context.Context, server.Actor, string) ([]server.Instance, error) {
	return f.instances, nil
}

// stayInert says that nothing of that text is markup, or changes how the
// page reads.
func stayInert(t *testing.T, path, body string) {
	t.Helper()
	for _, bad := range []string{"<script>alert", "\u202e", "\x1b", "\x07", `"' onload`} {
		if strings.Contains(body, bad) {
			t.Errorf("%s has %q of a user's text in it:\n%s", path, bad, body)
		}
	}
}

func TestDeployPagesKeepForeignTextInert(t *testing.T) {
	b := newBrowser(t, newDeployFake())
	for _, path := range []string{"/apps/shop/deploys", "/apps/shop/deploys/d5", "/apps/shop/builds", "/apps/shop/builds/b5", "/apps/shop/releases",
		"/apps/shop/releases/5", "/apps/shop/releases/diff?from=4&to=3", "/apps/shop/releases/3/rollback"} {
		stayInert(t, path, b.page(path, "&lt;script&gt;alert"))
	}
}

func TestDeployPageTellsAFailure(t *testing.T) {
	f := newDeployFake()
	b := newBrowser(t, f)
	body := b.page("/apps/shop/deploys/d5", "Failed while rolling", "web.1 of v5 did not come up: it crashed with exit code 1.",
		"Nothing was changed: v4 still serves, with its code and config as they were.", "paas logs -a shop", "paas releases:retry v5 -a shop",
		`action="/apps/shop/releases/5/retry"`, "39.0 s", "with the release command", `class="a-fg1"`, `class="ln bad"`, `href="/apps/shop/deploys/d5/output.txt"`,
		`/releases/diff?from=4&amp;to=5`)
	if strings.Contains(body, "/cancel") || strings.Contains(body, "data-stream") {
		t.Error("what has ended can be cancelled or followed")
	}
}

func TestDeployPageOfOneThatRuns(t *testing.T) {
	f := newDeployFake()
	f.deploy.State, f.deploy.Stage, f.deploy.Reason = server.DeployRolling, "", ""
	f.steps[3].State, f.steps[3].To = server.StepRuns, time.Time{}
	f.output = append(f.output, "half a li"...)
	f.instances = []server.Instance{{ReleaseID: "r4", Release: 4, Type: "web", Ordinal: 1, State: "draining"}, {ReleaseID: "r5", Release: 5, Type: "web", Ordinal: 1, State: "up"},
		{ReleaseID: "r5", Release: 5, Type: "web", Ordinal: 2, State: "starting", Reason: evil}}
	b := newBrowser(t, f)
	whole := len(f.output) - len("half a li")
	body := b.page("/apps/shop/deploys/d5", `data-live="/apps/shop/live"`, fmt.Sprintf(`data-stream="/apps/shop/deploys/d5/output/stream?from=%d"`, whole),
		`action="/apps/shop/deploys/d5/cancel"`, "paas deploys:cancel d5 -a shop", "web.2", "1 up", "draining", "<noscript>", "data-ticks")
	if strings.Contains(body, "half a li") {
		t.Error("half a line is shown, and would be shown again")
	}
	stayInert(t, "deploy", body)

	f.may = []server.Permission{server.PermView}
	if body := b.page("/apps/shop/deploys/d5"); strings.Contains(body, "<form method=\"post\" action=\"/apps") {
		t.Error("a viewer finds a button")
	}
}

// A deploy is live before it has said so.
func TestLastWordOfADeployIsWaitedFor(t *testing.T) {
	f := newDeployFake()
	f.deploy.State, f.talks = server.DeployLive, true
	newBrowser(t, f).page("/apps/shop/deploys/d5", "data-stream=")
}

func TestLiveDeployCanBeRolledBack(t *testing.T) {
	f := newDeployFake()
	f.deploy.State, f.deploy.ReleaseID, f.deploy.Version = server.DeployLive, "r4", 4
	b := newBrowser(t, f)
	b.page("/apps/shop/deploys/d5", `href="/apps/shop/releases/3/rollback"`, "paas rollback v3 -a shop", "http://shop.example.com/")
	b.page("/apps/shop/releases/3/rollback", "Roll back to v3", "taken back", "a feature", "SECRET", "worker", "@daily", `action="/apps/shop/releases/3/rollback"`, "paas rollback v3 -a shop")
	if w := b.get("/apps/shop/releases/5/rollback"); w.Code != http.StatusUnprocessableEntity {
		t.Errorf("to a failed release: %d", w.Code)
	}
	w := b.post("/apps/shop/releases/3/rollback")
	if to := w.Header().Get("Location"); w.Code != http.StatusSeeOther || to != "/apps/shop/deploys/d6" {
		t.Errorf("%d to %q", w.Code, to)
	}
	if w := b.post("/apps/shop/releases/5/retry"); w.Header().Get("Location") != "/apps/shop/deploys/d6" {
		t.Errorf("retry: %d", w.Code)
	}
	if w := b.post("/apps/shop/deploys/d5/cancel"); w.Header().Get("Location") != "/apps/shop/deploys/d5" {
		t.Errorf("cancel: %d", w.Code)
	}
	if got := strings.Join(f.asked, ", "); got != "diff r4 r3, rollback 3, retry 5, cancel d5" {
		t.Error(got)
	}
}

func TestReleasesAreCompared(t *testing.T) {
	f := newDeployFake()
	b := newBrowser(t, f)
	b.page("/apps/shop/releases", `name="from" value="4" aria-label="from v4" checked`, `name="to" value="5" aria-label="to v5" checked`, `class="now"`, "paas releases:diff v4 v5 -a shop",
		`href="/apps/shop/releases/3/rollback"`)
	b.page("/apps/shop/releases/diff?from=4&to=3", "From v4 to v3", "paas releases:diff v4 v3 -a shop", `href="?from=3&amp;to=4"`)
	if got := f.asked[len(f.asked)-1]; got != "diff 4 3" {
		t.Error(got)
	}
	f.may = []server.Permission{server.PermView}
	for _, path := range []string{"/apps/shop/releases", "/apps/shop/releases/5", "/apps/shop/releases/3"} {
		if body := b.page(path); strings.Contains(body, "/rollback") || strings.Contains(body, "Compare the two") || strings.Contains(body, "again</button>") || strings.Contains(body, "SECRET") {
			t.Errorf("%s offers a viewer what a viewer may not do", path)
		}
	}
}

func TestListsArePaged(t *testing.T) {
	f := newDeployFake()
	b := newBrowser(t, f)
	b.page("/apps/shop/deploys?after=d9", ">Newest</a>")
	if f.page.After != "d9" || f.page.Max != listMax+1 {
		t.Errorf("%+v", f.page)
	}
}

func TestOutputAsText(t *testing.T) {
	f := newDeployFake()
	w := newBrowser(t, f).get("/apps/shop/deploys/d5/output.txt")
	if w.Body.String() != string(f.output) || w.Header().Get("Content-Type") != "text/plain; charset=utf-8" {
		t.Errorf("%v %q", w.Header(), w.Body)
	}
}

func stream(t *testing.T, b *browser, path, lastID string) string {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, "http://paas.example.com"+path, nil)
	if lastID != "" {
		r.Header.Set("Last-Event-ID", lastID)
	}
	w := b.do(r)
	if w.Code != http.StatusOK || w.Header().Get("Content-Type") != "text/event-stream" {
		t.Fatalf("%d %v", w.Code, w.Header())
	}
	return w.Body.String()
}

// A browser that connects anew gets what it has not had, whole lines each.
func TestOutputStreamGoesOn(t *testing.T) {
	f := newDeployFake()
	f.output = []byte("-----> Building\n       one\n       two\n")
	f.rest = []byte("       three\nlast, without an end")
	b := newBrowser(t, f)
	const path = "/apps/shop/deploys/d5/output/stream"
	all := stream(t, b, path, "")
	for _, want := range []string{`data: [{"k":"head","s":["-----\u003e Building"]}]`, `{"s":["       two"]}`, "last, without an end", "event: end\ndata: failed"} {
		if !strings.Contains(all, want) {
			t.Errorf("no %s in\n%s", want, all)
		}
	}
	id := fmt.Sprintf("id: %d\n", len("-----> Building\n       one\n"))
	if !strings.Contains(all, id) {
		t.Fatalf("no %q in\n%s", id, all)
	}
	for _, again := range []string{stream(t, b, path, "26"), stream(t, b, path+"?from=26", ""), stream(t, b, path+"?from=3", "26")} {
		if strings.Contains(again, "one") || strings.Count(again, "two") != 1 || strings.Count(again, "three") != 1 {
			t.Errorf("gone on after one:\n%s", again)
		}
	}
	if w := b.get("/apps/shop/deploys/other/output/stream"); w.Code != http.StatusNotFound {
		t.Errorf("of no deploy: %d", w.Code)
	}
}

// An output of 10 MB makes a page that a browser can show.
func TestLongOutputIsBounded(t *testing.T) {
	f := newDeployFake()
	line := strings.Repeat("x", 90) + "\n"
	f.output = append([]byte("-----> Building\n"), strings.Repeat(line, 10<<20/len(line))...)
	f.output = append(f.output, "-----> Launching v5\n !     how it ended\n"...)
	body := newBrowser(t, f).page("/apps/shop/deploys/d5", "how it ended", "lines before these are not shown", "output.txt")
	if len(body) > 600<<10 {
		t.Errorf("the page has %d bytes", len(body))
	}
	o := readOutput(bytes.Repeat([]byte("-----> again\nx\n"), 100_000), true)
	if len(o.Sections) != shownSections || o.Left != 100_000-shownSections {
		t.Errorf("%d sections, %d left", len(o.Sections), o.Left)
	}
	if l := readLine([]byte(strings.Repeat("ü", 5000))); len(l.Spans[0].Text) > shownLine {
		t.Errorf("a line of %d bytes", len(l.Spans[0].Text))
	}
}

// Whatever an output is and however it comes, each byte counts once.
func FuzzOutput(f *testing.F) {
	f.Add([]byte("-----> a\nb\r\x1b[31mc\n\n !     d"), 3)
	f.Add([]byte("\n\n-----> \n"), 0)
	f.Fuzz(func(t *testing.T, all []byte, skip int) {
		o := readOutput(all, false)
		if o.Offset > len(all) || o.Offset > 0 && all[o.Offset-1] != '\n' {
			t.Fatalf("offset %d of %d", o.Offset, len(all))
		}
		n := 0
		for _, s := range o.Sections {
			n += len(s.Lines) + s.Left
			if s.Head != nil {
				n++
			}
		}
		if o.Left == 0 && n != bytes.Count(all[:o.Offset], []byte("\n")) {
			t.Fatalf("%d lines of %q", n, all[:o.Offset])
		}
		if skip < 0 || skip > len(all) {
			return
		}
		rec := httptest.NewRecorder()
		w := &outputEvents{e: &events{w: rec, rc: http.NewResponseController(rec)}, skip: skip}
		for _, part := range [][]byte{all[:len(all)/2], all[len(all)/2:]} {
			if _, err := w.Write(part); err != nil {
				t.Fatal(err)
			}
		}
		w.finish(server.Deploy{})
		if w.offset != len(all) {
			t.Fatalf("offset %d of %d", w.offset, len(all))
		}
	})
}
