package web

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"paas/server"
)

// careFake rehearses losses and spreads the load.
type careFake struct {
	*hostFake
	last   *server.Drill
	barred error
	plan   server.Rebalanced
}

func (f *careFake) allow() error {
	if !f.account.Admin {
		return &server.Error{ID: server.ErrForbidden, Message: "Only admins."}
	}
	return nil
}

func (f *careFake) PlanDrill(_ context.Context, _ server.Actor, host string) (server.Drill, error) {
	return server.Drill{Host: host, Report: server.DrillReport{Apps: []server.DrillApp{
		{App: "shop", Dynos: []string{"web.1"}, Away: "its only web dyno is there"}, {App: hostile, Dynos: []string{hostile}, Waits: []string{hostile}}, {App: "blog", Dynos: []string{"web.2"}}}}}, f.barred
}

func (f *careFake) StartDrill(_ context.Context, _ server.Actor, host string, o server.DrillOrder) (server.Drill, error) {
	return server.Drill{Host: host}, f.change("drill %s %s %v", host, o.For, o.Force)
}

func (f *careFake) Drill(_ context.Context, _ server.Actor, host string) (server.Drill, error) {
	if err := f.allow(); err != nil {
		return server.Drill{}, err
	}
	if f.last == nil {
		return server.Drill{}, server.Errorf(server.ErrNotFound, "The loss of %s was never rehearsed.", host)
	}
	return *f.last, nil
}

func (f *careFake) EndDrill(_ context.Context, _ server.Actor, host string) (server.Drill, error) {
	return server.Drill{Host: host}, f.change("end %s", host)
}

func (f *careFake) PlanRebalance(context.Context, server.Actor, string) (server.Rebalanced, error) {
	return f.plan, f.allow()
}

func (f *careFake) Rebalance(context.Context, server.Actor, server.RebalanceOrder) (server.Rebalanced, error) {
	if err := f.allow(); err != nil {
		return server.Rebalanced{}, err
	}
	return server.Rebalanced{Moves: f.plan.Moves, Begun: min(len(f.plan.Moves), 4)}, f.change("rebalance")
}

func TestDrillPage(t *testing.T) {
	f := &careFake{hostFake: newHosts()}
	b := newBrowser(t, f)
	if w := b.get("/hosts/away/drill"); w.Code != http.StatusForbidden {
		t.Errorf("drills are for admins: %d", w.Code)
	}
	f.account.Admin = true
	inert(t, b.page("/hosts/away/drill", "was never rehearsed", "is away until it is up elsewhere: its only web dyno is there", "its other dynos serve", "no other host takes", "Begin the drill", "paas drill away --for 1m"))
	b.page("/hosts/away", `<a href="/hosts/away/drill">Rehearse its loss</a>`)
	inert(t, b.page(hostPath(hostile, "drill")))

	for _, c := range []struct {
		says  string
		pairs []string
	}{
		{"not the host&#39;s name", []string{"for", "1m"}},
		{"no length of time", []string{"for", "soon", "confirm", "away"}},
	} {
		if w := b.post("/hosts/away/drill", c.pairs...); w.Code != http.StatusUnprocessableEntity || !strings.Contains(w.Body.String(), c.says) {
			t.Errorf("%q: %d\n%s", c.pairs, w.Code, w.Body)
		}
	}
	if to := b.posts("/hosts/away/drill", "for", "5m", "confirm", "away", "force", "yes"); to != "/hosts/away/drill" {
		t.Error(to)
	}
	now := time.Now()
	f.last = &server.Drill{Host: "away", Actor: hostile, StartedAt: now.Add(-4 * time.Second), Until: now.Add(time.Minute), Report: server.DrillReport{Lost: 2500 * time.Millisecond,
		Apps: []server.DrillApp{{App: "shop", Dynos: []string{"web.1"}, Requests: 1200, Failed: 3, Away: "its only web dyno is there"}}}}
	body := b.page("/hosts/away/drill", "It goes on until", "2.5 s", "3 of 1200", "End the drill", "paas drill away --end")
	if strings.Contains(body, "Begin the drill") {
		t.Error("a second one may begin")
	}
	inert(t, body)
	if to := b.posts("/hosts/away/drill/end"); to != "/hosts/away/drill" {
		t.Error(to)
	}
	f.last.EndedAt, f.barred = now, &server.Error{ID: server.ErrConflict, Message: "No other host takes dynos. Nothing was changed.", Next: "See how they are: paas hosts"}
	if body := b.page("/hosts/away/drill", "The last one", "No other host takes dynos.", "paas hosts"); strings.Contains(body, "Begin the drill") {
		t.Error("it may begin though it cannot")
	}
	if want := []string{"drill away 5m0s true", "end away"}; !slices.Equal(f.did, want) {
		t.Errorf("%q", f.did)
	}
	f.barred, f.refuse = nil, errWrong
	if w := b.post("/hosts/away/drill", "for", "5m", "confirm", "away", "force", "yes"); !strings.Contains(w.Body.String(), `<option value="5m" selected>`) || !strings.Contains(w.Body.String(), `name="force" value="yes" checked`) {
		t.Errorf("%d: what was typed is gone\n%s", w.Code, w.Body)
	}
}

