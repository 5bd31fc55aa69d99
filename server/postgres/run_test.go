package postgres_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"paas/builder"
	"paas/scheduler"
	"paas/scheduler/agent"
	"paas/server"
)

// deployed is a world whose app has a release that serves.
func deployed(t *testing.T) *world {
	w := newWorld(t, time.Minute)
	w.live(w.roll("one", "aaaaaaaa"), "one")
	return w
}

func (w *world) newRun(change ...func(*server.NewRun)) server.NewRun {
	n := server.NewRun{ID: uuid.NewString(), AppID: w.app.ID, Type: server.RunType, Command: "rake db:migrate",
		Argv: []string{"rake", "db:migrate"}, UserID: w.user.ID, Actor: w.user.Email}
	for _, c := range change {
		c(&n)
	}
	return n
}

func (w *world) createRun(change ...func(*server.NewRun)) server.Run {
	w.t.Helper()
	r, err := w.CreateRun(w.ctx, w.newRun(change...))
	w.must(err)
	return r
}

func attached(n *server.NewRun) { n.Attach, n.TTY = true, true }

// placed commits what the planner says until it says nothing more.
func (w *world) placed() {
	w.t.Helper()
	for range 5 {
		snap, err := w.Snapshot(w.ctx, w.app.ID)
		w.must(err)
		plan := scheduler.Plan(snap.State)
		if len(plan.Ops) == 0 {
			return
		}
		w.must(w.Commit(w.ctx, w.app.ID, snap.App.Revision, 0, plan.Ops))
	}
	w.t.Fatal("the plan does not come to rest")
}

func (w *world) say(s agent.Status) string {
	w.t.Helper()
	ts, err := w.Report(w.ctx, w.host.ID, 0, []agent.Status{s})
	w.must(err)
	if len(ts) == 0 {
		return ""
	}
	return ts[0].From + ">" + ts[0].To
}

func (w *world) run(id string) server.Run {
	w.t.Helper()
	r, err := w.Run(w.ctx, w.app.ID, id)
	w.must(err)
	return r
}

func (w *world) instanceOf(id string) *server.Instance {
	w.t.Helper()
	list, err := w.Instances(w.ctx, w.app.ID)
	w.must(err)
	for _, in := range list {
		if in.ID == id {
			return &in
		}
	}
	return nil
}

func TestRunIsWrittenWithItsInstance(t *testing.T) {
	w := deployed(t)
	n := w.newRun(func(n *server.NewRun) { n.Env, n.Size, n.TimeLimit = []byte("sealed"), "Standard-2X", time.Hour })
	r, err := w.CreateRun(w.ctx, n)
	w.must(err)
	if r.Name() != "run.1001" || r.State != server.RunPending || r.Release != 2 || r.User != w.user.Email || r.TimeLimit != time.Hour {
		t.Fatalf("run %+v", r)
	}
	again, err := w.CreateRun(w.ctx, n)
	w.must(err)
	if again.Name() != r.Name() {
		t.Fatalf("asked again: %s and %s", r.Name(), again.Name())
	}
	in := w.instanceOf(r.ID)
	if in == nil || !in.OneOff || in.State != "pending" || in.Command != "rake db:migrate" || in.Size != "Standard-2X" {
		t.Fatalf("instance %+v", in)
	}
	w.placed()
	list, err := w.Assigned(w.ctx, w.host.ID)
	w.must(err)
	var found bool
	for _, p := range list {
		if p.Instance.ID != r.ID {
			if p.Run != nil {
				t.Errorf("%s is taken for a run", p.Instance.Type)
			}
			continue
		}
		found = true
		if p.Run == nil || len(p.Run.Argv) != 2 || p.Run.TimeLimit != time.Hour || string(p.RunEnv) != "sealed" || p.Memory != 1<<30 || p.MilliCPU != 2000 {
			t.Errorf("placed %+v, run %+v", p, p.Run)
		}
	}
	if !found {
		t.Fatalf("not assigned: %+v", list)
	}
	if r = w.run("run.1001"); r.HostID != w.host.ID {
		t.Errorf("host %q", r.HostID)
	}
}

