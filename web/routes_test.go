package web

import (
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"io/fs"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/go-chi/chi/v5"

	"paas/server"
)

// route is one that the dashboard has, with its parameters filled in.
type route struct{ method, pattern, path string }

func (b *browser) routes(app string) []route {
	b.t.Helper()
	var list []route
	err := chi.Walk(b.web.handler.(chi.Routes), func(method, pattern string, _ http.Handler, _ ...func(http.Handler) http.Handler) error {
		parts := strings.Split(strings.ReplaceAll(pattern, "/*", "/x"), "/")
		for i, p := range parts {
			switch {
			case p == "{app}":
				parts[i] = app
			case strings.HasPrefix(p, "{"):
				parts[i] = "1"
			}
		}
		list = append(list, route{method, pattern, strings.Join(parts, "/")})
		return nil
	})
	if err != nil || len(list) < 20 {
		b.t.Fatalf("%d routes, %v", len(list), err)
	}
	return list
}

// ask sends a request as a page of this host would.
func (b *browser) ask(r route) *httptest.ResponseRecorder {
	b.t.Helper()
	req := httptest.NewRequest(r.method, "http://paas.example.com"+r.path, strings.NewReader(""))
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	return b.do(req)
}

// public are the routes for whoever comes.
func public(pattern string) bool {
	return strings.HasPrefix(pattern, "/sign-in") || strings.HasPrefix(pattern, "/static/")
}

// A stranger gets nothing: the fake panics when it is asked for more than who
// they are, which is an answer of 500.
func TestStrangersReachNoRoute(t *testing.T) {
	b := newBrowser(t, newFake("shop"))
	for _, secret := range []string{"", "a wrong one"} {
		b.secret = secret
		for _, r := range b.routes("shop") {
			if public(r.pattern) {
				continue
			}
			w := b.ask(r)
			to := w.Header().Get("Location")
			if w.Code != http.StatusUnauthorized && !(w.Code == http.StatusSeeOther && strings.HasPrefix(to, "/sign-in")) {
				t.Errorf("%s %s: %d %s", r.method, r.pattern, w.Code, to)
			}
		}
	}
}

// Who may not see an app finds none of its routes.
func TestOthersAppsHaveNoRoutes(t *testing.T) {
	b := newBrowser(t, newFake("shop"))
	for _, r := range b.routes("other") {
		if !strings.HasPrefix(r.pattern, "/apps/{app}") {
			continue
		}
		if w := b.ask(r); w.Code != http.StatusNotFound {
			t.Errorf("%s %s: %d", r.method, r.pattern, w.Code)
		}
	}
}

// Other sites' forms are refused wherever they are sent to.
func TestOtherSitesReachNoRoute(t *testing.T) {
	b := newBrowser(t, newFake("shop"))
	for _, r := range b.routes("shop") {
		if r.method == http.MethodGet || r.method == http.MethodHead {
			continue
		}
		req := httptest.NewRequest(r.method, "http://paas.example.com"+r.path, strings.NewReader(""))
		req.Header.Set("Sec-Fetch-Site", "cross-site")
		if w := b.do(req); w.Code != http.StatusForbidden {
			t.Errorf("%s %s: %d", r.method, r.pattern, w.Code)
		}
	}
}

// reads are the use cases that change nothing. A GET asks for no other.
var reads = []string{
	"AppErrors", "AppList", "AppSummary", "Apps", "Activity", "Allowed", "Audit", "Build", "Builds", "Authorizations", "Collaborators", "Config", "ConfigSheet", "CronHistory", "Crons",
	"Deploy", "DeployOutput", "DeploySteps", "Deploys", "Diff", "Domains", "Drains", "Drill", "Events", "File", "Files", "Follow", "Formation", "History", "Host", "Hosts", "Links", "Routers", "ServerList",
	"Instance", "Instances", "Invitations", "Keys", "Logs", "Metrics", "Overview", "Passkeys", "PeekSignInLink", "Placement", "PlanDrill", "PlanRebalance", "Release", "ReleaseOutput", "Releases", "Run", "Runs",
	"SearchAudit", "SessionActor", "Sizes", "Sparks", "Staged", "TypeConfig", "Volumes", "Watch", "WebSessions", "WhileAllowed", "Why",
}

