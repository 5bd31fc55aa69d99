package postgres_test

import (
	"context"
	"reflect"
	"testing"
	"time"

	"paas/builder"
	"paas/scheduler"
	"paas/scheduler/agent"
	"paas/server"
)

// TestProcessTypes: the manifest is kept with the build; types that are new
// get the quantity of app.json, else web one and the others none; release is
// no type that is kept running.
func TestProcessTypes(t *testing.T) {
	w := newWorld(t, time.Minute)
	w.push("aaaaaaaa")
	d := w.claim("one")
	m := builder.Manifest{Processes: map[string]string{"web": "x", "worker": "y", "release": "z"},
		Formation: map[string]builder.FormationSpec{"worker": {Quantity: new(2), Size: "Standard-2X"}},
		Crons:     []builder.CronSpec{{Command: "c", Schedule: "@daily", Timezone: "UTC", Policy: "forbid"}}}
	w.must(w.Built(w.ctx, *d, "one", server.Image{Digest: "sha256:a", Arch: "amd64"}, m))
	d2, err := w.WriteRelease(w.ctx, *d, "one", func(_ context.Context, dr server.Draft) (server.Content, error) {
		if !reflect.DeepEqual(dr.Build.Manifest, m) {
			t.Errorf("manifest %+v", dr.Build.Manifest)
		}
		c := server.Content{Image: dr.Build.Image, BuildID: dr.Build.ID, Config: []byte("{}"), Deadline: time.Minute, Processes: map[string]server.Process{}}
		for typ, line := range dr.Build.Manifest.Processes {
			c.Processes[typ] = server.Process{Command: []string{line}, Line: line, Health: builder.HealthSpec{Path: "/up"}}
		}
		c.Crons, c.Formation = dr.Build.Manifest.Crons, dr.Build.Manifest.Formation
		return c, nil
	})
	w.must(err)
	f, err := w.Formation(w.ctx, w.app.ID)
	w.must(err)
	if len(f) != 2 || f[0].Type != "web" || f[0].Quantity != 1 || f[1].Type != "worker" || f[1].Quantity != 2 || f[1].Size != "Standard-2X" {
		t.Errorf("formation %+v", f)
	}
	w.live(d2, "one")
	snap, err := w.Snapshot(w.ctx, w.app.ID)
	w.must(err)
	if len(snap.State.Wants) != 2 || snap.State.Wants[1].Memory != 1<<30 || snap.Target.Processes["web"].Health.Path != "/up" || len(snap.Target.Crons) != 1 {
		t.Errorf("snapshot %+v", snap)
	}
}

// run brings one web instance to a state of its agent's.
func (w *world) running(states ...agent.State) string {
	w.t.Helper()
	w.live(w.roll("one", "aaaaaaaa"), "one")
	snap, err := w.Snapshot(w.ctx, w.app.ID)
	w.must(err)
	w.must(w.Commit(w.ctx, w.app.ID, snap.App.Revision, 0, scheduler.Plan(snap.State).Ops))
	list, err := w.Instances(w.ctx, w.app.ID)
	w.must(err)
	for _, s := range states {
		_, err = w.Report(w.ctx, w.host.ID, 0, []agent.Status{{ID: list[0].ID, State: s, Addr: "10.0.0.2:80"}})
		w.must(err)
	}
	return list[0].ID
}

// TestStopIsTold: the log hears of a stop when it begins and when it is done.
func TestStopIsTold(t *testing.T) {
	w := newWorld(t, time.Minute)
	id := w.running(agent.Starting, agent.Up)
	report := func(s agent.Status) []server.Transition {
		s.ID = id
		changes, err := w.Report(w.ctx, w.host.ID, 0, []agent.Status{s})
		w.must(err)
		return changes
	}
	if got := report(agent.Status{State: agent.Stopping, Notes: "too early"}); len(got) != 0 {
		t.Errorf("nobody stopped it: %+v", got)
	}
	snap, err := w.Snapshot(w.ctx, w.app.ID)
	w.must(err)
	w.must(w.Commit(w.ctx, w.app.ID, snap.App.Revision, 0, []scheduler.Op{{Kind: scheduler.OpStop, Instance: id}}))
	for _, step := range []struct {
		status agent.Status
		to     string
	}{
		{agent.Status{State: agent.Stopping, Notes: "begins"}, "stopping"},
		{agent.Status{State: agent.Stopped, Notes: "is done", ExitCode: 137}, "down"},
	} {
		got := report(step.status)
		if len(got) != 1 || got[0].To != step.to || got[0].Notes != step.status.Notes {
			t.Errorf("%+v", got)
		}
	}
}

// TestRestartForgivesCrashes: what a person restarts starts at once, whatever
// its back-off, and counts from nothing again.
func TestRestartForgivesCrashes(t *testing.T) {
	w := newWorld(t, time.Minute)
	id := w.running(agent.Starting, agent.Crashed)
	plan := func() []scheduler.Op {
		snap, err := w.Snapshot(w.ctx, w.app.ID)
		w.must(err)
		ops := scheduler.Plan(snap.State).Ops
		w.must(w.Commit(w.ctx, w.app.ID, snap.App.Revision, 0, ops))
		return ops
	}
	for n := 1; n <= 2; n++ { // the first restart comes at once, then there is a pause
		ops := plan()
		if n == 1 && (len(ops) != 1 || ops[0].Replaces != id || ops[0].Crashes != 1) {
			t.Fatalf("%+v", ops)
		}
		if n == 2 && len(ops) != 0 {
			t.Fatalf("no pause after the second crash: %+v", ops)
		}
		list, err := w.Instances(w.ctx, w.app.ID)
		w.must(err)
		id = list[0].ID
		_, err = w.Report(w.ctx, w.host.ID, 0, []agent.Status{{ID: id, State: agent.Starting}, {ID: id, State: agent.Crashed, Reason: "x"}})
		w.must(err)
	}
	n, err := w.Replace(w.ctx, w.app.ID, "web", w.user.Email)
	if err != nil || n != 1 {
		t.Fatal(n, err)
	}
	var started *scheduler.Op
	for range 3 {
		for _, op := range plan() {
			if op.Kind == scheduler.OpStart {
				started = &op
			}
		}
	}
	if started == nil || started.Crashes != 0 {
		t.Errorf("%+v", started)
	}
}
