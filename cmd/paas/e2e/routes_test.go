package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"paas/cmd/paas/platformtest"
	"paas/server"
	"paas/server/api"
	"paas/server/httpd"
)

// TestRoutes walks along every route of the API on the real platform, as
// people with less and less rights. A new route is walked without being told.
func TestRoutes(t *testing.T) {
	p := shared.get(t)
	w := &walker{t: t, p: p, routes: routesOf(t)}
	p.mustPaas(t, "apps:create", "access-routes", "--no-remote")
	p.mustPaas(t, "apps:create", "access-beside", "--no-remote")
	viewer := w.join("routes-viewer@example.com", "access-routes")
	stranger := w.join("routes-stranger@example.com", "access-beside")
	if a := w.ask(stranger, "POST", "/apps", `{"name":"access-own"}`); a.code != http.StatusCreated {
		t.Fatalf("make an app: %d %s", a.code, a.body)
	}
	read := w.authorize(stranger, `{"scope":["read"],"description":"routes"}`)
	identity := w.authorize(stranger, `{"scope":["identity"],"description":"routes"}`)

	n := 0
	for _, r := range w.routes {
		if !strings.HasPrefix(r.Pattern, "/apps/{app}") {
			continue
		}
		n++
		w.hidden(r, stranger, "access-routes")
		w.hidden(r, identity, "access-own")
		w.guarded(r, viewer, "access-routes")
		w.guarded(r, read, "access-own")
		if a := w.on(r, "", "access-routes"); a.code != http.StatusUnauthorized {
			t.Errorf("%s without a token: %d %s", r, a.code, a.body)
		}
	}
	if n < 60 {
		t.Errorf("only %d routes were walked", n)
	}
	w.beyondApps(read, identity)
	if a := w.ask(stranger, "GET", "/apps/access-own", ""); a.code != http.StatusOK {
		t.Errorf("the walk has changed something: %d %s", a.code, a.body)
	}
}