// exceptions are GET routes that cannot be otherwise, with what they may call:
// a WebSocket begins as a GET, which takes a ticket that a POST gave out and
// comes from this host's own pages; a provider of identities sends people back
// by a redirect, with what it gave out for the ticket in this browser's cookie.
var exceptions = map[string][]string{`"/terminal/{ticket}"`: {"Open"}, "ProviderPath": {"SignOut"}}

// sources are the package's functions by name, and its GET routes.
type sources struct {
	funcs map[string][]ast.Node
	gets  map[string]ast.Expr // pattern, as it is written: what answers
}

func readSources(t *testing.T) sources {
	t.Helper()
	src := sources{funcs: map[string][]ast.Node{}, gets: map[string]ast.Expr{}}
	files, err := fs.Glob(os.DirFS("."), "*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				if n.Body != nil {
					src.funcs[n.Name.Name] = append(src.funcs[n.Name.Name], n.Body)
				}
			case *ast.CallExpr: // r.Get("/path", s.page(s.handler))
				if sel, ok := n.Fun.(*ast.SelectorExpr); ok && len(n.Args) == 2 && (sel.Sel.Name == "Get" || sel.Sel.Name == "Head") {
					src.gets[types.ExprString(n.Args[0])] = n.Args[1]
				}
			}
			return true
		})
	}
	return src
}

// uses gives the use cases that code comes to, by whatever way. It goes by the
// names of what is called and of what is handed on, so it may find more than
// there is.
func (src sources) uses(code ast.Node, seen, found map[string]bool) {
	follow := func(list ...ast.Expr) {
		for _, e := range list {
			name := types.ExprString(e)
			if i := strings.LastIndexByte(name, '.'); i >= 0 && (strings.HasSuffix(name[:i], ".svc") || name[:i] == "svc") {
				found[name[i+1:]] = true
				continue
			} else if i >= 0 {
				name = name[i+1:]
			}
			if !token.IsIdentifier(name) || seen[name] {
				continue
			}
			seen[name] = true
			for _, body := range src.funcs[name] {
				src.uses(body, seen, found)
			}
		}
	}
	ast.Inspect(code, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CallExpr:
			follow(n.Fun)
			follow(n.Args...)
		case *ast.AssignStmt:
			follow(n.Rhs...)
		case *ast.ReturnStmt:
			follow(n.Results...)
		case *ast.KeyValueExpr:
			follow(n.Value)
		}
		return true
	})
}

func TestNoGetChangesState(t *testing.T) {
	src := readSources(t)
	if len(src.gets) < 20 {
		t.Fatalf("only %d GET routes were found", len(src.gets))
	}
	all := map[string]bool{}
	for _, pattern := range slices.Sorted(maps.Keys(src.gets)) {
		found := map[string]bool{}
		src.uses(&ast.ReturnStmt{Results: []ast.Expr{src.gets[pattern]}}, map[string]bool{}, found)
		maps.Copy(all, found)
		for _, use := range slices.Sorted(maps.Keys(found)) {
			if !slices.Contains(reads, use) && !slices.Contains(exceptions[pattern], use) {
				t.Errorf("GET %s (%s) comes to %s, which is not among those that only read", pattern, types.ExprString(src.gets[pattern]), use)
			}
		}
	}
	if len(all) < 20 {
		t.Errorf("the pages seem to ask for no more than %v", slices.Sorted(maps.Keys(all)))
	}
}

// The test above sees a POST's change, so it would see a GET's.
func TestChangesAreSeen(t *testing.T) {
	src, found := readSources(t), map[string]bool{}
	src.uses(src.funcs["destroyApp"][0], map[string]bool{}, found)
	if !found["DestroyApp"] || slices.Contains(reads, "DestroyApp") {
		t.Error(found)
	}
}

// A viewer's forms change nothing, and end in the platform's refusal or in
// that of the form, which was empty.
func TestViewersPostNothing(t *testing.T) {
	m := newManaged()
	m.may = []server.Permission{server.PermView}
	m.refuse = server.Errorf(server.ErrForbidden, "You may not do this.")
	b := newBrowser(t, m)
	for _, r := range b.routes("shop") {
		if r.method == http.MethodGet || r.method == http.MethodHead || !strings.HasPrefix(r.pattern, "/apps/{app}") {
			continue
		}
		w := b.ask(r)
		if w.Code < 300 || len(m.did) > 0 {
			t.Errorf("%s %s by a viewer: %d, %v\n%s", r.method, r.pattern, w.Code, m.did, w.Body)
		}
	}
}
