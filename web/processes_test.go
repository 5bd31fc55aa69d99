package web

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"paas/scheduler"
	"paas/scheduler/agent"
	"paas/server"
)

// running is a platform with an app that runs.
type running struct {
	*fake
	did     []string
	refuse  error
	place   scheduler.Placement
	session func(ctx context.Context, ident string, o server.OpenRequest, streams agent.IO) (agent.SessionEnd, error)
}

func (f *running) Placement(context.Context, server.Actor, string) (scheduler.Placement, error) {
	return f.place, nil
}

func (f *running) SetPlacement(_ context.Context, _ server.Actor, _ string, p server.PlacementChange) (scheduler.Placement, error) {
	return p.Placement, f.did1("place %v %q %v", p.Constraints, p.Spread, p.Unique)
}

func newRunning() *running { return &running{fake: newFake("shop")} }

func (f *running) did1(format string, args ...any) error {
	f.did = append(f.did, fmt.Sprintf(format, args...))
	return f.refuse
}

func (f *running) Formation(context.Context, server.Actor, string) ([]server.Formation, error) {
	return []server.Formation{{Type: "web", Quantity: 2, Size: "Standard-1X", Command: "node <script>alert(1)</script>"}, {Type: "worker", Quantity: 1, Size: "Standard-2X", Command: "work"}}, nil
}

func (f *running) Scale(_ context.Context, _ server.Actor, _ string, changes []server.Scaling) ([]server.Formation, error) {
	for _, c := range changes {
		_ = f.did1("scale %s %d %s", c.Type, *c.Quantity, *c.Size)
	}
	return nil, f.refuse
}

func (f *running) Instances(context.Context, server.Actor, string) ([]server.Instance, error) {
	return []server.Instance{{ID: "i1", Type: "web", Ordinal: 1, State: "up", Release: 3, Size: "Standard-1X", UpdatedAt: time.Now()},
		{ID: "i2", Type: "web", Ordinal: 2, State: "crashed", Reason: "exited <b>1</b>", Crashes: 3, Release: 3, UpdatedAt: time.Now()},
		{ID: "i3", Type: "run", Ordinal: 1001, State: "up", OneOff: true, Command: "bash", Release: 3, UpdatedAt: time.Now()}}, nil
}

func (f *running) Restart(_ context.Context, _ server.Actor, _, ident string) error {
	return f.did1("restart %q", ident)
}

func (f *running) StopDyno(_ context.Context, _ server.Actor, _, ident string) error {
	return f.did1("stop %q", ident)
}

func (f *running) Runs(context.Context, server.Actor, string, server.RunFilter) ([]server.Run, error) {
	return []server.Run{{Type: "run", Ordinal: 1000, Command: "rake <i>", State: server.RunFailed, ExitCode: 42, User: "ann@example.com", CreatedAt: time.Now(), StartedAt: time.Now().Add(-3 * time.Second), EndedAt: time.Now()}}, nil
}

func (f *running) StartRun(_ context.Context, _ server.Actor, _ string, r server.RunRequest) (server.Run, error) {
	return server.Run{ID: "run-id", Type: "run", Ordinal: 1002, Command: r.Command}, f.did1("run %s %s %v %v", r.Command, r.Size, r.Attach, r.TTY)
}

func (f *running) Open(ctx context.Context, _ server.Actor, app, ident string, o server.OpenRequest, streams agent.IO) (agent.SessionEnd, error) {
	return f.session(ctx, app+"/"+ident, o, streams)
}

func (f *running) Crons(context.Context, server.Actor, string) ([]server.Cron, error) {
	return []server.Cron{{ID: "0123456789abcdef", Command: "rake <u>nightly</u>", Schedule: "0 3 * * *", Timezone: "UTC", NextAt: time.Now()},
		{ID: "fedcba9876543210", Command: "rake weekly", Schedule: "@weekly", Suspended: true}}, nil
}

func (f *running) SuspendCron(_ context.Context, _ server.Actor, _, id string, suspended bool) (server.Cron, error) {
	return server.Cron{Command: "rake"}, f.did1("suspend %s %v", id, suspended)
}

func (f *running) RunCron(_ context.Context, _ server.Actor, _, id string) (server.Run, error) {
	return server.Run{Type: "scheduler", Ordinal: 7}, f.did1("cron %s", id)
}

func (f *running) CronHistory(_ context.Context, _ server.Actor, _, id string, _ int) ([]server.Run, error) {
	return []server.Run{{Type: "scheduler", Ordinal: 6, Command: "history of " + id, State: server.RunSucceeded, CreatedAt: time.Now()}}, nil
}

func TestProcessesPage(t *testing.T) {
	f := newRunning()
	body := newBrowser(t, f).page("/apps/shop/processes", "web.1", "1/2", "2.0 GB", "1.0 GB", "crashed", "3 crashes", "exited &lt;b&gt;", "run.1000", ">42<", "3.0 s",
		"paas ps:scale web=2:Standard-1X worker=1:Standard-2X -a shop", "paas ps:restart -a shop", `href="/apps/shop/terminal?dyno=web.1"`, `type="range"`)
	if strings.Contains(body, "<script>alert") || strings.Contains(body, "rake <i>") || strings.Contains(body, "dyno=web.2") {
		t.Error(body)
	}
	f.may = []server.Permission{server.PermView}
	body = newBrowser(t, f).page("/apps/shop/processes", "web.1")
	for _, absent := range []string{"<button name", "Restart", "Stop", "Terminal", "Apply", "processes/run"} {
		if strings.Contains(body, absent) {
			t.Errorf("who may only look is offered %q", absent)
		}
	}
}