// routesOf asks an API that is never run, and whose use cases are nobody's.
func routesOf(t *testing.T) []httpd.Route {
	t.Helper()
	none := func(string) string { return "" }
	srv, err := httpd.New(httpd.Config{Addr: "127.0.0.1:0", WebURL: none, GitURL: none}, (*server.Service)(nil), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer srv.Close()
	routes, err := srv.Routes()
	if err != nil {
		t.Fatal(err)
	}
	return routes
}

type walker struct {
	t      *testing.T
	p      *platform
	routes []httpd.Route
}

type answered struct {
	code int
	body string
}

// closedReads are GETs that need more than the permission view: they show
// secrets, who may come, or open a way into a dyno.
func closedReads() []string {
	return []string{"/config-vars", "/config-vars/staged", "/config-history", "/releases/{release}/config-vars", "/releases/{release}/diff",
		"/files", "/releases/{release}/files", "/dynos/{dyno}/attach", "/dynos/{dyno}/exec", "/dynos/{dyno}/forward", "/audit", "/invitations"}
}

// bodies are of routes that look at the body before the app.
func bodies() map[string]string {
	return map[string]string{
		"PATCH /apps/{app}/":             `{"maintenance":true}`,
		"PATCH /apps/{app}/config-vars":  `{"A":"1"}`,
		"PATCH /apps/{app}/settings":     `{"stop_timeout":20}`,
		"PATCH /apps/{app}/crons/{cron}": `{"suspended":true}`,
		"POST /apps/{app}/dynos":         `{"command":"true"}`,
		"POST /apps/{app}/domains":       `{"hostname":"www.access.example.com"}`,
		"POST /apps/{app}/links":         `{"target":"nobody"}`,
		"POST /apps/{app}/log-drains":    `{"url":"https://logs.example.com/"}`,
		"POST /apps/{app}/transfer":      `{"recipient":"routes-viewer@example.com"}`,
		"POST /apps/{app}/collaborators": `{"user":"x@example.com"}`,
		"PATCH /apps/{app}/formation":    `{"updates":[{"type":"web","quantity":1}]}`,
		"PUT /apps/{app}/files":          `{"path":"/etc/app.conf","content":"eA=="}`,
	}
}

// on asks a route about an app.
func (w *walker) on(r httpd.Route, token, app string) answered {
	const nobody = "00000000-0000-4000-8000-000000000000"
	path := strings.NewReplacer("{app}", app, "{release}", "v1", "{type}", "web", "{dyno}", "web.1").Replace(r.Pattern)
	for {
		before, rest, ok := strings.Cut(path, "{")
		if !ok {
			break
		}
		_, after, _ := strings.Cut(rest, "}")
		path = before + nobody + after
	}
	body := bodies()[r.Method+" "+r.Pattern]
	if body == "" {
		body = "{}"
	}
	switch {
	case strings.HasSuffix(r.Pattern, "/files"):
		path += "?path=/etc/app.conf"
	case strings.HasSuffix(r.Pattern, "/diff"):
		path += "?with=v1"
	}
	return w.ask(token, r.Method, strings.TrimSuffix(path, "/"), body)
}

// hidden wants an app that is not to be seen to look as if it were not there.
func (w *walker) hidden(r httpd.Route, token, app string) {
	w.t.Helper()
	got, want := w.on(r, token, app), w.on(r, token, "access-nowhere")
	if got.code != http.StatusNotFound || got != want {
		w.t.Errorf("%s of a hidden app: %d %s; of one that is not there: %d %s", r, got.code, got.body, want.code, want.body)
	}
}

// guarded wants that who may only look can look, and change nothing.
func (w *walker) guarded(r httpd.Route, token, app string) {
	w.t.Helper()
	got := w.on(r, token, app)
	below := strings.TrimPrefix(r.Pattern, "/apps/{app}")
	closed := r.Method != http.MethodGet && below != "/log-sessions" || slices.Contains(closedReads(), below)
	switch {
	case slices.Contains([]string{"/dynos/{dyno}/actions/stop", "/crons/{cron}"}, below) && got.code == http.StatusNotFound:
		// There is none, which who may look may know.
	case closed && got.code != http.StatusForbidden:
		w.t.Errorf("%s by who may only look: %d %s", r, got.code, got.body)
	case !closed && got.code >= 300 && got.code != http.StatusNotFound:
		w.t.Errorf("%s is kept from who may look: %d %s", r, got.code, got.body)
	}
}

// readable are the GETs beyond apps that a token of scope read is enough for,
// with what is answered: there is no host and no router of the name that the walk asks for.
func readable() map[string]int {
	return map[string]int{"/apps": http.StatusOK, "/hosts": http.StatusOK, "/hosts/{host}": http.StatusNotFound, "/routers": http.StatusOK, "/routers/{router}": http.StatusNotFound}
}

// beyondApps walks along what belongs to no app. Only what tells nothing but
// who asks, or is the same for all, is open to every token.
func (w *walker) beyondApps(read, identity string) {
	forAll := []string{"/version", "/regions", "/stacks", "/dyno-sizes", "/account", "/healthz", "/log-sessions/{token}", "/terminals/{token}", "/invitations/accept"}
	for _, r := range w.routes {
		if strings.HasPrefix(r.Pattern, "/apps/{app}") || slices.Contains(forAll, r.Pattern) {
			continue
		}
		for name, token := range map[string]string{"read": read, "identity": identity} {
			got := w.on(r, token, "")
			if want := readable()[r.Pattern]; name == "read" && r.Method == http.MethodGet && want != 0 {
				if got.code != want {
					w.t.Errorf("%s with a read token: %d %s", r, got.code, got.body)
				}
				continue
			}
			if got.code != http.StatusForbidden && (got.code != http.StatusUnprocessableEntity || !strings.Contains(got.body, "is missing")) {
				w.t.Errorf("%s with a token of scope %s: %d %s", r, name, got.code, got.body)
			}
		}
	}
}

// ask sends one request; without a token it is nobody's.
func (w *walker) ask(token, method, path, body string) answered {
	w.t.Helper()
	return w.send(http.DefaultTransport, "http://"+w.p.api, token, method, path, body)
}

func (w *walker) send(by http.RoundTripper, base, token, method, path, body string) answered {
	w.t.Helper()
	ctx, done := context.WithTimeout(w.t.Context(), 15*time.Second)
	defer done()
	req, err := http.NewRequestWithContext(ctx, method, base+path, strings.NewReader(body))
	platformtest.Must(err)
	req.Header.Set("Accept", api.ContentType)
	if end := path[strings.LastIndex(path, "/")+1:]; slices.Contains([]string{"attach", "exec", "forward"}, end) {
		for name, value := range map[string]string{"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA=="} {
			req.Header.Set(name, value)
		}
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := by.RoundTrip(req)
	if err != nil {
		w.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		w.t.Fatalf("%s %s: %v", method, path, err)
	}
	return answered{res.StatusCode, string(bytes.TrimSpace(b))}
}

// socket speaks to the API through the operator's socket.
func (p *platform) socket() *http.Transport {
	path := filepath.Join(p.data, "run", "paas.sock")
	return &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}}
}

// join invites somebody to look at an app and gives their token.
func (w *walker) join(email, app string) string {
	w.t.Helper()
	by := w.p.socket()
	defer by.CloseIdleConnections()
	a := w.send(by, "http://paas", "", "POST", "/apps/"+app+"/collaborators", `{"user":"`+email+`","permissions":["view"]}`)
	var i api.Invitation
	if err := json.Unmarshal([]byte(a.body), &i); err != nil || a.code != http.StatusAccepted {
		w.t.Fatalf("invite %s: %d %s", email, a.code, a.body)
	}
	key := filepath.Join(w.t.TempDir(), "id")
	platformtest.Run(nil, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key)
	line, err := os.ReadFile(key + ".pub")
	platformtest.Must(err)
	body, err := json.Marshal(api.AcceptInvitation{Code: i.Code, PublicKey: string(line)})
	platformtest.Must(err)
	a = w.send(by, "http://paas", "", "POST", "/invitations/accept", string(body))
	var j api.Joined
	if err := json.Unmarshal([]byte(a.body), &j); err != nil || a.code != http.StatusCreated || j.Token == "" {
		w.t.Fatalf("join as %s: %d %s", email, a.code, a.body)
	}
	return j.Token
}

func (w *walker) authorize(token, body string) string {
	w.t.Helper()
	a := w.ask(token, "POST", "/oauth/authorizations", body)
	var made api.Authorization
	if err := json.Unmarshal([]byte(a.body), &made); err != nil || a.code != http.StatusCreated || made.AccessToken == nil {
		w.t.Fatalf("make a token: %d %s", a.code, a.body)
	}
	return made.AccessToken.Token
}
