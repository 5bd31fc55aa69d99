package web

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"paas/scheduler"
	"paas/server"
)

// lookFake is a platform with one app that something can be wrong with.
type lookFake struct {
	*fake
	o     server.Overview
	m     server.Metrics
	asked server.MetricsQuery
	why   server.Why
}

func (f *lookFake) Overview(context.Context, server.Actor, string) (server.Overview, error) {
	return f.o, nil
}

func (f *lookFake) Metrics(_ context.Context, _ server.Actor, _ string, q server.MetricsQuery) (server.Metrics, error) {
	f.asked = q
	return f.m, nil
}

func (f *lookFake) Why(_ context.Context, _ server.Actor, _, name string) (server.Why, error) {
	if name != "web.2" {
		return server.Why{}, server.Errorf(server.ErrNotFound, "Couldn't find that dyno.")
	}
	return f.why, nil
}

// newLook is shop: two dynos up, an hour of figures, everything well.
func newLook() *lookFake {
	f := &lookFake{fake: newFake("shop")}
	now := time.Now().UTC()
	f.o = server.Overview{Row: server.AppRow{App: f.apps[0], Up: 2, Wanted: 2, Release: server.ReleaseNote{Version: 12}, Deploy: server.DeployNote{ID: "d1", State: server.DeployLive}},
		Release:   &server.Release{Version: 12, Description: "Deploy 1a2b3c4", User: "bob@example.com", Commit: "1a2b3c4d5e", UpdatedAt: now.Add(-time.Hour)},
		Deploy:    &server.Deploy{ID: "d1", State: server.DeployLive, Description: "Deploy 1a2b3c4", UpdatedAt: now.Add(-time.Hour)},
		Hosts:     map[string]string{"h1": "host-1"},
		Formation: []server.Formation{{Type: "web", Quantity: 2, Size: "Standard-1X"}},
		Domains:   []server.Domain{{Hostname: "shop.example.com", Own: true}},
		Events:    []server.Event{{Actor: "bob@example.com", Kind: "release.created", Text: "v12", At: now.Add(-time.Hour)}}}
	for i := range 2 {
		f.o.Dynos = append(f.o.Dynos, server.Instance{Type: "web", Ordinal: i + 1, State: "up", Release: 12, HostID: "h1", Size: "Standard-1X", Command: "node web.js", UpdatedAt: now})
	}
	since := now.Truncate(time.Minute).Add(-time.Hour)
	f.m = server.Metrics{Since: since, Until: since.Add(61 * time.Minute), Step: time.Minute, Usage: map[string][]server.UsagePoint{},
		Deploys: []server.DeployMark{{At: since.Add(10 * time.Minute), Version: 12, Description: "Deploy 1a2b3c4", User: "bob@example.com"}}}
	for i := range 61 {
		at := since.Add(time.Duration(i) * time.Minute)
		f.m.Traffic = append(f.m.Traffic, server.TrafficPoint{At: at, Requests: 60, Status: [6]int64{2: 50, 3: 5, 4: 5}, P50: 20 * time.Millisecond, P95: 80 * time.Millisecond, P99: 200 * time.Millisecond})
		f.m.Usage["web"] = append(f.m.Usage["web"], server.UsagePoint{At: at, Instances: 2, MilliCPU: 300, Memory: 200 << 20, MemoryLimit: 1 << 30})
	}
	return f
}

func TestOverviewPage(t *testing.T) {
	f := newLook()
	b := newBrowser(t, f)
	body := b.page("/apps/shop", "●</span> up", `data-live="/apps/shop/live"`, `href="http://shop.example.com/"`, `<a href="/apps/shop/releases/12">v12</a>`, "by bob@example.com",
		`<a href="/apps/shop/deploys/d1">`, "web.2", "host-1", "node web.js", "Requests", "Errors", "Response time, p95", "released v12", "paas ps -a shop", "paas metrics -a shop",
		`<section id="problems" data-part hidden`)
	if strings.Contains(body, "id=\"requests-table\"") || strings.Count(body, `role="img"`) != 3 {
		t.Error("the charts of the overview are not small, or not three")
	}
}

