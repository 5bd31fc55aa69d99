package web

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"paas/server"
)

// An app's page below the same domain is of the same site: its requests carry
// the dashboard's cookies.
func TestOtherSitesOnlyFollowLinks(t *testing.T) {
	b := newBrowser(t, newFake("shop"))
	for _, c := range []struct {
		site, mode, dest string
		status           int
	}{
		{"same-site", "no-cors", "image", http.StatusForbidden},
		{"same-site", "cors", "empty", http.StatusForbidden},
		{"cross-site", "navigate", "iframe", http.StatusForbidden},
		{"cross-site", "navigate", "document", http.StatusNotFound},
		{"same-site", "navigate", "", http.StatusNotFound},
		{"same-origin", "cors", "empty", http.StatusNotFound},
		{"none", "navigate", "document", http.StatusNotFound},
		{"", "", "", http.StatusNotFound},
	} {
		r := httptest.NewRequest(http.MethodGet, "http://paas.example.com/nowhere", nil)
		for name, value := range map[string]string{"Site": c.site, "Mode": c.mode, "Dest": c.dest} {
			if value != "" {
				r.Header.Set("Sec-Fetch-"+name, value)
			}
		}
		if w := b.do(r); w.Code != c.status {
			t.Errorf("%+v: %d", c, w.Code)
		}
	}
}

func TestOnePersonLeavesRoomForOthers(t *testing.T) {
	b := newBrowser(t, newFake("shop"))
	b.web.visitors = newCrowd("requests", 1, 2)
	leave, err := b.web.visitors.admit("ann")
	if err != nil {
		t.Fatal(err)
	}
	if w := b.get("/palette.json"); w.Code != http.StatusTooManyRequests {
		t.Errorf("one too many: %d", w.Code)
	}
	if _, err := b.web.visitors.admit("bob"); err != nil {
		t.Errorf("another account: %v", err)
	}
	if _, err := b.web.visitors.admit("eve"); !server.IsID(err, server.ErrUnavailable) {
		t.Errorf("one too many for all: %v", err)
	}
	leave()
	if w := b.get("/palette.json"); w.Code != http.StatusOK {
		t.Errorf("afterwards: %d", w.Code)
	}
	if w := b.get("/palette.json"); w.Code != http.StatusOK {
		t.Errorf("what has ended still counts: %d", w.Code)
	}
}

// Sixty readers that take a whole output of 10 MB in sips held a gigabyte.
func TestWholeOutputsAreHeldBriefly(t *testing.T) {
	b := newBrowser(t, newDeployFake())
	const path = "/apps/shop/deploys/d5/output.txt"
	var leave []func()
	for range ownTexts {
		l, err := b.web.texts.admit("ann")
		if err != nil {
			t.Fatal(err)
		}
		leave = append(leave, l)
	}
	if w := b.get(path); w.Code != http.StatusTooManyRequests {
		t.Errorf("one too many: %d", w.Code)
	}
	leave[0]()
	if w := b.get(path); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "Building") {
		t.Errorf("afterwards: %d", w.Code)
	}
	if w := b.get("/apps/shop/deploys/d5/output/stream"); w.Code != http.StatusOK {
		t.Errorf("as a stream: %d", w.Code)
	}
	for range readings {
		b.web.readings <- struct{}{}
	}
	ctx, done := context.WithTimeout(t.Context(), time.Millisecond)
	defer done()
	r := httptest.NewRequest(http.MethodGet, "http://paas.example.com/apps/shop/deploys/d5", nil).WithContext(ctx)
	if w := b.do(r); w.Code != http.StatusServiceUnavailable {
		t.Errorf("a page while others are made: %d", w.Code)
	}
	late := newUntilThen([]byte("text"), time.Now().Add(-time.Second))
	if _, err := io.ReadAll(late); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("too slow: %v", err)
	}
}

// Forms are held in memory, and everybody may sign in.
func TestFormsOfStrangersAreSmall(t *testing.T) {
	b := newBrowser(t, newFake("shop"))
	b.secret = ""
	if w := b.post("/sign-in", "code", strings.Repeat("x", maxOpenForm)); w.Code != http.StatusRequestEntityTooLarge {
		t.Errorf("%d", w.Code)
	}
	b.secret = fakeSecret
	if w := b.post("/theme", "theme", "dark", "next", strings.Repeat("x", maxOpenForm)); w.Code != http.StatusSeeOther {
		t.Errorf("of who is signed in: %d", w.Code)
	}
}

// deadlines notes until when a request's body is waited for.
type deadlines struct {
	*httptest.ResponseRecorder
	set []time.Time
}

func (d *deadlines) SetReadDeadline(t time.Time) error {
	d.set = append(d.set, t)
	return nil
}