func TestRunReportsFollowTheTable(t *testing.T) {
	type step struct {
		status agent.Status
		want   string // transition
		state  server.RunState
	}
	up := agent.Status{State: agent.Up}
	exited := func(code int) agent.Status {
		return agent.Status{State: agent.Exited, ExitCode: code, Reason: fmt.Sprintf("process exited with status %d", code)}
	}
	stopped := agent.Status{State: agent.Stopped, ExitCode: 143}
	cases := map[string]struct {
		stop  bool // a person stops it before the last two steps
		steps []step
		end   server.Run
	}{
		"succeeds": {steps: []step{{agent.Status{State: agent.Starting}, "assigned>starting", "pending"}, {up, "starting>up", "running"},
			{exited(0), "up>complete", "succeeded"}, {exited(0), "", "succeeded"}, {stopped, "", "succeeded"}, {up, "", "succeeded"}},
			end: server.Run{State: server.RunSucceeded}},
		"fails before it was up": {steps: []step{{agent.Status{State: agent.Starting}, "assigned>starting", "pending"}, {exited(3), "starting>complete", "failed"}, {stopped, "", "failed"}},
			end: server.Run{State: server.RunFailed, ExitCode: 3, Reason: "process exited with status 3"}},
		"cannot start": {steps: []step{{agent.Status{State: agent.Crashed, Reason: "pull image: no route", Platform: true}, "assigned>complete", "failed"}, {stopped, "", "failed"}},
			end: server.Run{State: server.RunFailed, Reason: "pull image: no route"}},
		"never ran": {steps: []step{{agent.Status{State: agent.Exited, Reason: "engine is away", Platform: true}, "assigned>complete", "failed"}},
			end: server.Run{State: server.RunFailed, Reason: "engine is away"}},
		"limit": {steps: []step{{up, "assigned>up", "running"}, {agent.Status{State: agent.Exited, ExitCode: 137, Halted: true, Reason: "ran for 1h"}, "up>complete", "stopped"}},
			end: server.Run{State: server.RunStopped, ExitCode: 137, Reason: "ran for 1h"}},
		"stopped by a person": {stop: true, steps: []step{{up, "assigned>up", "running"}, {up, "", "running"}, {stopped, "stopping>down", "stopped"}},
			end: server.Run{State: server.RunStopped, ExitCode: 143, Reason: "stopped by ann"}},
		"ends while it is stopped": {stop: true, steps: []step{{up, "assigned>up", "running"}, {exited(0), "stopping>complete", "stopped"}, {stopped, "", "stopped"}},
			end: server.Run{State: server.RunStopped, Reason: "stopped by ann"}},
		"stopped by nobody": {steps: []step{{up, "assigned>up", "running"}, {stopped, "up>down", "stopped"}},
			end: server.Run{State: server.RunStopped, ExitCode: 143}},
	}
	w := deployed(t)
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			r := w.createRun()
			w.placed()
			for i, s := range c.steps {
				if c.stop && i == len(c.steps)-2 {
					w.must(w.StopRun(w.ctx, w.app.ID, r.ID, "ann", "stopped by ann"))
					w.must(w.StopRun(w.ctx, w.app.ID, r.ID, "bob", "stopped by bob"))
				}
				s.status.ID = r.ID
				if got := w.say(s.status); got != s.want {
					t.Errorf("step %d: transition %q, want %q", i, got, s.want)
				}
				if now := w.run(r.ID); now.State != s.state {
					t.Errorf("step %d: run is %s, want %s", i, now.State, s.state)
				}
			}
			now := w.run(r.ID)
			if now.State != c.end.State || now.ExitCode != c.end.ExitCode || now.Reason != c.end.Reason || now.EndedAt.IsZero() {
				t.Errorf("ended as %+v, want %+v", now, c.end)
			}
			if c.steps[len(c.steps)-1].status.State == agent.Stopped {
				if in := w.instanceOf(r.ID); in != nil {
					t.Errorf("its instance is still there: %+v", in)
				}
			}
		})
	}
}

