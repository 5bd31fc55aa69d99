package web

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"

	"paas/server"
)

// Overviews is what the pages that tell how things are ask for.
type Overviews interface {
	AppList(ctx context.Context, actor server.Actor) ([]server.AppRow, error)
	CreateApp(ctx context.Context, actor server.Actor, name string) (server.App, error)
	Overview(ctx context.Context, actor server.Actor, app string) (server.Overview, error)
	Metrics(ctx context.Context, actor server.Actor, app string, q server.MetricsQuery) (server.Metrics, error)
}

// appsAtOnce is how many apps one page lists.
const appsAtOnce = 500

func (s *Server) appsRoutes(r chi.Router) {
	r.Get("/", s.page(s.appsPage))
	r.Get("/apps", s.page(s.appsPage)) // where a refused name leaves the browser
	r.Post("/apps", s.page(s.createApp))
}

// appsView is what the list shows.
type appsView struct {
	Rows   []appLine
	Find   string
	Sort   string
	Sorts  []appSort
	States []stateCount
	Total  int // apps there are
	Found  int // of them those searched for
	From   int // of those, the first on this page; 1 is the first of all
	Older  string
	Newer  string
	Owners bool // not all of them are one's own

	Name    string // that was asked for and refused
	Refused string
}

type appView struct {
	server.AppRow
	State            server.AppState
	Requests, Errors int64
	Line, Faults     string // of the sparkline
}

// appLine is one row as it is written: flat and ready, since there are hundreds.
type appLine struct {
	Name, URL, Owner     string
	Locked               bool
	Look                 look
	Dynos, Release, User string
	At, Ago              string
	Line, Faults         string
	Requests, Errors     string
	Failing              bool
}

type stateCount struct {
	State server.AppState
	N     int
}

type appSort struct {
	Key, Text, Aria string
	Number          bool
}

var appSorts = []struct {
	key, text, aria string
	number          bool
	less            func(a, b appView) int
}{
	{"name", "App", "ascending", false, func(a, b appView) int { return cmp.Compare(a.Name, b.Name) }},
	{"state", "State", "ascending", false, func(a, b appView) int { return cmp.Compare(urgency(a.State), urgency(b.State)) }},
	{"dynos", "Dynos", "descending", true, func(a, b appView) int { return cmp.Or(cmp.Compare(b.Up, a.Up), cmp.Compare(b.Wanted, a.Wanted)) }},
	{"release", "Release", "descending", false, func(a, b appView) int { return b.Release.At.Compare(a.Release.At) }},
	{"requests", "Requests", "descending", true, func(a, b appView) int { return cmp.Compare(b.Requests, a.Requests) }},
	{"errors", "Errors", "descending", true, func(a, b appView) int { return cmp.Compare(b.Errors, a.Errors) }},
}

// urgency orders states: what somebody should look at first.
func urgency(s server.AppState) int {
	return slices.Index([]server.AppState{server.AppCrashed, server.AppStarting, server.AppDeploying, server.AppMaintenance,
		server.AppUp, server.AppIdle, server.AppNoRelease}, s)
}

func (s *Server) appsPage(v *visit) error { return s.showApps(v, http.StatusOK, "", nil) }

// createApp makes an app; a refused name stays in its field.
func (s *Server) createApp(v *visit) error {
	if err := v.form(); err != nil {
		return err
	}
	name := strings.TrimSpace(v.field("name"))
	app, err := s.svc.CreateApp(v.ctx(), v.actor(), name)
	if err != nil {
		p := s.explain(v.r, err)
		if p.Status >= http.StatusInternalServerError {
			return err
		}
		return s.showApps(v, p.Status, name, err)
	}
	return v.done(appPath(app.Name), "Created "+app.Name+".")
}

func (s *Server) showApps(v *visit, status int, name string, refused error) error {
	list, err := s.svc.AppList(v.ctx(), v.actor())
	if err != nil {
		return err
	}
	if len(list) == 0 && refused == nil {
		return s.firstRun(v)
	}
	if len(list) == 0 && refused == nil {
		return s.firstRun(v)
	}
	view := listApps(list, v.query("q"), v.query("sort"), v.query("from"))
	view.Owners = slices.ContainsFunc(list, func(r server.AppRow) bool { return r.OwnerID != v.actor().ID })
	view.Name = name
	if refused != nil {
		view.Refused = s.explain(v.r, refused).Message
	}
	return v.showStatus(status, "apps", "", "Apps", view)
}

