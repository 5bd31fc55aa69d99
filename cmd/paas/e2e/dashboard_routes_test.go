package e2e

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"paas/cmd/paas/platformtest"
)

// visitor is a program that asks the dashboard as a browser with somebody's
// session would.
type visitor struct {
	t      *testing.T
	base   string
	client *http.Client
	cookie *http.Cookie // nil: nobody's
}

func newVisitor(t *testing.T, p *platform) *visitor {
	t.Helper()
	_, port, err := net.SplitHostPort(p.http)
	platformtest.Must(err)
	dial := &net.Dialer{}
	tr := &http.Transport{DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return dial.DialContext(ctx, network, p.http)
	}}
	t.Cleanup(tr.CloseIdleConnections)
	return &visitor{t: t, base: "http://paas.localhost:" + port, client: &http.Client{Transport: tr, Timeout: patience,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// signIn turns a one-time link into a session.
func (v *visitor) signIn(link string) *visitor {
	v.t.Helper()
	u, err := url.Parse(link)
	platformtest.Must(err)
	r := v.do(http.MethodPost, u.Path, url.Values{"code": {u.Query().Get("code")}})
	for _, c := range r.cookies {
		if c.Name == "paas" && c.Value != "" {
			v.cookie = c
		}
	}
	if v.cookie == nil {
		v.t.Fatalf("%s: %d and no session\n%s", link, r.status, r.body)
	}
	return v
}

type answer struct {
	status  int
	to      string // where it redirects
	body    string
	cookies []*http.Cookie
}

func (v *visitor) do(method, path string, form url.Values) answer {
	v.t.Helper()
	ctx, done := context.WithTimeout(v.t.Context(), patience)
	defer done()
	r, err := http.NewRequestWithContext(ctx, method, v.base+path, strings.NewReader(form.Encode()))
	platformtest.Must(err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	if v.cookie != nil {
		r.AddCookie(v.cookie)
	}
	w, err := v.client.Do(r)
	if err != nil {
		v.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer w.Body.Close()
	a := answer{status: w.StatusCode, to: w.Header.Get("Location"), cookies: w.Cookies()}
	if w.Header.Get("Content-Type") == "text/event-stream" {
		return a // it does not end
	}
	body, err := io.ReadAll(w.Body)
	platformtest.Must(err)
	a.body = string(body)
	return a
}

// dashboardRoute is one of the dashboard's, as its source has it.
type dashboardRoute struct {
	method, pattern string
	ofApp           bool
}

var (
	routesFunc = regexp.MustCompile(`(?ms)^func \(s \*Server\) (\w*[rR]outes)\(.*?^}`)
	routeCall  = regexp.MustCompile(`\br\.(Get|Post)\("(/[^"]*)"`)
)

// dashboardRoutes reads all routes in the source: none can be left out by
// forgetting to write it here.
func dashboardRoutes(t *testing.T) []dashboardRoute {
	t.Helper()
	files, err := filepath.Glob("../../../web/*.go")
	platformtest.Must(err)
	ofAll := map[string]bool{"signInRoutes": true, "accountRoutes": true, "paletteRoutes": true, "hostRoutes": true, "auditRoutes": true}
	var list []dashboardRoute
	for _, name := range files {
		src, err := os.ReadFile(name)
		platformtest.Must(err)
		for _, f := range routesFunc.FindAllStringSubmatch(string(src), -1) {
			for _, c := range routeCall.FindAllStringSubmatch(f[0], -1) {
				r := dashboardRoute{method: strings.ToUpper(c[1]), pattern: c[2]}
				if r.ofApp = f[1] != "routes" && !ofAll[f[1]]; r.ofApp {
					r.pattern = "/apps/{app}" + strings.TrimSuffix(r.pattern, "/")
				}
				list = append(list, r)
			}
		}
	}
	if len(list) < 50 {
		t.Fatalf("only %d routes were found", len(list))
	}
	return list
}

var parameter = regexp.MustCompile(`\{\w+\}`)

func (r dashboardRoute) path(app, id string) string {
	return parameter.ReplaceAllString(strings.ReplaceAll(strings.TrimSuffix(r.pattern, "*"), "{app}", app), id)
}

func (r dashboardRoute) public() bool {
	return strings.HasPrefix(r.pattern, "/sign-in") || strings.HasPrefix(r.pattern, "/static/")
}

// TestDashboardRoutes asks for every route of the dashboard as those who may
// not: a stranger, somebody whose app it is not, somebody who may only look.
func TestDashboardRoutes(t *testing.T) {
	p := shared.get(t)
	p.mustPaas(t, "apps:create", "guarded", "--no-remote")
	t.Cleanup(func() { _, _ = p.paas("apps:destroy", "-a", "guarded", "--confirm", "guarded") })
	outsider, viewer := p.member(t, "outsider@routes.example"), p.member(t, "viewer@routes.example")
	p.mustPaas(t, "access:add", viewer.email, "-p", "view", "-a", "guarded")
	link := func(m *member) string { return findLink(t, m.paas("dashboard", "--print")) }
	routes := dashboardRoutes(t)

	t.Run("a stranger", func(t *testing.T) {
		v := newVisitor(t, p)
		for _, r := range routes {
			if r.public() {
				continue
			}
			a := v.do(r.method, r.path("guarded", "1"), nil)
			if a.status != http.StatusUnauthorized && !(a.status == http.StatusSeeOther && strings.HasPrefix(a.to, "/sign-in")) {
				t.Errorf("%s %s: %d %s", r.method, r.pattern, a.status, a.to)
			}
		}
	})
	t.Run("somebody without access", func(t *testing.T) {
		v := newVisitor(t, p).signIn(link(outsider))
		for _, r := range routes {
			if !r.ofApp {
				continue
			}
			if a := v.do(r.method, r.path("guarded", "1"), nil); a.status != http.StatusNotFound {
				t.Errorf("%s %s: %d", r.method, r.pattern, a.status)
			}
		}
		if a := v.do(http.MethodGet, "/palette.json?app=guarded", nil); strings.Contains(a.body, "guarded") {
			t.Errorf("the palette tells of another's app: %s", a.body)
		}
		for _, admins := range []string{"GET /audit", "POST /audit/verify", "POST /hosts", "POST /hosts/1/cordon", "POST /hosts/1/drain", "POST /hosts/1/drill/end", "GET /rebalance", "POST /rebalance"} {
			method, path, _ := strings.Cut(admins, " ")
			if a := v.do(method, path, nil); a.status != http.StatusForbidden {
				t.Errorf("%s: %d", admins, a.status)
			}
		}
	})
	t.Run("a viewer", func(t *testing.T) {
		v := newVisitor(t, p).signIn(link(viewer))
		history := func() string {
			return p.mustPaas(t, "events", "-a", "guarded", "--json") + p.mustPaas(t, "releases", "-a", "guarded", "--json")
		}
		before := history()
		for _, r := range routes {
			if !r.ofApp {
				continue
			}
			if r.method == http.MethodGet {
				if a := v.do(r.method, r.path("guarded", "1"), nil); a.status >= 500 {
					t.Errorf("GET %s: %d\n%s", r.pattern, a.status, a.body)
				}
				continue
			}
			for _, form := range viewersForms() {
				a := v.do(r.method, r.path("guarded", "1"), form)
				// What says that there was nothing to do did nothing.
				if a.status < 300 || a.status >= 500 || a.status < 400 && len(form) > 0 {
					t.Errorf("POST %s %v: %d %s\n%s", r.pattern, form, a.status, a.to, a.body)
				}
			}
		}
		if after := history(); after != before {
			t.Errorf("a viewer did something:\n%s\nbefore:\n%s", after, before)
		}
	})
}

// viewersForms are what a viewer posts to every address: nothing, and a field
// for whatever a form may want.
func viewersForms() []url.Values {
	full := url.Values{}
	for name, value := range map[string]string{
		"hostname": "www.routes.test", "domain": "www.routes.test", "email": "new@routes.example", "recipient": "viewer@routes.example", "confirm": "guarded",
		"name": "renamed", "maintenance": "on", "lock": "on", "log-days": "3", "url": "https://logs.example.org/", "drain": "1", "id": "1", "permission": "manage",
		"web": "2", "type": "web", "quantity": "2", "quantity-web": "2", "size": "Standard-1X", "dyno": "web.1", "command": "id", "key": "A", "value": "b", "KEY": "A", "vars": "A=b", "set": "A=b",
	} {
		full.Set(name, value)
	}
	return []url.Values{{}, full}
}