// A pending run that is stopped has ended at once: no host has anything of it.
func TestPendingRunIsStoppedAtOnce(t *testing.T) {
	w := deployed(t)
	r := w.createRun()
	w.must(w.StopRun(w.ctx, w.app.ID, r.ID, "ann", "stopped by ann"))
	if r = w.run(r.ID); r.State != server.RunStopped || w.instanceOf(r.ID) != nil {
		t.Fatalf("%+v, instance %+v", r, w.instanceOf(r.ID))
	}
	w.must(w.StopRun(w.ctx, w.app.ID, r.ID, "bob", "again"))
	if err := w.StopRun(w.ctx, w.app.ID, uuid.NewString(), "bob", "x"); !server.IsID(err, server.ErrNotFound) {
		t.Errorf("a run that is none: %v", err)
	}
}

func TestRunsAreFoundByWhatNamesThem(t *testing.T) {
	w := deployed(t)
	r := w.createRun()
	for _, ident := range []string{"", "run", "run.", "run.1002", "web.1001", "release.1001", "run.1001.2", "run.99999999999", "\x00", "run.\x00", uuid.NewString()} {
		if _, err := w.Run(w.ctx, w.app.ID, ident); !server.IsID(err, server.ErrNotFound) {
			t.Errorf("%q: %v", ident, err)
		}
	}
	for n, f := range map[int][]server.RunFilter{
		1: {{}, {Type: "run"}, {ReleaseID: r.ReleaseID}, {Live: true}},
		0: {{Type: "release"}, {Type: "\x00"}, {ReleaseID: "\x00"}, {ReleaseID: uuid.NewString()}, {CronID: "\x00"}},
	} {
		for _, f := range f {
			if list, err := w.Runs(w.ctx, w.app.ID, f); err != nil || len(list) != n {
				t.Errorf("%+v: %d runs, %v; want %d", f, len(list), err, n)
			}
		}
	}
}

// Whatever takes its instance away, nobody waits for a run for ever.
func TestLostRunHasFailed(t *testing.T) {
	w := deployed(t)
	r := w.createRun()
	conn, err := pgx.Connect(w.ctx, w.dsn)
	w.must(err)
	defer conn.Close(context.Background())
	_, err = conn.Exec(w.ctx, `delete from instances where id = $1`, r.ID)
	w.must(err)
	if r = w.run(r.ID); r.State != server.RunFailed || !strings.Contains(r.Reason, "lost") {
		t.Fatalf("%+v", r)
	}
}

func TestRunGoesWithItsApp(t *testing.T) {
	w := deployed(t)
	r := w.createRun()
	w.placed()
	w.must(w.AppendRunOutput(w.ctx, r.ID, time.Now(), []byte("x\n")))
	w.must(w.DeleteApp(w.ctx, w.app.ID, "ann"))
	if _, err := w.Run(w.ctx, w.app.ID, r.ID); !server.IsID(err, server.ErrNotFound) {
		t.Fatalf("after its app: %v", err)
	}
	if _, err := w.CreateRun(w.ctx, w.newRun()); !server.IsID(err, server.ErrNotFound) {
		t.Fatalf("a run of no app: %v", err)
	}
	w.must(w.AppendRunOutput(w.ctx, r.ID, time.Now(), []byte("too late\n")))
}

