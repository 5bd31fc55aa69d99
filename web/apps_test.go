package web

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"paas/server"
)

// AppList of the least platform: nothing runs.
func (f *fake) AppList(context.Context, server.Actor) (rows []server.AppRow, err error) {
	for _, a := range f.apps {
		rows = append(rows, server.AppRow{App: a})
	}
	return rows, nil
}

// Overview of it likewise.
func (f *fake) Overview(_ context.Context, _ server.Actor, app string) (server.Overview, error) {
	i := slices.IndexFunc(f.apps, func(a server.App) bool { return a.Name == app })
	return server.Overview{Row: server.AppRow{App: f.apps[i]}}, nil
}

func (f *fake) Metrics(context.Context, server.Actor, string, server.MetricsQuery) (server.Metrics, error) {
	now := time.Now().UTC().Truncate(time.Minute)
	return server.Metrics{Since: now.Add(-time.Hour), Until: now, Step: time.Minute}, nil
}

// hostile is text of users that would like to be markup, or to look like
// something else.
const hostile = "<script>alert(1)</script>\"'></title></svg><img src=x onerror=alert(1)> \u202egnp.exe\x1b[31m{{.}} javascript:alert(1)"

// inert fails when hostile text came through.
func inert(t *testing.T, body string) {
	t.Helper()
	for _, bad := range []string{"<script>alert", "<img src=x", "</svg><img", "\u202e", "\x1b"} {
		if strings.Contains(body, bad) {
			t.Errorf("the page has %q", bad)
		}
	}
	if strings.Contains(body, " style=") || strings.Contains(body, " onclick") {
		t.Error("the page has inline style or script")
	}
}

// apps is a platform with many apps.
type appsFake struct {
	*fake
	rows    []server.AppRow
	refused error
	created string
}

func (f *appsFake) AppList(context.Context, server.Actor) ([]server.AppRow, error) {
	return f.rows, nil
}

func (f *appsFake) CreateApp(_ context.Context, _ server.Actor, name string) (server.App, error) {
	f.created = name
	return server.App{Name: name}, f.refused
}

// manyApps makes rows such as a busy platform has.
func manyApps(n int) (rows []server.AppRow) {
	r := rand.New(rand.NewPCG(1, 2))
	now := time.Now()
	for i := range n {
		row := server.AppRow{App: server.App{ID: fmt.Sprint(i), Name: fmt.Sprintf("app-%x-%03d", r.Uint32(), i), OwnerID: "ann", OwnerEmail: "ann@example.com"},
			Release: server.ReleaseNote{Version: 2 + r.IntN(900), User: fmt.Sprintf("person%d@example.com", r.IntN(20)), Description: fmt.Sprintf("Deploy %07x", r.Uint32()), At: now.Add(-time.Duration(r.Int64N(int64(90 * 24 * time.Hour))))},
			Up:      r.IntN(5), Wanted: r.IntN(5), Deploy: server.DeployNote{ID: "1", State: server.DeployLive}}
		if i%20 == 0 {
			row.Crashed = 1
		}
		for m := range row.Spark.Requests {
			row.Spark.Requests[m] = r.Int64N(1000)
			if i%10 == 0 {
				row.Spark.Errors[m] = r.Int64N(20)
			}
		}
		rows = append(rows, row)
	}
	return rows
}

func TestAppsPage(t *testing.T) {
	now := time.Now()
	busy := server.AppRow{App: server.App{ID: "1", Name: "shop", OwnerID: "ann", OwnerEmail: "ann@example.com"}, Up: 2, Wanted: 3, Crashed: 1,
		Release: server.ReleaseNote{Version: 12, User: "bob@example.com", At: now.Add(-3 * time.Minute)}}
	busy.Spark.Requests[59], busy.Spark.Errors[59] = 1234, 7
	f := &appsFake{fake: newFake(), rows: []server.AppRow{{App: server.App{ID: "2", Name: "blog", OwnerID: "carl", OwnerEmail: hostile}}, busy}}
	b := newBrowser(t, f)
	body := b.page("/", `<a href="/apps/shop">shop</a>`, "2/3", "v12", "3 min ago", "bob@example.com", "✕</span> crashed", "no release", "1 234", `href="/?q=crashed"`,
		"paas apps:create", `action="/apps"`, `data-live="/live"`, "<svg class=\"spark\"", `aria-sort="ascending"><a href="/">App`)
	inert(t, body)
	first := func(path string) string {
		body := b.page(path)
		if strings.Index(body, `href="/apps/shop"`) < strings.Index(body, `href="/apps/blog"`) {
			return "shop"
		}
		return "blog"
	}
	for path, want := range map[string]string{"/": "blog", "/?sort=state": "shop", "/?sort=errors": "shop", "/?sort=dynos": "shop", "/?sort=release": "shop", "/?sort=nothing": "blog"} {
		if got := first(path); got != want {
			t.Errorf("%s begins with %s", path, got)
		}
	}
	for find, want := range map[string]string{"SHO": "shop", "crashed bob": "shop", "v12": "shop", "carl": "", "blog": "blog", `"><b>`: ""} {
		body := b.page("/?q=" + strings.NewReplacer(" ", "+", `"`, "%22", "<", "%3C").Replace(find))
		for _, name := range []string{"shop", "blog"} {
			if got := strings.Contains(body, `href="/apps/`+name+`"`); got != (name == want) {
				t.Errorf("search for %q shows %s: %v", find, name, got)
			}
		}
		if strings.Contains(body, "><b>") {
			t.Errorf("search for %q is markup", find)
		}
	}
}

