package web_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"paas/server"
	"paas/server/child"
	"paas/server/passkey"
	"paas/server/postgres"
	"paas/web"
)

// doors is a dashboard with real accounts in a real Postgres, at
// http://localhost:PORT, and another site that knows ann.
type doors struct {
	t   *testing.T
	svc *server.Service
	url string
	log *slog.Logger
}

func newDoors(t *testing.T) *doors {
	t.Helper()
	d := &doors{t: t, log: slog.New(slog.DiscardHandler)}
	store := openStore(t, d.log)
	var err error
	d.svc, err = server.NewService(t.Context(), server.ServiceConfig{Domain: "example.com", Sizes: server.DefaultSizes()}, store,
		nil, nil, server.NewBell(), nil, nil, nil, d.log)
	d.must(err)
	for _, email := range []string{"ann@example.com", "joe@example.com"} {
		_, err := store.EnsureAccount(t.Context(), email, false)
		d.must(err)
	}
	srv := httptest.NewUnstartedServer(nil)
	_, port, err := net.SplitHostPort(srv.Listener.Addr().String())
	d.must(err)
	d.url = "http://localhost:" + port
	srv.Config.Handler = d.web(d.url)
	srv.Start()
	t.Cleanup(srv.Close)
	return d
}

func (d *doors) web(at string) *web.Server {
	d.t.Helper()
	keys, err := passkey.New(at, strings.Split(strings.Split(at, "//")[1], ":")[0], d.svc, d.log)
	d.must(err)
	app := func(string) string { return "" }
	s, err := web.New(web.Config{URL: at, WebURL: app, GitURL: app, APIURL: func() string { return "" }, HostKey: func() string { return "" },
		SSHAddr: func() (string, string) { return "example.com", "2222" }, Passkeys: keys, Provider: otherSite{d.svc}}, d.svc, d.log)
	d.must(err)
	return s
}