// Of many who begin the release command of a release, one does.
func TestOneReleaseCommandARelease(t *testing.T) {
	w := deployed(t)
	app, err := w.App(w.ctx, w.app.ID)
	w.must(err)
	for _, typ := range []string{server.ReleaseType, server.PostdeployType} {
		var mu sync.Mutex
		made, stale := 0, 0
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				_, err := w.CreateRun(w.ctx, w.newRun(func(n *server.NewRun) { n.Type, n.ReleaseID = typ, app.Current }))
				mu.Lock()
				defer mu.Unlock()
				switch {
				case err == nil:
					made++
				case errors.Is(err, server.ErrStale):
					stale++
				default:
					t.Error(err)
				}
			})
		}
		all.Wait()
		if made != 1 || stale != 7 {
			t.Errorf("%s: %d made, %d refused", typ, made, stale)
		}
	}
	list, err := w.Runs(w.ctx, w.app.ID, server.RunFilter{Live: true})
	w.must(err)
	if len(list) != 2 || list[0].Ordinal == list[1].Ordinal {
		t.Errorf("runs %+v", list)
	}
}

func TestRunsAreBounded(t *testing.T) {
	w := deployed(t)
	for range server.MaxRuns {
		w.createRun()
	}
	if _, err := w.CreateRun(w.ctx, w.newRun()); !server.IsID(err, server.ErrConflict) {
		t.Fatalf("one more: %v", err)
	}
	w.createRun(func(n *server.NewRun) { n.Type = server.ReleaseType }) // the platform's own has room
	list, err := w.Runs(w.ctx, w.app.ID, server.RunFilter{Type: server.RunType, Max: 3})
	w.must(err)
	if len(list) != 3 || list[0].Ordinal != 1000+server.MaxRuns {
		t.Errorf("newest first: %+v", list)
	}
	w.must(w.StopRun(w.ctx, w.app.ID, list[0].ID, "ann", "x"))
	w.createRun()
}

func TestLapsedClientEndsItsRun(t *testing.T) {
	w := deployed(t)
	gone, there, detached := w.createRun(attached), w.createRun(attached), w.createRun()
	w.placed()
	for _, r := range []server.Run{gone, there, detached} {
		w.say(agent.Status{ID: r.ID, State: agent.Up})
	}
	conn, err := pgx.Connect(w.ctx, w.dsn)
	w.must(err)
	defer conn.Close(context.Background())
	_, err = conn.Exec(w.ctx, `update runs set held_until = now() - interval '1 second' where attach`)
	w.must(err)
	w.must(w.HoldRun(w.ctx, there.ID, time.Minute))
	w.must(w.HoldRun(w.ctx, detached.ID, time.Minute)) // nothing to hold
	for want := 1; want >= 0; want-- {
		if n, err := w.StopLapsed(w.ctx); err != nil || n != want {
			t.Fatalf("%d stopped (%v), want %d", n, err, want)
		}
	}
	for id, want := range map[string]string{gone.ID: "stopping", there.ID: "up", detached.ID: "up"} {
		if in := w.instanceOf(id); in == nil || in.State != want {
			t.Errorf("instance %+v, want %s", in, want)
		}
	}
	if r := w.run(gone.ID); !strings.Contains(r.Reason, "client") {
		t.Errorf("reason %q", r.Reason)
	}
}

func TestRunOutputIsKeptFromItsEnd(t *testing.T) {
	w := deployed(t)
	r := w.createRun()
	if text, at, err := w.RunOutput(w.ctx, r.ID); err != nil || len(text) != 0 || !at.IsZero() {
		t.Fatalf("before: %q %s %v", text, at, err)
	}
	line := bytes.Repeat([]byte("x"), 63)
	began := time.Now()
	for n := range 70 { // 70 × 32 KB
		w.must(w.AppendRunOutput(w.ctx, r.ID, began.Add(time.Duration(n)*time.Second), bytes.Repeat(append(line, '\n'), 512)))
	}
	text, at, err := w.RunOutput(w.ctx, r.ID)
	w.must(err)
	first, rest, _ := bytes.Cut(text, []byte("\n"))
	if !strings.Contains(string(first), "longer than 1 MB") || len(rest) > server.MaxRunOutput || len(rest) < server.MaxRunOutput-100 || !bytes.HasPrefix(rest, line) {
		t.Errorf("%d bytes, first line %q, then %.80q", len(rest), first, rest)
	}
	if !at.Equal(began.Add(69 * time.Second)) {
		t.Errorf("last line at %s", at)
	}
}

