package fleet_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"paas/router"
	"paas/scheduler/agent/agenttest"
	"paas/server"
	"paas/server/fleet"
)

// routerRows is what the store knows of routers, in memory.
type routerRows struct {
	mu     sync.Mutex
	tokens map[string]string // name, by hash
	rows   []server.RouterRow
	keys   map[string]string // id, by key
}

func (r *routerRows) InviteRouter(_ context.Context, t server.RouterToken) (time.Time, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tokens[string(t.Hash)] = t.Router
	return time.Now().Add(t.Life), nil
}

func (r *routerRows) JoinRouter(_ context.Context, hash []byte, j server.RouterJoin) (id, name string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	name, ok := r.tokens[string(hash)]
	if !ok {
		return "", "", server.Errorf(server.ErrUnauthorized, "The token is not known, has expired or was used.")
	}
	if id, ok := r.keys[string(j.Key)]; ok {
		return id, name, nil
	}
	id = "id-" + name
	r.keys[string(j.Key)] = id
	r.rows = append(r.rows, server.RouterRow{ID: id, Name: name})
	return id, name, nil
}

func (r *routerRows) RouterByKey(_ context.Context, key []byte) (string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if id, ok := r.keys[string(key)]; ok {
		return id, nil
	}
	return "", server.Errorf(server.ErrNotFound, "There is no such router.")
}

func (r *routerRows) RenewRouterKey(_ context.Context, id string, from, to []byte) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.keys[string(from)] != id {
		return server.Errorf(server.ErrNotFound, "There is no such router.")
	}
	delete(r.keys, string(from))
	r.keys[string(to)] = id
	return nil
}

func (r *routerRows) NoteRouters(context.Context, []server.RouterSeen) ([]server.RouterRow, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.rows), nil
}

func (r *routerRows) RemoveRouter(_ context.Context, id, _ string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rows = slices.DeleteFunc(r.rows, func(row server.RouterRow) bool { return row.ID == id })
	for key, owner := range r.keys {
		if owner == id {
			delete(r.keys, key)
		}
	}
	return nil
}

// heardLines are log lines that were taken.
type heardLines struct {
	server.Logs
	lines chan server.LogLine
}

func (h heardLines) Append(lines ...server.LogLine) {
	for _, l := range lines {
		h.lines <- l
	}
}

// edgeScene is a control plane that leads, with a door for routers.
type edgeScene struct {
	*scene
	traffic *server.Traffic
	routers *server.Routers
	rows    *routerRows
	meter   *server.Meter
	lines   chan server.LogLine
	bell    *server.Bell
}

func newEdgeScene(t testing.TB, cfg server.RoutersConfig) *edgeScene {
	t.Helper()
	e := &edgeScene{rows: &routerRows{tokens: map[string]string{}, keys: map[string]string{}}, lines: make(chan server.LogLine, 10_000), bell: server.NewBell()}
	e.traffic, e.meter = server.NewTraffic(e.bell), server.NewMeter(logTo(t))
	e.routers = server.NewRouters(cfg, e.rows, e.traffic, e.meter, heardLines{lines: e.lines}, logTo(t))
	e.lead(t)
	front := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s %s %s from %s", r.Method, r.Host, r.URL.RequestURI(), r.RemoteAddr)
	})
	e.scene = newScene(t, agenttest.NewControl(), fleet.Config{Behind: func(string) http.Handler { return front }, Edge: fleet.Edge{Routers: anyToken{e.routers, e.rows}, Newest: e.traffic.Newest, Domain: "test", PlatformHost: "paas.test"}})
	return e
}

// lead lets the routers have a leader until the test ends.
func (e *edgeScene) lead(t testing.TB) (end func()) {
	ctx, cancel := context.WithCancel(context.Background())
	leads, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		_ = e.routers.Lead(func(ctx context.Context) error { close(leads); <-ctx.Done(); return nil })(ctx)
	}()
	<-leads
	end = sync.OnceFunc(func() { cancel(); <-done })
	t.Cleanup(end)
	return end
}

// anyToken joins with tokens of any form.
type anyToken struct {
	*server.Routers
	rows *routerRows
}