func TestAppsPageByPage(t *testing.T) {
	f := &appsFake{fake: newFake(), rows: manyApps(1203)}
	b := newBrowser(t, f)
	b.page("/?sort=release", "1 to 500 of 1203", `/?from=501&amp;sort=release`)
	last := b.page("/?from=1001", "1001 to 1203 of 1203", `<a href="/?from=501">Before</a>`)
	if n := strings.Count(last, `<th scope="row">`); n != 203 {
		t.Errorf("%d rows", n)
	}
	for _, from := range []string{"99999", "-3", "x", "9223372036854775807"} {
		b.page("/?from="+from, "1 to 500 of 1203")
	}
}

func TestCreateAppOnThePage(t *testing.T) {
	f := &appsFake{fake: newFake(), rows: manyApps(1)}
	b := newBrowser(t, f)
	w := b.post("/apps", "name", " shop ")
	if w.Code != http.StatusSeeOther || w.Header().Get("Location") != "/apps/shop" || f.created != "shop" {
		t.Fatalf("%d to %q, created %q", w.Code, w.Header().Get("Location"), f.created)
	}
	f.refused = server.Errorf(server.ErrInvalid, "Name %q is not good. No app was created.", hostile)
	w = b.post("/apps", "name", hostile)
	body := w.Body.String()
	if w.Code != http.StatusUnprocessableEntity || !strings.Contains(body, "No app was created.") || !strings.Contains(body, `<details id="new-app" open>`) || !strings.Contains(body, `aria-invalid="true"`) {
		t.Fatalf("%d %s", w.Code, body)
	}
	inert(t, body)
	b.page("/apps", "1 app") // what is live looks there again
	f.rows = nil             // the first app of all was refused
	if w = b.post("/apps", "name", "-"); w.Code != http.StatusUnprocessableEntity {
		t.Fatal(w.Code)
	}
}

func TestSparkline(t *testing.T) {
	if line, faults := sparkline(server.Spark{}); line != "" || faults != "" {
		t.Errorf("nothing is drawn as %q %q", line, faults)
	}
	var s server.Spark
	s.Requests[0], s.Requests[1], s.Requests[59], s.Errors[59] = 1, 2, 6, 1
	line, faults := sparkline(s)
	if want := "M0 6l1 6 " + strings.Repeat("1 0 ", 27) + "1-12"; line != want || faults != "M29 12v-2" {
		t.Errorf("drawn as %q %q", line, faults)
	}
	s.Requests[5] = 1 << 62
	s.Requests[7] = -1
	if line, _ = sparkline(s); strings.ContainsAny(line, "Ne") {
		t.Errorf("huge counts: %q", line)
	}
}

// weight is what a page weighs on the wire.
func weight(t testing.TB, body []byte) int {
	var z bytes.Buffer
	w, _ := gzip.NewWriterLevel(&z, 5)
	if _, err := w.Write(body); err != nil || w.Close() != nil {
		t.Fatal(err)
	}
	return z.Len()
}

// The first page of a platform with 500 busy apps stays below 60 KB.
func TestAppsPageWeight(t *testing.T) {
	b := newBrowser(t, &appsFake{fake: newFake(), rows: manyApps(500)})
	body := b.get("/").Body.Bytes()
	if n := weight(t, body); n > 60_000 {
		t.Errorf("%d bytes", n)
	} else {
		t.Logf("%d bytes, %d on the wire", len(body), n)
	}
}

func BenchmarkAppsPage500(b *testing.B) {
	s := newBrowser(&testing.T{}, &appsFake{fake: newFake(), rows: manyApps(500)})
	for b.Loop() {
		s.get("/")
	}
	b.ReportMetric(float64(weight(b, s.get("/").Body.Bytes())), "B-gzip")
}