// A release with a command to run first stays in releasing; asked again it is
// the same release; ended, its command is ended with it.
func TestReleaseCommandComesFirst(t *testing.T) {
	w := deployed(t)
	w.push("bbbbbbbb")
	d := w.claim("one")
	w.must(w.Built(w.ctx, *d, "one", server.Image{Digest: "sha256:b", Arch: "amd64"}, builder.Manifest{}))
	withCommand := func(ctx context.Context, dr server.Draft) (server.Content, error) {
		c, err := draft(ctx, dr)
		c.Processes["release"] = server.Process{Command: []string{"migrate"}}
		return c, err
	}
	first, err := w.WriteRelease(w.ctx, *d, "one", withCommand)
	w.must(err)
	if first.State != server.DeployReleasing || first.Version != 3 {
		t.Fatalf("%+v", first)
	}
	again, err := w.WriteRelease(w.ctx, first, "one", withCommand)
	w.must(err)
	if again.ReleaseID != first.ReleaseID {
		t.Fatalf("a second release: %+v", again)
	}
	snap, err := w.Snapshot(w.ctx, w.app.ID)
	w.must(err)
	if snap.State.Rolling || snap.Target.Version != 2 {
		t.Fatalf("it rolls before its command has run: %+v", snap.Target)
	}
	if snap.Next.Version != 3 || snap.Next.Image.Digest != "sha256:b" || len(snap.NextIs) != 1 || snap.NextIs[0].Type != "web" {
		t.Errorf("what comes next: %+v, %+v", snap.Next, snap.NextIs)
	}
	r := w.createRun(func(n *server.NewRun) { n.Type, n.ReleaseID = server.ReleaseType, first.ReleaseID })
	if _, err := w.Roll(w.ctx, first, "another", time.Minute); !errors.Is(err, server.ErrLost) {
		t.Fatalf("another's deploy rolled: %v", err)
	}
	rolling, err := w.Roll(w.ctx, first, "one", time.Minute)
	w.must(err)
	if rolling, err = w.Roll(w.ctx, rolling, "one", time.Minute); err != nil || rolling.State != server.DeployRolling {
		t.Fatalf("%+v %v", rolling, err)
	}
	_, err = w.Finish(w.ctx, rolling, "one", server.Outcome{State: server.DeployFailed, Stage: server.DeployRolling, Reason: "boom"})
	w.must(err)
	if r = w.run(r.ID); r.State != server.RunStopped {
		t.Errorf("the command of an ended deploy is %s", r.State)
	}
	snap, err = w.Snapshot(w.ctx, w.app.ID)
	w.must(err)
	if snap.Next.ID != "" || len(snap.NextIs) != 0 {
		t.Errorf("nothing comes next: %+v", snap.Next)
	}
}

func TestStopInstance(t *testing.T) {
	w := deployed(t)
	id := w.start()
	w.report(id, agent.Up)
	w.must(w.StopInstance(w.ctx, w.app.ID, id, "ann"))
	if in := w.instanceOf(id); in.State != "draining" {
		t.Fatalf("a web instance that serves is %s, want draining", in.State)
	}
	w.placed()
	list, err := w.Instances(w.ctx, w.app.ID)
	w.must(err)
	if len(list) != 2 {
		t.Fatalf("no other in its place: %+v", list)
	}
	other := list[1].ID
	if other == id {
		other = list[0].ID
	}
	w.must(w.StopInstance(w.ctx, w.app.ID, other, "ann"))
	if in := w.instanceOf(other); in.State != "stopping" {
		t.Errorf("one on its way up is %s, want stopping", in.State)
	}
	r := w.createRun()
	if err := w.StopInstance(w.ctx, w.app.ID, r.ID, "ann"); !server.IsID(err, server.ErrNotFound) {
		t.Errorf("a one-off stopped as an instance: %v", err)
	}
}