func (a anyToken) Join(ctx context.Context, j server.RouterJoin) (id, name string, err error) {
	return a.rows.JoinRouter(ctx, []byte(j.Token), j)
}

// router joins one and starts it, with a real router on a port of its own.
func (e *edgeScene) router(t testing.TB, name string) *edgeRouter {
	t.Helper()
	dir := filepath.Join(t.TempDir(), name)
	token := e.invite(t, name)
	if _, err := fleet.JoinRouter(t.Context(), fleet.Joining{Dir: dir, Server: e.addr, Token: token, CA: e.auth.Fingerprint()}, "v1"); err != nil {
		t.Fatal(err)
	}
	r := &edgeRouter{e: e, dir: dir}
	r.start(t)
	e.until(t, name+" follows", func() bool { return e.state(t, name) == server.RouterReady })
	return r
}

// invite makes a token as the service does.
func (e *edgeScene) invite(t testing.TB, name string) string {
	t.Helper()
	token := "token-" + name
	if _, err := e.rows.InviteRouter(t.Context(), server.RouterToken{Hash: []byte(token), Router: name}); err != nil {
		t.Fatal(err)
	}
	return token
}

// edgeRouter is a router with its line to the control plane.
type edgeRouter struct {
	e      *edgeScene
	dir    string
	client *fleet.EdgeClient
	addr   string
	stop   func() // as a signal does
}

func (r *edgeRouter) start(t testing.TB) {
	t.Helper()
	var rt *router.Router
	client, err := fleet.NewEdgeClient(fleet.EdgeConfig{Dir: r.dir, Program: "v1", Examine: examined, Addr: func() string { return rt.Addr().String() }}, logTo(t))
	if err != nil {
		t.Fatal(err)
	}
	domain, platform := client.Domain()
	rt, err = router.New(router.Config{ID: client.Identity().Host, HTTPAddr: "127.0.0.1:0", SnapshotFile: filepath.Join(r.dir, "table.json"),
		Domain: domain, PlatformHost: platform, Fallback: client.Front(), Log: client.Log, Observe: client.Observe}, client, logTo(t))
	if err != nil {
		t.Fatal(err)
	}
	r.client, r.addr = client, rt.Addr().String()
	line, endLine := context.WithCancel(context.Background())
	edge, endEdge := context.WithCancel(context.Background())
	var lineDone, edgeDone sync.WaitGroup
	lineDone.Go(func() { _ = client.Run(line) })
	edgeDone.Go(func() { _ = rt.Run(edge) })
	r.stop = sync.OnceFunc(func() { endEdge(); edgeDone.Wait(); endLine(); lineDone.Wait() })
	t.Cleanup(func() { r.stop() })
}

// examined is what the routers of these tests find on their machine.
func examined(context.Context) []server.Finding {
	return []server.Finding{{Check: "clock", Status: "warn", Found: "1m1s behind the control plane's"}}
}

// get asks a router for a page of a host.
func (r *edgeRouter) get(t testing.TB, host, path string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+r.addr+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = host
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// until asks again whenever an app is rung, and now and then.
func (e *edgeScene) until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	wake, stop := e.bell.Listen(server.AppTopic("a"))
	defer stop()
	limit := time.After(20 * time.Second)
	for !ok() {
		select {
		case <-wake:
		case <-time.After(20 * time.Millisecond):
		case <-limit:
			t.Fatal("never: " + what)
		}
	}
}

func backend(t testing.TB, says string) router.Target {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, says) }))
	t.Cleanup(s.Close)
	return router.Target{ID: says, Name: "web.1", Addr: s.Listener.Addr().String(), Release: 1}
}

func appRoutes(app string, targets ...router.Target) []router.Route {
	return []router.Route{{Host: app + ".test", AppID: app, App: app, Targets: targets}}
}