// What is wrong comes first, each with what to type.
func TestOverviewTellsProblemsFirst(t *testing.T) {
	f := newLook()
	f.apps[0].Maintenance = true
	f.o.Row.App, f.o.Row.Crashed = f.apps[0], 1
	f.o.Dynos[0].State, f.o.Dynos[0].Reason, f.o.Dynos[0].Crashes = "crashed", "no answer within 60 s (Error R10 (Boot timeout))", 3
	f.o.Dynos[1].State, f.o.Dynos[1].Reason = "pending", "no host has 4 GB left"
	f.why.Refusals = []scheduler.Refusal{{HostID: "h1", Host: "host-1", Why: "has 12 MB free"}, {HostID: "h2", Host: "host-2"}}
	for range 30 {
		f.why.Refusals = append(f.why.Refusals, scheduler.Refusal{Host: hostile, Why: hostile})
	}
	f.o.Deploy = &server.Deploy{ID: "d2", State: server.DeployFailed, Stage: server.DeployBuilding, Reason: "npm exited with 1", Description: "Deploy 99"}
	f.o.Formation = append(f.o.Formation, server.Formation{Type: "web"})
	for i := range f.m.Traffic {
		f.m.Traffic[i].Errors = 1
		f.m.Usage["web"][i].Memory = 1000 << 20
	}
	body := newBrowser(t, f).page("/apps/shop", "maintenance:off -a shop", "web.1 has crashed, 3 times in a row.", "R10", "paas logs -d web.1 -a shop", `href="/apps/shop/logs?ps=web.1"`, `href="/apps/shop/deploys/d2">The deploy`, `href="/apps/shop/settings"`, "web.2 waits for a place", "no host has 4 GB left",
		`<a href="/hosts/host-1">host-1</a></th><td>has 12 MB free`, "would take it", "And 12 more hosts.", "paas why web.2 -a shop",
		"The last deploy failed while building. v12 runs on.", "npm exited with 1", "paas deploys:output d2 -a shop", "of 300 requests of the last 5 minutes failed", "paas apps:errors -a shop",
		"web uses 1000 of 1024 MB", "web is scaled to 0", "‖</span> maintenance")
	if strings.Index(body, `id="problems"`) > strings.Index(body, `id="release"`) || strings.Contains(body, `id="problems" data-part hidden`) {
		t.Error("the problems do not come first")
	}
}

func TestOverviewIsInert(t *testing.T) {
	f := newLook()
	f.o.Release.Description, f.o.Release.User, f.o.Deploy.Description, f.o.Deploy.ID = hostile, hostile, hostile, `"><script>alert(1)`
	f.o.Deploy.State, f.o.Deploy.Stage, f.o.Deploy.Reason = server.DeployFailed, server.DeployBuilding, hostile
	d := &f.o.Dynos[0]
	d.State, d.Reason, d.Type, d.Command, f.o.Hosts["h1"] = "crashed", hostile, hostile, hostile, hostile
	f.o.Domains[0].Hostname, f.o.Formation[0].Type, f.o.Row.OwnerEmail = hostile, hostile, hostile
	f.o.Events[0] = server.Event{Actor: hostile, Kind: hostile, Text: hostile}
	f.m.Usage[hostile], f.m.Deploys[0].Description, f.m.Deploys[0].User = f.m.Usage["web"], hostile, hostile
	b := newBrowser(t, f)
	inert(t, b.page("/apps/shop"))
	inert(t, b.page("/apps/shop/metrics"))
}

// An app without anything, and one with nothing running, are pages as well.
func TestOverviewOfLittle(t *testing.T) {
	b := newBrowser(t, newFake("shop"))
	b.page("/apps/shop/metrics", "No dyno was measured", "Nothing was measured in this time.")
	f := newLook()
	f.o.Dynos, f.o.Events, f.o.Formation, f.m.Traffic, f.m.Usage = nil, nil, nil, nil, nil
	newBrowser(t, f).page("/apps/shop", "None runs.", "Nothing yet.")
}

func TestMetricsPage(t *testing.T) {
	f := newLook()
	b := newBrowser(t, f)
	body := b.page("/apps/shop/metrics", `href="/apps/shop/metrics?range=30d"`, `range=1h" aria-current="true"`, "3 660 requests, 0 of them failed", "Each point stands for 1 min",
		">p99</th>", "CPU of web", "Memory of web", "200 MB", "limit", ">v12</text>", `<a href="/apps/shop/releases/12">v12</a>`, "paas metrics -a shop --since 1h", "80 ms")
	if n := strings.Count(body, `role="img"`); n != 5 {
		t.Errorf("%d charts", n)
	}
	if n := strings.Count(body, `<caption`); n != 5 {
		t.Errorf("%d tables", n)
	}
	for key, length := range map[string]time.Duration{"1h": time.Hour, "6h": 6 * time.Hour, "24h": 24 * time.Hour, "7d": 7 * 24 * time.Hour, "30d": 30 * 24 * time.Hour} {
		b.page("/apps/shop/metrics?range="+key, "--since "+key)
		if got := f.asked.Until.Sub(f.asked.Since); got != length || f.asked.Points != metricsSteps {
			t.Errorf("%s asks for %s", key, got)
		}
	}
	w := b.get("/apps/shop/metrics?range=%3Cscript%3Ealert(1)")
	if w.Code != http.StatusUnprocessableEntity || !strings.Contains(w.Body.String(), "1h, 6h, 24h, 7d and 30d") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	inert(t, w.Body.String())
}

// Of a step that goes on, only what has passed of it counts, at least a minute:
// one request is not six a minute. A step still to come is a gap.
func TestRate(t *testing.T) {
	at := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	for passed, want := range map[time.Duration]string{time.Hour: "3", 5 * time.Minute: "6", 30 * time.Second: "30", time.Millisecond: "30", 0: "NaN", -time.Minute: "NaN"} {
		if got := fmt.Sprint(rate(30, at, 10*time.Minute, at.Add(passed))); got != want {
			t.Errorf("after %s: %s", passed, got)
		}
	}
}