func TestRebalancePage(t *testing.T) {
	f := &careFake{hostFake: newHosts()}
	b := newBrowser(t, f)
	for _, w := range []int{b.get("/rebalance").Code, b.post("/rebalance").Code} {
		if w != http.StatusForbidden {
			t.Errorf("moving dynos is for admins: %d", w)
		}
	}
	f.account.Admin = true
	b.page("/hosts", `<a href="/rebalance">`)
	if body := b.page("/rebalance", "There is nothing to move."); strings.Contains(body, `action="/rebalance"`) {
		t.Error("there is nothing to begin")
	}
	f.plan = server.Rebalanced{Moves: []server.Moved{{App: "shop", Name: "web.2", From: "host-1", To: "host-2", Why: "two of web are on host-1"}, {App: hostile, Name: hostile, From: hostile, To: hostile, Why: hostile}}}
	inert(t, b.page("/rebalance", "two of web are on host-1", "Move them", "paas hosts:rebalance</code>"))
	if to := b.posts("/rebalance"); to != "/rebalance" || !slices.Equal(f.did, []string{"rebalance"}) {
		t.Errorf("%s %q", to, f.did)
	}
	f.plan.Underway = 2
	if body := b.page("/rebalance", "2 dynos.", "Look again"); strings.Contains(body, "Move them") {
		t.Error("moves may begin while others are under way")
	}
}

func TestPartOfHostIsKept(t *testing.T) {
	f := newHosts()
	f.account.Admin = true
	b := newBrowser(t, f)
	b.page("/hosts/host-1", `name="cpu" type="number" min="0" max="10000" step="any" required class="short" value="0"`, `name="memory" type="number" min="0" step="1" required class="short" value="1024"`)
	if to := b.posts("/hosts/host-1/keep", "cpu", "0.5", "memory", "2048"); to != "/hosts/host-1" || f.kept != "500 2147483648" {
		t.Errorf("%s, kept %s", to, f.kept)
	}
	for _, pairs := range [][]string{{"cpu", "much", "memory", "1"}, {"cpu", "-1", "memory", "1"}, {"cpu", "NaN", "memory", "1"}, {"cpu", "1", "memory", "1G"}, {"cpu", "1", "memory", "-1"}, {"cpu", "1"}} {
		if w := b.post("/hosts/host-1/keep", pairs...); w.Code != http.StatusUnprocessableEntity || !strings.Contains(w.Body.String(), "Nothing was changed.") {
			t.Errorf("%q: %d", pairs, w.Code)
		}
	}
}

// Hundreds of hosts are searched and come a page at a time.
func TestManyHosts(t *testing.T) {
	f := newHosts()
	b := newBrowser(t, f)
	f.hosts = nil
	for i := range 500 {
		h := server.HostRow{Name: fmt.Sprintf("host-%03d", i), State: server.HostReady, SeenAt: time.Now(), Labels: map[string]string{"zone": fmt.Sprint("z", i%5)}}
		if i == 321 {
			h.State = server.HostLost
		}
		f.hosts = append(f.hosts, h)
	}
	count := func(path string, want int, texts ...string) {
		t.Helper()
		if n := strings.Count(b.page(path, texts...), `<th scope="row"><a href="/hosts/`); n != want {
			t.Errorf("%s: %d hosts", path, n)
		}
	}
	count("/hosts", 100, "500 hosts", "499 ready", "1 lost", "1 to 100 of 500", `<a href="/hosts?from=101" rel="next">More`)
	count("/hosts?from=401", 100, "401 to 500 of 500", `<a href="/hosts?from=301">Before`)
	count("/hosts?from=9999", 100, "1 to 100")
	count("/hosts?q=zone%3Dz1", 100, "100 of 500 hosts")
	count("/hosts?q=LOST", 1, "host-321", "1 of 500 hosts")
	count("/hosts?q=ready+z4&from=51", 50, "51 to 100 of 100")
	if body := b.page("/hosts?q="+hostileQuery, "No host is found by"); strings.Contains(body, "<b>") {
		t.Error("what was searched for is taken as it is")
	}
}

const hostileQuery = "%3Cb%3E"