func openStore(t *testing.T, log *slog.Logger) *postgres.Store {
	t.Helper()
	dir, err := os.MkdirTemp("", "paas-web-") // short: Postgres has its socket in it
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	pg, err := child.NewPostgres(ctx, child.PostgresConfig{DataDir: filepath.Join(dir, "pg")}, log)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- pg.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-ended; os.RemoveAll(dir) })
	if err := pg.WaitReady(t.Context()); err != nil {
		t.Fatal(err)
	}
	store, err := postgres.Open(t.Context(), postgres.Config{DSN: pg.DSN(), Sizes: server.DefaultSizes()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(store.Close)
	return store
}

func (d *doors) must(err error) {
	d.t.Helper()
	if err != nil {
		d.t.Fatal(err)
	}
}

// otherSite is an OpenID Connect provider that vouches for everybody.
type otherSite struct{ svc *server.Service }

func (otherSite) Name() string { return "id.example.com" }

func (o otherSite) Begin(ctx context.Context, next, from string) (string, string, error) {
	ticket, err := o.svc.KeepChallenge(ctx, "oidc", []byte(next), from)
	return "https://id.example.com/authorize?state=s&nonce=n", ticket, err
}

func (o otherSite) Finish(ctx context.Context, a server.ProviderAnswer, from, agent string) (string, string, server.WebSession, error) {
	next, err := o.svc.TakeChallenge(ctx, "oidc", a.Ticket)
	if err == nil && a.State != "s" {
		err = errors.New("another state")
	}
	if err != nil {
		return "", "", server.WebSession{}, err
	}
	secret, ws, err := o.svc.SignInByIdentity(ctx, server.Identity{Issuer: "https://id.example.com", Subject: a.Code, Email: a.Code + "@example.com", Verified: true}, from, agent)
	return secret, string(next), ws, err
}

// link is what `paas dashboard` prints for an account.
func (d *doors) link(email string) string {
	d.t.Helper()
	a, err := d.svc.FindAccount(d.t.Context(), d.svc.Operator(), email)
	d.must(err)
	l, err := d.svc.CreateSignInLink(d.t.Context(), server.Actor{Account: a, Via: "ssh"})
	d.must(err)
	return d.url + "/sign-in?code=" + l.Code
}

// person is a browser without scripts.
type person struct {
	*doors
	http.Client
}

func (d *doors) person() *person {
	jar, err := cookiejar.New(nil)
	d.must(err)
	p := &person{doors: d}
	p.Jar = jar
	p.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return p
}

// seen is an answer with its body read.
type seen struct {
	*http.Response
	body string
}

func (p *person) send(method, at string, form url.Values, header ...string) seen {
	p.t.Helper()
	if strings.HasPrefix(at, "/") {
		at = p.url + at
	}
	r, err := http.NewRequestWithContext(p.t.Context(), method, at, strings.NewReader(form.Encode()))
	p.must(err)
	r.Header.Set("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	res, err := p.Do(r)
	p.must(err)
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	p.must(err)
	return seen{res, string(b)}
}

func (p *person) get(at string) seen { p.t.Helper(); return p.send("GET", at, nil) }

func (p *person) post(at string, form url.Values, header ...string) seen {
	p.t.Helper()
	if form == nil {
		form = url.Values{}
	}
	return p.send("POST", at, form, header...)
}

var hidden = regexp.MustCompile(`<input type="hidden" name="(code|next)" value="([^"]*)">`)

// press opens a link and presses its button.
func (p *person) press(link string) seen {
	p.t.Helper()
	form := url.Values{}
	for _, m := range hidden.FindAllStringSubmatch(p.get(link).body, -1) {
		form.Set(m[1], strings.ReplaceAll(m[2], "&#43;", "+"))
	}
	if form.Get("code") == "" {
		p.t.Fatalf("%s has no button", link)
	}
	return p.post("/sign-in", form)
}

func (p *person) signedIn() bool {
	p.t.Helper()
	return p.get("/account").StatusCode == http.StatusOK
}

func (s seen) want(t *testing.T, status int, texts ...string) {
	t.Helper()
	if s.StatusCode != status {
		t.Errorf("%s %s: %d, not %d\n%s", s.Request.Method, s.Request.URL, s.StatusCode, status, s.body)
	}
	for _, text := range texts {
		if !strings.Contains(s.body, text) {
			t.Errorf("%s %s does not say %q:\n%s", s.Request.Method, s.Request.URL, text, s.body)
		}
	}
}

func TestSigningIn(t *testing.T) {
	d := newDoors(t)
	for name, part := range map[string]func(*testing.T, *doors){
		"link": linkSignsIn, "cross-site": otherSitesDoNotSignIn, "redirect": noOpenRedirect, "account": accountPage,
		"provider": providerSignsIn, "https": httpsCookie, "scripts": passkeyAnswersAreChecked, "login": askedToSignIn,
	} {
		t.Run(name, func(t *testing.T) { c := *d; c.t = t; part(t, &c) })
	}
}

func linkSignsIn(t *testing.T, d *doors) {
	p, link := d.person(), d.link("ann@example.com")
	page := p.get(link + "&next=%2Faccount")
	page.want(t, 200, "Sign in as ann@example.com")
	if got := page.Header.Get("Referrer-Policy") + " " + page.Header.Get("Cache-Control"); !strings.Contains(got, "no-referrer") || !strings.Contains(got, "no-store") {
		t.Errorf("the page with the code has %s", got)
	}
	if len(page.Cookies()) != 0 || p.signedIn() {
		t.Error("a GET signed in")
	}
	in := p.press(link + "&next=%2Faccount")
	in.want(t, 303)
	if in.Header.Get("Location") != "/account" || len(in.Cookies()) != 1 {
		t.Fatalf("to %q with %v", in.Header.Get("Location"), in.Cookies())
	}
	c := in.Cookies()[0]
	if c.Name != "paas" || !c.HttpOnly || c.Secure || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" {
		t.Errorf("the cookie is %s", c)
	}
	p.get("/account").want(t, 200, "ann@example.com", "Firefox on Linux", "(this one)")

	other := d.person() // who found the link later
	other.get(link).want(t, 404, "used already", "paas dashboard")
	other.post("/sign-in", url.Values{"code": {strings.SplitAfter(link, "code=")[1]}}).want(t, 404, "used already")
	if other.signedIn() {
		t.Error("the link worked twice")
	}
	// A new sign-in in the same browser ends its session and has a new secret.
	again := p.press(d.link("joe@example.com"))
	if len(again.Cookies()) != 1 || again.Cookies()[0].Value == c.Value {
		t.Error("the secret stayed")
	}
	if _, _, err := d.svc.SessionActor(t.Context(), c.Value, ""); !server.IsID(err, server.ErrUnauthorized) {
		t.Errorf("the session before: %v", err)
	}
	p.get("/account").want(t, 200, "joe@example.com")
	p.post("/sign-out", nil).want(t, 303)
	if p.signedIn() {
		t.Error("signed in after signing out")
	}
}

func otherSitesDoNotSignIn(t *testing.T, d *doors) {
	p, link := d.person(), d.link("ann@example.com")
	form := url.Values{"code": {strings.SplitAfter(link, "code=")[1]}}
	p.post("/sign-in", form, "Sec-Fetch-Site", "cross-site").want(t, 403)
	p.post("/sign-in", form, "Origin", "https://evil.example.com").want(t, 403)
	if p.signedIn() {
		t.Fatal("another site signed in")
	}
	p.press(link).want(t, 303) // it was not used up
	p.get("/sign-out").want(t, 404)
	if !p.signedIn() {
		t.Error("a GET signed out")
	}
}

func noOpenRedirect(t *testing.T, d *doors) {
	for next, want := range map[string]string{
		"": "/", "/apps/shop": "/apps/shop", "/apps/shop/logs?q=a%20b": "/apps/shop/logs?q=a%20b",
		"https://evil.example.com": "/", "//evil.example.com": "/", `/\evil.example.com`: "/", "javascript:alert(1)": "/", "evil": "/",
		"/\t/evil.example.com": "/", `\\evil.example.com`: "/", "http:evil.example.com": "/", "/%0d%0aSet-Cookie:x=y": "/%0d%0aSet-Cookie:x=y",
	} {
		if got := d.person().press(d.link("ann@example.com") + "&next=" + url.QueryEscape(next)).Header.Get("Location"); got != want {
			t.Errorf("%q leads to %q", next, got)
		}
	}
}

func askedToSignIn(t *testing.T, d *doors) {
	p := d.person()
	to := p.get("/account?x=1")
	to.want(t, 303)
	if to.Header.Get("Location") != "/sign-in?next=%2Faccount%3Fx%3D1" {
		t.Errorf("to %s", to.Header.Get("Location"))
	}
	p.get("/sign-in").want(t, 200, "paas dashboard", "ssh -p 2222 paas@example.com dashboard", "id.example.com")
	p.get("/sign-in?code=paaslink_x").want(t, 404, "not known")
	p.post("/sign-in", url.Values{"code": {"<script>alert(1)</script>"}}).want(t, 404, "not known")
}

func accountPage(t *testing.T, d *doors) {
	one, two, joe := d.person(), d.person(), d.person()
	one.press(d.link("ann@example.com"))
	two.press(d.link("ann@example.com"))
	joe.press(d.link("joe@example.com"))
	end := regexp.MustCompile(`(?s)<tr>.*?action="(/account/sessions/[^"]+/end)"`) // not that of this browser
	m := end.FindStringSubmatch(one.get("/account").body)
	if m == nil {
		t.Fatal("the other browser is not shown")
	}
	joe.post(m[1], nil).want(t, 404)
	for _, p := range []*person{one, two, joe} {
		if !p.signedIn() {
			t.Fatal("somebody was signed out")
		}
	}
	for two.signedIn() { // parts before have left sessions of ann's
		one.post(m[1], nil).want(t, 303)
		one.get("/account").want(t, 200, "Signed out Firefox on Linux")
		if m = end.FindStringSubmatch(one.get("/account").body); m == nil && two.signedIn() {
			t.Fatal("the other browser is not shown")
		}
	}
	this := regexp.MustCompile(`(?s)<tr class="now">.*?action="(/account/sessions/[^"]+/end)"`).FindStringSubmatch(one.get("/account").body)
	one.post(this[1], nil).want(t, 303)
	if one.signedIn() {
		t.Error("signed in after signing out")
	}
}

func providerSignsIn(t *testing.T, d *doors) {
	p := d.person()
	p.get("/sign-in/provider").want(t, 404) // not by a GET
	away := p.post("/sign-in/provider", url.Values{"next": {"/account"}})
	away.want(t, 200, `<a href="https://id.example.com/authorize?state=s&amp;nonce=n"`)
	if away.Header.Get("Refresh") != "0;url=https://id.example.com/authorize?state=s&nonce=n" {
		t.Errorf("the browser goes to %q", away.Header.Get("Refresh"))
	}
	d.person().get(web.ProviderPath+"?state=s&code=ann").want(t, 422, "Nothing was changed") // another browser
	back := p.get(web.ProviderPath + "?state=s&code=ann")
	back.want(t, 303)
	if back.Header.Get("Location") != "/account" {
		t.Errorf("back to %s", back.Header.Get("Location"))
	}
	p.get("/account").want(t, 200, "ann@example.com", "another site")
	p.get(web.ProviderPath+"?state=s&code=ann").want(t, 422) // once

	eve := d.person()
	eve.post("/sign-in/provider", nil)
	eve.get(web.ProviderPath+"?state=s&code=eve").want(t, 403, "no account here")
	if eve.signedIn() {
		t.Error("an account was made")
	}
}

func httpsCookie(t *testing.T, d *doors) {
	s := d.web("https://paas.example.com")
	link := d.link("ann@example.com")
	r := httptest.NewRequest("POST", "https://paas.example.com/sign-in", strings.NewReader(url.Values{"code": {strings.SplitAfter(link, "code=")[1]}}.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	c := w.Result().Cookies()
	if w.Code != 303 || len(c) != 1 || c[0].Name != "__Host-paas" || !c[0].Secure || !c[0].HttpOnly || c[0].SameSite != http.SameSiteLaxMode || c[0].Path != "/" {
		t.Errorf("%d %v", w.Code, c)
	}
}

// What a script sends is foreign: it is refused with a reason, and nobody is in.
func passkeyAnswersAreChecked(t *testing.T, d *doors) {
	p := d.person()
	for body, status := range map[string]int{"": 422, "[]": 422, "{}": 422, `{"ticket":"x","answer":{}}`: 422, `{"ticket":"` + strings.Repeat("x", 1<<17) + `"}`: 413} {
		r, err := http.NewRequestWithContext(t.Context(), "POST", d.url+"/sign-in/passkey/answer", strings.NewReader(body))
		d.must(err)
		res, err := p.Do(r)
		d.must(err)
		res.Body.Close()
		if res.StatusCode != status || res.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%.40q: %d %s", body, res.StatusCode, res.Header.Get("Content-Type"))
		}
	}
	p.post("/account/passkeys", nil).want(t, 401) // adding needs a session
	p.post("/account/passkeys/answer", nil).want(t, 401)
}