func TestFormsAreNotWaitedForForEver(t *testing.T) {
	b := newBrowser(t, newFake("shop"))
	r := httptest.NewRequest(http.MethodPost, "http://paas.example.com/theme", strings.NewReader("theme=dark"))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.AddCookie(&http.Cookie{Name: b.web.cookieName(), Value: fakeSecret})
	w := &deadlines{ResponseRecorder: httptest.NewRecorder()}
	b.web.ServeHTTP(w, r)
	if len(w.set) != 2 || w.set[0].IsZero() || time.Until(w.set[0]) > bodyTime || !w.set[1].IsZero() {
		t.Errorf("%d, deadlines %v", w.Code, w.set)
	}
	r = httptest.NewRequest(http.MethodPost, "http://paas.example.com/theme", late{})
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.AddCookie(&http.Cookie{Name: b.web.cookieName(), Value: fakeSecret})
	w = &deadlines{ResponseRecorder: httptest.NewRecorder()}
	b.web.ServeHTTP(w, r)
	if w.Code != http.StatusUnprocessableEntity || !strings.Contains(w.Body.String(), "longer than 30 seconds") || len(w.set) != 1 {
		t.Errorf("late: %d, deadlines %v\n%s", w.Code, w.set, w.Body)
	}
}

// late is a body that does not come.
type late struct{}

func (late) Read([]byte) (int, error) { return 0, os.ErrDeadlineExceeded }

// ringing is a platform where much has changed.
type ringing struct {
	*fake
	wake chan string
}

func (f *ringing) Watch(context.Context, server.Actor, string) (<-chan string, func(), error) {
	return f.wake, func() {}, nil
}

func TestManyChangesAreOneLook(t *testing.T) {
	f := &ringing{newFake("shop"), make(chan string, 100)}
	for range cap(f.wake) {
		f.wake <- "app:id-shop"
	}
	b := newBrowser(t, f)
	site := httptest.NewServer(b.web)
	defer site.Close()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, site.URL+"/live", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.AddCookie(&http.Cookie{Name: b.web.cookieName(), Value: fakeSecret})
	answer, err := site.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	for lines := bufio.NewScanner(answer.Body); lines.Scan(); {
		if lines.Text() == "event: changed" {
			if n := len(f.wake); n != 0 {
				t.Errorf("%d more looks wait", n)
			}
			return
		}
	}
	t.Error("nothing was told")
}

// On a host below the same domain an app can set cookies for all of it.
func TestAppsPutNoWordsInOurMouth(t *testing.T) {
	b := newBrowser(t, newFake("shop"))
	b.web.secure = true
	r := httptest.NewRequest(http.MethodGet, "https://paas.example.com/nowhere", nil)
	r.AddCookie(&http.Cookie{Name: "said", Value: "Call+555"})
	r.AddCookie(&http.Cookie{Name: "__Host-said", Value: "Done+so"})
	if body := b.do(r).Body.String(); strings.Contains(body, "Call 555") || !strings.Contains(body, "Done so") {
		t.Errorf("%s", body)
	}
}

func TestLateAnswersSaySo(t *testing.T) {
	b := newBrowser(t, newFake("shop"))
	ctx, done := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer done()
	r := httptest.NewRequest(http.MethodGet, "http://paas.example.com/apps/shop/logs", nil).WithContext(ctx)
	if p := b.web.explain(r, ctx.Err()); p.Status != http.StatusServiceUnavailable || !strings.Contains(p.Message, "longer than 30 seconds") {
		t.Errorf("%+v", p)
	}
}

// A command line on a page is copied into a shell.
func TestPathsOfFilesAreQuoted(t *testing.T) {
	f := newConfigured()
	f.sheet.Files["/x$(id)'`id`;id"] = server.ConfigFile{Content: []byte("text")}
	body := newBrowser(t, f).post("/apps/shop/config/reveal", "name", "/x$(id)'`id`;id", "file", "1").Body.String()
	if want := `files:get &#39;/x$(id)&#39;\&#39;&#39;` + "`id`;id&#39; -a shop"; !strings.Contains(body, want) {
		t.Errorf("%s", body)
	}
}

// A one-off that was started though its terminal was refused used up the
// app's, for a minute each.
func TestTooManyTerminalsStartNothing(t *testing.T) {
	f := newRunning()
	b := newBrowser(t, f)
	for range maxOwnTickets {
		if _, err := b.web.terminals.issue(ticket{session: "session", app: "id-shop"}); err != nil {
			t.Fatal(err)
		}
	}
	if w := b.post("/apps/shop/terminal", "command", "sh"); w.Code != http.StatusTooManyRequests || len(f.did) != 0 {
		t.Errorf("%d %v", w.Code, f.did)
	}
	b, f.refuse = newBrowser(t, f), server.Errorf(server.ErrConflict, "No room.")
	if w := b.post("/apps/shop/terminal", "command", "sh"); w.Code != http.StatusConflict || len(b.web.terminals.list) != 0 {
		t.Errorf("%d, %d tickets are left", w.Code, len(b.web.terminals.list))
	}
}
