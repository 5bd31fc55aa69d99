package web

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"paas/server"
)

// fake is the least of a platform: ann, signed in, with the apps it is given.
// Tests of a page embed it and add what the page asks for; what they leave out
// panics.
type fake struct {
	Services
	account server.Account
	apps    []server.App
	may     []server.Permission
}

func newFake(apps ...string) *fake {
	f := &fake{account: server.Account{ID: "ann", Email: "ann@example.com"}, may: server.Permissions()}
	for _, name := range apps {
		f.apps = append(f.apps, server.App{ID: "id-" + name, Name: name, OwnerID: "ann", OwnerEmail: "ann@example.com", CreatedAt: time.Now(), UpdatedAt: time.Now()})
	}
	return f
}

const fakeSecret = "a secret"

func (f *fake) SessionActor(_ context.Context, secret, from string) (server.Actor, server.WebSession, error) {
	if secret != fakeSecret {
		return server.Actor{}, server.WebSession{}, server.Errorf(server.ErrUnauthorized, "Not signed in.")
	}
	return server.Actor{Account: f.account, Via: "web", From: from}, server.WebSession{ID: "session", Email: f.account.Email}, nil
}

func (f *fake) Apps(context.Context, server.Actor) ([]server.App, error) { return f.apps, nil }

func (f *fake) Allowed(_ context.Context, _ server.Actor, name string) (server.App, []server.Permission, error) {
	i := slices.IndexFunc(f.apps, func(a server.App) bool { return a.Name == name })
	if i < 0 {
		return server.App{}, nil, server.Errorf(server.ErrNotFound, "Couldn't find that app.")
	}
	return f.apps[i], f.may, nil
}

func (f *fake) WhileAllowed(ctx context.Context, _ server.Actor, _ string, _ server.Permission) (context.Context, context.CancelFunc) {
	return context.WithCancel(ctx)
}

// browser asks one dashboard as somebody who is signed in.
type browser struct {
	t      *testing.T
	web    *Server
	secret string // empty: nobody
}

func newBrowser(t *testing.T, svc Services) *browser {
	t.Helper()
	s, err := New(Config{URL: "http://paas.example.com", WebURL: func(app string) string { return "http://" + app + ".example.com/" },
		GitURL: func(app string) string { return "ssh://paas@example.com/" + app + ".git" }, APIURL: func() string { return "http://example.com:8081" },
		SSHAddr: func() (string, string) { return "example.com", "2222" }, HostKey: func() string { return "SHA256:abc" },
		Domain: "example.com", Sizes: server.DefaultSizes()}, svc, slog.New(slog.NewTextHandler(io.Discard, nil)))
	if err != nil {
		t.Fatal(err)
	}
	return &browser{t: t, web: s, secret: fakeSecret}
}

func (b *browser) do(r *http.Request) *httptest.ResponseRecorder {
	b.t.Helper()
	if b.secret != "" {
		r.AddCookie(&http.Cookie{Name: b.web.cookieName(), Value: b.secret})
	}
	w := httptest.NewRecorder()
	b.web.ServeHTTP(w, r)
	return w
}

func (b *browser) get(path string) *httptest.ResponseRecorder {
	b.t.Helper()
	return b.do(httptest.NewRequest(http.MethodGet, "http://paas.example.com"+path, nil))
}

// post sends a form as a page of this host would: name, value, name, value.
func (b *browser) post(path string, pairs ...string) *httptest.ResponseRecorder {
	b.t.Helper()
	form := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		form.Add(pairs[i], pairs[i+1])
	}
	r := httptest.NewRequest(http.MethodPost, "http://paas.example.com"+path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return b.do(r)
}

// page is get that must be a page with all of the texts.
func (b *browser) page(path string, texts ...string) string {
	b.t.Helper()
	w := b.get(path)
	body := w.Body.String()
	if w.Code != http.StatusOK {
		b.t.Fatalf("GET %s: %d\n%s", path, w.Code, body)
	}
	for _, text := range texts {
		if !strings.Contains(body, text) {
			b.t.Errorf("GET %s does not show %q:\n%s", path, text, body)
		}
	}
	return body
}

func TestStrangersAreAskedToSignIn(t *testing.T) {
	b := newBrowser(t, newFake("shop"))
	b.secret = "another"
	w := b.get("/apps/shop/logs?q=1")
	if to := w.Header().Get("Location"); w.Code != http.StatusSeeOther || to != "/sign-in?next="+url.QueryEscape("/apps/shop/logs?q=1") {
		t.Fatalf("%d to %q", w.Code, to)
	}
	if w := b.post("/sign-out"); w.Code != http.StatusUnauthorized {
		t.Fatalf("a post: %d", w.Code)
	}
}

func TestOtherSitesChangeNothing(t *testing.T) {
	b := newBrowser(t, newFake("shop"))
	r := httptest.NewRequest(http.MethodPost, "http://paas.example.com/theme", strings.NewReader("theme=dark"))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	if w := b.do(r); w.Code != http.StatusForbidden || w.Header().Get("Set-Cookie") != "" {
		t.Fatalf("%d %v", w.Code, w.Header())
	}
}

func TestEveryAnswerHasItsHeaders(t *testing.T) {
	b := newBrowser(t, newFake("shop"))
	for _, path := range []string{"/", "/nowhere", "/apps/other", "/apps/shop/nothing", "/static/x/css/base.css"} {
		h := b.get(path).Header()
		if csp := h.Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") {
			t.Errorf("%s: policy %q", path, csp)
		}
		if h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Referrer-Policy") != "no-referrer" {
			t.Errorf("%s: %v", path, h)
		}
	}
}

func TestAnotherPersonsAppIsNotFound(t *testing.T) {
	b := newBrowser(t, newFake("shop"))
	if w := b.get("/apps/other"); w.Code != http.StatusNotFound || !strings.Contains(w.Body.String(), "find that app") {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
}

func TestThemeIsKept(t *testing.T) {
	b := newBrowser(t, newFake("shop"))
	w := b.post("/theme", "theme", "dark", "next", "//evil.example")
	if w.Code != http.StatusSeeOther || w.Header().Get("Location") != "/" || !strings.Contains(w.Header().Get("Set-Cookie"), "theme=dark") {
		t.Fatalf("%d %v", w.Code, w.Header())
	}
	r := httptest.NewRequest(http.MethodGet, "http://paas.example.com/", nil)
	r.AddCookie(&http.Cookie{Name: themeCookie, Value: "dark"})
	if body := b.do(r).Body.String(); !strings.Contains(body, `data-theme="dark"`) {
		t.Fatal(body)
	}
}

func FuzzLocalPath(f *testing.F) {
	for _, s := range []string{"/apps/x?y=1", "//evil", "/\\evil", "https://evil", "/%2f/evil", "/\tevil", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, next string) {
		got := localPath(next)
		u, err := url.Parse("http://paas.example.com")
		if err != nil {
			t.Fatal(err)
		}
		to, err := u.Parse(got)
		if err != nil || to.Host != "paas.example.com" || got[0] != '/' {
			t.Fatalf("%q leads to %q, %v", next, got, err)
		}
	})
}