// Two routers on the wire follow the table, and an old instance is quiet only
// when both have let go of it.
func TestRoutersFollowTables(t *testing.T) {
	e := newEdgeScene(t, server.RoutersConfig{})
	old, young := backend(t, "old"), backend(t, "young")
	e.traffic.SetApps(map[string][]router.Route{"a": appRoutes("a", old), "b": appRoutes("b", old)})
	e.traffic.Loaded()
	one, two := e.router(t, "one"), e.router(t, "two")
	e.until(t, "both serve", func() bool { return e.traffic.Serving("old") })
	for _, r := range []*edgeRouter{one, two} {
		if code, body := r.get(t, "a.test", "/"); code != 200 || body != "old" {
			t.Errorf("%d %s", code, body)
		}
	}
	e.traffic.SetApps(map[string][]router.Route{"a": appRoutes("a", young), "b": nil, "c": appRoutes("c", young)})
	e.until(t, "both let go", func() bool { return e.traffic.Quiet("old") && e.traffic.Serving("young") })
	for _, r := range []*edgeRouter{one, two} {
		for host, want := range map[string]int{"a.test": 200, "b.test": 404, "c.test": 200} {
			if code, body := r.get(t, host, "/"); code != want || want == 200 && body != "young" {
				t.Errorf("%s: %d %s", host, code, body)
			}
		}
	}
	// One that ends says so: nobody waits for it.
	two.stop()
	e.traffic.SetApp("a", appRoutes("a", old))
	began := time.Now()
	e.until(t, "the other lets go", func() bool { return e.traffic.Serving("old") })
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("it took %s", took)
	}
}

// One that is silent is waited for as long as its lease, and no longer; it
// serves on, and follows again when the control plane is back.
func TestRouterThatIsCutOff(t *testing.T) {
	e := newEdgeScene(t, server.RoutersConfig{Lease: time.Second, Note: 100 * time.Millisecond})
	old, young := backend(t, "old"), backend(t, "young")
	e.traffic.SetApp("a", appRoutes("a", old))
	e.traffic.Loaded()
	r := e.router(t, "far")
	e.until(t, "it serves", func() bool { return e.traffic.Serving("old") })
	e.stop() // the door, not the leader
	if code, body := r.get(t, "a.test", "/"); code != 200 || body != "old" {
		t.Errorf("cut off: %d %s", code, body)
	}
	e.traffic.SetApp("a", appRoutes("a", young))
	if e.traffic.Quiet("old") {
		t.Error("quiet while a router may serve it")
	}
	e.until(t, "it is lost", func() bool { return e.state(t, "far") == server.RouterLost })
	if e.traffic.Quiet("old") || e.traffic.Serving("young") {
		t.Error("without any router that is heard of nothing is quiet or serving")
	}
	// Started anew it serves from its snapshot.
	r.stop()
	r.start(t)
	if code, body := r.get(t, "a.test", "/"); code != 200 || body != "old" {
		t.Errorf("from the snapshot: %d %s", code, body)
	}
	if code, body := r.get(t, "paas.test", "/"); code != http.StatusServiceUnavailable || !strings.Contains(body, "does not answer") {
		t.Errorf("dashboard: %d %s", code, body)
	}
	e.start()
	e.until(t, "it follows again", func() bool { return e.traffic.Serving("young") && e.traffic.Quiet("old") })
	if got := e.state(t, "far"); got != server.RouterReady {
		t.Error(got)
	}
}

func (e *edgeScene) state(t testing.TB, name string) server.RouterState {
	t.Helper()
	rows, err := e.routers.Rows(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		if r.Name == name {
			return r.State
		}
	}
	return "none"
}

// figures are requests that were stored.
type figures struct {
	server.MeterStore
	requests int64
}

func (f *figures) WriteFigures(_ context.Context, g server.Figures) error {
	for _, r := range g.Traffic {
		f.requests += r.Status[2]
	}
	return nil
}