// listApps chooses, sorts and cuts.
func listApps(list []server.AppRow, find, sort, from string) appsView {
	view := appsView{Find: find, Total: len(list)}
	counts, found := map[server.AppState]int{}, make([]appView, 0, len(list))
	words := strings.Fields(strings.ToLower(find))
	for _, r := range list {
		a := viewApp(r)
		counts[a.State]++
		if a.matches(words) {
			found = append(found, a)
		}
	}
	for state, n := range counts {
		view.States = append(view.States, stateCount{state, n})
	}
	slices.SortFunc(view.States, func(a, b stateCount) int { return cmp.Compare(urgency(a.State), urgency(b.State)) })
	view.order(found, sort)
	view.cut(found, from)
	return view
}

func viewApp(r server.AppRow) appView {
	a := appView{AppRow: r, State: r.State()}
	for i := range r.Spark.Requests {
		a.Requests += r.Spark.Requests[i]
		a.Errors += r.Spark.Errors[i]
	}
	a.Line, a.Faults = sparkline(r.Spark)
	return a
}

func (a appView) write(now time.Time) appLine {
	l := appLine{Name: a.Name, URL: appPath(a.Name), Owner: plain(a.OwnerEmail), Locked: a.Locked, Look: stateOf(a.State), Dynos: fmt.Sprintf("%d/%d", a.Up, a.Wanted),
		Line: a.Line, Faults: a.Faults, Requests: countText(a.Requests), Errors: countText(a.Errors), Failing: a.Errors > 0}
	if r := a.Release; r.Version > 0 {
		l.Release, l.User, l.At, l.Ago = fmt.Sprintf("v%d", r.Version), plain(r.User), stamp(r.At), ago(r.At, now)
	}
	return l
}

// matches looks for every word in what the table says of the app.
func (a appView) matches(words []string) bool {
	text := strings.ToLower(strings.Join([]string{a.Name, a.OwnerEmail, string(a.State), a.Release.User, a.Release.Description, "v" + strconv.Itoa(a.Release.Version)}, "\n"))
	return !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(text, w) })
}

func (view *appsView) order(found []appView, sort string) {
	view.Sort = appSorts[0].key
	for _, by := range appSorts {
		if by.key == sort {
			slices.SortStableFunc(found, by.less)
			view.Sort = sort
		}
	}
	for _, by := range appSorts {
		one := appSort{Key: by.key, Text: by.text, Number: by.number}
		if by.key == view.Sort {
			one.Aria = by.aria
		}
		view.Sorts = append(view.Sorts, one)
	}
}

// cut takes one page's worth.
func (view *appsView) cut(found []appView, from string) {
	view.Found, view.From = len(found), 1
	if n, err := strconv.Atoi(from); err == nil && n > 1 && n <= len(found) {
		view.From = n
	}
	end := min(view.From-1+appsAtOnce, len(found))
	now := time.Now()
	for _, a := range found[view.From-1 : end] {
		view.Rows = append(view.Rows, a.write(now))
	}
	if end < len(found) {
		view.Older = view.Link(view.Sort, end+1)
	}
	if view.From > 1 {
		view.Newer = view.Link(view.Sort, max(1, view.From-appsAtOnce))
	}
}

// Last is the number of the last app on the page.
func (view appsView) Last() int { return view.From - 1 + len(view.Rows) }

// Link is the same list in another order, or another page of it.
func (view appsView) Link(sort string, from int) string {
	q := url.Values{}
	if view.Find != "" {
		q.Set("q", view.Find)
	}
	if sort != "" && sort != appSorts[0].key {
		q.Set("sort", sort)
	}
	if from > 1 {
		q.Set("from", strconv.Itoa(from))
	}
	if len(q) == 0 {
		return "/"
	}
	return "/?" + q.Encode()
}