func TestScaleByThePage(t *testing.T) {
	f := newRunning()
	b := newBrowser(t, f)
	form := []string{"type", "web", "had.web", "2:Standard-1X", "quantity.web", "3", "size.web", "Standard-1X",
		"type", "worker", "had.worker", "1:Standard-2X", "quantity.worker", "1", "size.worker", "Standard-2X"}
	if w := b.post("/apps/shop/processes/scale", form...); w.Code != http.StatusSeeOther || strings.Join(f.did, ";") != "scale web 3 Standard-1X" {
		t.Fatalf("%d %v", w.Code, f.did)
	}
	for _, n := range []string{"", "x", "1.5", "<b>"} {
		form[5] = n
		if w := b.post("/apps/shop/processes/scale", form...); w.Code != http.StatusUnprocessableEntity || len(f.did) != 1 {
			t.Errorf("%q: %d %v", n, w.Code, f.did)
		}
	}
	form[5], f.refuse = "101", server.Errorf(server.ErrInvalid, "A process type runs 0 to 100 instances, not 101. Nothing was changed.")
	if w := b.post("/apps/shop/processes/scale", form...); w.Code != http.StatusUnprocessableEntity || !strings.Contains(w.Body.String(), "0 to 100") {
		t.Errorf("%d", w.Code)
	}
}

func TestProcessActions(t *testing.T) {
	f := newRunning()
	b := newBrowser(t, f)
	for _, c := range []struct {
		path  string
		pairs []string
		did   string
	}{
		{"processes/restart", nil, `restart ""`}, {"processes/restart", []string{"dyno", "web.1"}, `restart "web.1"`},
		{"processes/stop", []string{"dyno", "run.1001"}, `stop "run.1001"`},
		{"processes/run", []string{"command", "rake db", "size", "Standard-2X"}, "run rake db Standard-2X false false"},
		{"crons/0123456789abcdef/suspend", nil, "suspend 0123456789abcdef true"}, {"crons/0123456789abcdef/resume", nil, "suspend 0123456789abcdef false"},
		{"crons/0123456789abcdef/run", nil, "cron 0123456789abcdef"},
	} {
		f.did = nil
		if w := b.post("/apps/shop/"+c.path, c.pairs...); w.Code != http.StatusSeeOther || strings.Join(f.did, ";") != c.did {
			t.Errorf("%s %v: %d %v", c.path, c.pairs, w.Code, f.did)
		}
		f.did = nil
		if w := b.get("/apps/shop/" + c.path); w.Code != http.StatusNotFound || len(f.did) != 0 {
			t.Errorf("GET %s: %d %v", c.path, w.Code, f.did)
		}
	}
	if w := b.post("/apps/shop/processes/stop"); w.Code != http.StatusUnprocessableEntity {
		t.Errorf("stop of nothing: %d", w.Code)
	}
}

func TestCronsPage(t *testing.T) {
	f := newRunning()
	b := newBrowser(t, f)
	body := b.page("/apps/shop/crons", "0 3 * * *", "suspended", "paas cron:run 01234567 -a shop", "paas cron:resume fedcba98 -a shop", "Run now")
	if strings.Contains(body, "<u>") {
		t.Error("a command is not inert")
	}
	b.page("/apps/shop/crons?cron=fedcba9876543210", "history of fedcba9876543210")
	f.may = []server.Permission{server.PermView}
	if body := b.page("/apps/shop/crons"); strings.Contains(body, "Run now") {
		t.Error("who may only look is offered to run it")
	}
}

func TestPlacement(t *testing.T) {
	f := newRunning()
	b := newBrowser(t, f)
	b.page("/apps/shop/processes", `On any <a href="/hosts">host</a>.`, "paas constraints -a shop", "paas constraints:set zone=a disk!=slow -a shop")
	f.place = scheduler.Placement{Constraints: []scheduler.Constraint{{Label: "zone", Value: "a"}, {Label: "disk", Value: hostile, Not: true}}, Spread: "rack", Unique: true}
	inert(t, b.page("/apps/shop/processes", "<code>zone=a</code>, <code>disk!=", "spread over <code>rack</code>; no two of a type on one host.", `name="unique" value="yes" checked`, " --spread rack --unique -a shop"))
	b.posts("/apps/shop/processes/placement", "constraints", " zone=b  disk!=slow", "spread", "rack")
	b.posts("/apps/shop/processes/placement", "unique", "yes")
	if got := fmt.Sprintf("%q", f.did); got != `["place [zone=b disk!=slow] \"rack\" false" "place [] \"\" true"]` {
		t.Error(got)
	}
	for _, bad := range []string{"zone", "=a", "!=a", "zone="} {
		if w := b.post("/apps/shop/processes/placement", "constraints", bad); w.Code != http.StatusUnprocessableEntity || !strings.Contains(w.Body.String(), "is no constraint") || len(f.did) != 2 {
			t.Errorf("%s: %d %q", bad, w.Code, f.did)
		}
	}
	f.refuse = errWrong
	b.refused("/apps/shop/processes/placement", `value="zone=&lt;b&gt;"`, "constraints", "zone=<b>")
	f.may = []server.Permission{server.PermView}
	if body := b.page("/apps/shop/processes"); strings.Contains(body, "processes/placement") {
		t.Error("the form is for who may operate")
	}
}