// Lines and figures of requests arrive, and the platform's own pages are served.
func TestRouterTells(t *testing.T) {
	e := newEdgeScene(t, server.RoutersConfig{})
	e.traffic.SetApp("a", appRoutes("a", backend(t, "hello")))
	e.traffic.Loaded()
	one, two := e.router(t, "one"), e.router(t, "two")
	e.until(t, "both serve", func() bool { return e.traffic.Serving("hello") })
	for range 3 {
		one.get(t, "a.test", "/x")
		two.get(t, "a.test", "/x")
	}
	for range 6 {
		select {
		case l := <-e.lines:
			if l.AppID != "a" || l.Source != "paas" || l.Dyno != "router" || !strings.Contains(l.Text, `path="/x"`) || !strings.Contains(l.Text, "status=200") {
				t.Errorf("%+v", l)
			}
		case <-time.After(20 * time.Second):
			t.Fatal("a line is missing")
		}
	}
	kept := &figures{}
	e.until(t, "six requests counted", func() bool {
		if err := e.meter.Flush(t.Context(), kept); err != nil { // from the second time on what comes is of a minute that was stored
			t.Fatal(err)
		}
		return kept.requests == 6
	})
	code, body := one.get(t, "paas.test", "/apps//a%2Fb?c=d")
	if code != 200 || !strings.HasPrefix(body, "GET paas.test /apps//a%2Fb?c=d from 127.0.0.1:") {
		t.Errorf("%d %s", code, body)
	}
}

// What a router finds on its machine is told to whoever leads, to each anew.
func TestRouterTellsWhatItFound(t *testing.T) {
	e := newEdgeScene(t, server.RoutersConfig{Note: 50 * time.Millisecond})
	e.traffic.SetApp("a", appRoutes("a", backend(t, "hello")))
	e.traffic.Loaded()
	r := e.router(t, "edge")
	told := func() bool {
		rows, err := e.routers.Rows(t.Context())
		return err == nil && len(rows) == 1 && len(rows[0].Findings) == 1 && rows[0].Findings[0].Found == "1m1s behind the control plane's"
	}
	e.until(t, "told", told)
	hello, err := fleet.Greet(t.Context(), r.client.Identity())
	if err != nil || !hello.Leads || hello.Newest != e.traffic.Newest() {
		t.Errorf("%+v, %v", hello, err)
	}
	if from, until, ok := r.client.Identity().Life(); !ok || !from.Before(time.Now()) || !until.After(time.Now()) {
		t.Error(from, until, ok)
	}
}

// A certificate is good for its own role only, and for nothing once its owner
// was removed.
func TestRolesAreApart(t *testing.T) {
	e := newEdgeScene(t, server.RoutersConfig{Note: 50 * time.Millisecond})
	e.traffic.Loaded()
	host := e.join("host")
	if _, err := fleet.NewEdgeClient(fleet.EdgeConfig{Dir: host}, logTo(t)); err == nil || !strings.Contains(err.Error(), "is a host's") {
		t.Error(err)
	}
	r := e.router(t, "edge")
	if _, err := fleet.NewClient(fleet.ClientConfig{Dir: r.dir}, logTo(t)); err == nil || !strings.Contains(err.Error(), "is a router's") {
		t.Error(err)
	}
	e.until(t, "it is heard of", func() bool { return e.state(t, "edge") == server.RouterReady })
	for _, c := range []struct{ dir, method, path string }{
		{host, "GET", "/v1/router/tables"}, {host, "POST", "/v1/router/beat"}, {host, "POST", "/v1/router/batch"},
		{r.dir, "GET", "/v1/assignments"}, {r.dir, "POST", "/v1/beat"}, {r.dir, "POST", "/v1/report"}, {r.dir, "POST", "/v1/logs"},
		{r.dir, "GET", "/v1/sessions"}, {r.dir, "GET", "/v2/app/blobs/sha256:" + strings.Repeat("0", 64)},
	} {
		if code, _ := e.ask(shows(t, c.dir), c.method, c.path, "{}"); code != http.StatusUnauthorized {
			t.Errorf("%s %s: %d", c.method, c.path, code)
		}
	}
	id := r.client.Identity()
	if err := e.rows.RemoveRouter(t.Context(), id.Host, ""); err != nil {
		t.Fatal(err)
	}
	var refused *fleet.Refusal
	if _, err := fleet.Greet(t.Context(), id); !errors.As(err, &refused) || refused.Status != http.StatusForbidden {
		t.Error(err)
	}
	e.until(t, "it is forgotten", func() bool { return e.state(t, "edge") == "none" })
}
