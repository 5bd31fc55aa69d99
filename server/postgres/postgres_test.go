package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"paas/builder"
	"paas/scheduler"
	"paas/scheduler/agent"
	"paas/server"
	"paas/server/child"
	"paas/server/postgres"
)

// The tests run against a real private Postgres: one cluster for the package,
// a schema of its own for each test.
var (
	clusterDSN string
	schemas    atomic.Int64
)

func TestMain(m *testing.M) { os.Exit(withPostgres(m)) }

func withPostgres(m *testing.M) int {
	dir, err := os.MkdirTemp("", "paas-pg-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o711); err != nil {
		panic(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	pg, err := child.NewPostgres(ctx, child.PostgresConfig{DataDir: filepath.Join(dir, "pg")}, log)
	if err != nil {
		panic(err)
	}
	done := make(chan error, 1)
	go func() { done <- pg.Run(ctx) }()
	defer func() { cancel(); <-done }()
	if err := pg.WaitReady(ctx); err != nil {
		panic(err)
	}
	clusterDSN = pg.DSN()
	return m.Run()
}

func exec(ctx context.Context, sql string) {
	conn, err := pgx.Connect(ctx, clusterDSN)
	if err != nil {
		panic(err)
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, sql); err != nil {
		panic(fmt.Sprint(sql, ": ", err))
	}
}

type world struct {
	*postgres.Store
	t    *testing.T
	ctx  context.Context
	user server.Account
	app  server.App
	host scheduler.Host
	dsn  string
}

// newWorld is a store with an account, an app and a host.
func newWorld(t *testing.T, lease time.Duration) *world {
	t.Helper()
	ctx := t.Context()
	name := fmt.Sprintf("test_%d", schemas.Add(1))
	exec(ctx, "create schema "+name)
	w := &world{t: t, ctx: ctx, dsn: clusterDSN + "&search_path=" + name}
	var err error
	w.Store, err = postgres.Open(ctx, postgres.Config{DSN: w.dsn, Sizes: server.DefaultSizes(), Lease: lease})
	w.must(err)
	t.Cleanup(w.Close)
	w.user, err = w.EnsureAccount(ctx, "ann@example.com", true)
	w.must(err)
	w.app = w.newApp("web-shop")
	w.host, err = w.EnsureHost(ctx, scheduler.Host{Name: "host-1", Arch: "amd64", MilliCPU: 8000, Memory: 8 << 30})
	w.must(err)
	return w
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) newApp(name string) server.App {
	w.t.Helper()
	a, err := w.CreateApp(w.ctx, server.NewApp{ID: uuid.NewString(), Name: name, OwnerID: w.user.ID, Actor: w.user.Email,
		DataKey: []byte("key"), ReleaseID: uuid.NewString(), Config: []byte("{}"), MaxSlots: 4})
	w.must(err)
	return a
}

func (w *world) push(commit string) server.Deploy {
	w.t.Helper()
	d, err := w.CreateDeploy(w.ctx, server.Deploy{ID: uuid.NewString(), AppID: w.app.ID, Kind: server.KindPush, UserID: w.user.ID,
		Ref: "refs/heads/main", Old: "0", Commit: commit, Description: "Deploy " + commit}, nil)
	w.must(err)
	return d
}

func (w *world) config() server.Deploy {
	w.t.Helper()
	d, err := w.CreateDeploy(w.ctx, server.Deploy{ID: uuid.NewString(), AppID: w.app.ID, Kind: server.KindConfig, UserID: w.user.ID,
		Description: "Set A"}, []byte("patch"))
	w.must(err)
	return d
}

func (w *world) claim(owner string) *server.Deploy {
	w.t.Helper()
	d, err := w.Claim(w.ctx, owner, server.Work{Builds: true, Releases: true})
	w.must(err)
	return d
}

func draft(_ context.Context, d server.Draft) (server.Content, error) {
	c := server.Content{Description: d.Deploy.Description, Commit: d.Deploy.Commit, BuildID: d.Build.ID, Image: d.Build.Image,
		Processes: map[string]server.Process{"web": {}}, Config: []byte("{}"), Deadline: time.Minute}
	if d.Deploy.Kind == server.KindConfig {
		c.Image, c.Processes = d.Current.Image, d.Current.Processes
	}
	return c, nil
}

// roll takes a push to rolling as owner.
func (w *world) roll(owner, commit string) server.Deploy {
	w.t.Helper()
	w.push(commit)
	d := w.claim(owner)
	w.must(w.Built(w.ctx, *d, owner, server.Image{Digest: "sha256:" + commit, Cmd: []string{"run"}, Arch: "amd64"}, builder.Manifest{}))
	r, err := w.WriteRelease(w.ctx, *d, owner, draft)
	w.must(err)
	return r
}

func (w *world) live(d server.Deploy, owner string) server.Deploy {
	w.t.Helper()
	d, err := w.Finish(w.ctx, d, owner, server.Outcome{State: server.DeployLive, Moved: true})
	w.must(err)
	return d
}

func TestPushToLive(t *testing.T) {
	w := newWorld(t, time.Minute)
	d := w.live(w.roll("one", "aaaaaaaa"), "one")
	if d.State != server.DeployLive || d.Version != 2 || !d.RefMoved {
		t.Fatalf("deploy %+v", d)
	}
	rs, err := w.Releases(w.ctx, w.app.ID, server.Page{Desc: true})
	w.must(err)
	if len(rs) != 2 || !rs[0].Current || rs[0].Status != server.ReleaseSucceeded || rs[1].Current {
		t.Fatalf("releases %+v", rs)
	}
	f, err := w.Formation(w.ctx, w.app.ID)
	w.must(err)
	if len(f) != 1 || f[0].Type != "web" || f[0].Quantity != 1 {
		t.Fatalf("formation %+v", f)
	}
}

func TestNewerPushSupersedesQueuedOnly(t *testing.T) {
	w := newWorld(t, time.Minute)
	first := w.push("aaaaaaaa")
	if d := w.claim("one"); d.ID != first.ID || d.State != server.DeployBuilding {
		t.Fatalf("claimed %+v", d)
	}
	second, third := w.push("bbbbbbbb"), w.push("cccccccc")
	for id, want := range map[string]server.DeployState{first.ID: server.DeployBuilding, second.ID: server.DeploySuperseded, third.ID: server.DeployQueued} {
		d, err := w.Deploy(w.ctx, w.app.ID, id)
		w.must(err)
		if d.State != want {
			t.Errorf("deploy of %s is %s, want %s", d.Commit, d.State, want)
		}
	}
	if d := w.claim("one"); d != nil {
		t.Errorf("a second build of the app was claimed: %+v", d)
	}
}

func TestOneRolloutAtATime(t *testing.T) {
	w := newWorld(t, time.Minute)
	rolling := w.roll("one", "aaaaaaaa")
	w.config()
	if d := w.claim("one"); d != nil {
		t.Fatalf("config change claimed while a release rolls: %+v", d)
	}
	w.push("bbbbbbbb")
	b := w.claim("one")
	w.must(w.Built(w.ctx, *b, "one", server.Image{Digest: "sha256:b"}, builder.Manifest{}))
	if _, err := w.WriteRelease(w.ctx, *b, "one", draft); !errors.Is(err, server.ErrBusy) {
		t.Fatalf("second rollout: %v, want ErrBusy", err)
	}
	// Live, but its branch has not followed: the slot is still taken.
	if _, err := w.Finish(w.ctx, rolling, "one", server.Outcome{State: server.DeployLive}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.WriteRelease(w.ctx, *b, "one", draft); !errors.Is(err, server.ErrBusy) {
		t.Fatalf("rollout before the branch followed: %v, want ErrBusy", err)
	}
	w.live(rolling, "one")
	if d := w.claim("one"); d == nil || d.Kind != server.KindConfig {
		t.Fatalf("config change not claimed after live: %+v", d)
	}
}

func TestLeaseFencesOldWorker(t *testing.T) {
	w := newWorld(t, 100*time.Millisecond)
	w.push("aaaaaaaa")
	d := w.claim("old")
	var again *server.Deploy
	for deadline := time.Now().Add(60 * time.Second); again == nil && time.Now().Before(deadline); {
		again = w.claim("new")
	}
	if again == nil || again.ID != d.ID || again.Attempts != 2 {
		t.Fatalf("after the lease: %+v", again)
	}
	if err := w.Built(w.ctx, *d, "old", server.Image{Digest: "sha256:x"}, builder.Manifest{}); !errors.Is(err, server.ErrLost) {
		t.Fatalf("the old worker wrote: %v", err)
	}
	w.must(w.Abandon(w.ctx, "new"))
	if third := w.claim("third"); third == nil || third.Attempts != 2 {
		t.Fatalf("abandoned deploy not taken up at once: %+v", third)
	}
}

func TestReleasesAreImmutable(t *testing.T) {
	w := newWorld(t, time.Minute)
	w.live(w.roll("one", "aaaaaaaa"), "one")
	conn, err := pgx.Connect(w.ctx, w.dsn)
	w.must(err)
	defer conn.Close(context.Background())
	for _, sql := range []string{`update releases set config = 'x'`, `update releases set image = '{}'`,
		`update releases set version = version + 7`, `update releases set status = 'failed'`} {
		if _, err := conn.Exec(w.ctx, sql); err == nil {
			t.Errorf("%s was allowed", sql)
		}
	}
	if _, err := conn.Exec(w.ctx, `update deploys set state = 'queued'`); err == nil {
		t.Error("a live deploy went back to queued")
	}
}

func TestFailedDeployKeepsCurrent(t *testing.T) {
	w := newWorld(t, time.Minute)
	w.live(w.roll("one", "aaaaaaaa"), "one")
	before, err := w.App(w.ctx, "web-shop")
	w.must(err)
	d := w.roll("one", "bbbbbbbb")
	d, err = w.Finish(w.ctx, d, "one", server.Outcome{State: server.DeployFailed, Stage: server.DeployRolling, Reason: "boom"})
	w.must(err)
	after, err := w.App(w.ctx, "web-shop")
	w.must(err)
	if after.Current != before.Current {
		t.Fatal("a failed deploy changed the current release")
	}
	r, err := w.Release(w.ctx, w.app.ID, "v3")
	w.must(err)
	if r.Status != server.ReleaseFailed || r.Reason != "boom" || d.Stage != server.DeployRolling {
		t.Fatalf("release %+v deploy %+v", r, d)
	}
	if next := w.roll("one", "cccccccc"); next.Version != 4 {
		t.Fatalf("version %d after failed v3, want 4", next.Version)
	}
}

func TestPlanIsCommittedOnlyAgainstItsRevision(t *testing.T) {
	w := newWorld(t, time.Minute)
	w.roll("one", "aaaaaaaa")
	snap, err := w.Snapshot(w.ctx, w.app.ID)
	w.must(err)
	plan := scheduler.Plan(snap.State)
	if len(plan.Ops) != 1 || plan.Ops[0].Kind != scheduler.OpStart {
		t.Fatalf("plan %+v", plan.Ops)
	}
	w.must(w.Commit(w.ctx, w.app.ID, snap.App.Revision, 0, plan.Ops))
	if err := w.Commit(w.ctx, w.app.ID, snap.App.Revision, 0, plan.Ops); !errors.Is(err, server.ErrStale) {
		t.Fatalf("the same plan again: %v, want ErrStale", err)
	}
	list, err := w.Instances(w.ctx, w.app.ID)
	w.must(err)
	if len(list) != 1 || list[0].State != "assigned" || list[0].HostID != w.host.ID {
		t.Fatalf("instances %+v", list)
	}
}

// start brings the app's one instance to assigned and gives its id.
func (w *world) start() string {
	w.t.Helper()
	snap, err := w.Snapshot(w.ctx, w.app.ID)
	w.must(err)
	w.must(w.Commit(w.ctx, w.app.ID, snap.App.Revision, 0, scheduler.Plan(snap.State).Ops))
	list, err := w.Instances(w.ctx, w.app.ID)
	w.must(err)
	return list[len(list)-1].ID
}

func (w *world) report(id string, s agent.State) []server.Transition {
	w.t.Helper()
	ts, err := w.Report(w.ctx, w.host.ID, 0, []agent.Status{{ID: id, State: s, Addr: "10.0.0.2:8080", Reason: "because", ExitCode: 3}})
	w.must(err)
	return ts
}

func TestReportsFollowTheTable(t *testing.T) {
	w := newWorld(t, time.Minute)
	w.roll("one", "aaaaaaaa")
	id := w.start()
	steps := []struct {
		state agent.State
		want  string // state after, "" for no change
	}{{agent.Starting, "starting"}, {agent.Up, "up"}, {agent.Starting, ""}, {agent.Up, ""}, {agent.Crashed, "crashed"}, {agent.Up, ""}, {agent.Stopped, ""}}
	for i, s := range steps {
		ts := w.report(id, s.state)
		got := ""
		if len(ts) == 1 {
			got = ts[0].To
		}
		if got != s.want {
			t.Errorf("step %d, report %s: state %q, want %q", i, s.state, got, s.want)
		}
	}
	if ts := w.report(uuid.NewString(), agent.Up); len(ts) != 0 {
		t.Errorf("a report of an unknown instance changed %+v", ts)
	}
	if ts, err := w.Report(w.ctx, uuid.NewString(), 0, []agent.Status{{ID: id, State: agent.Crashed}}); err != nil || len(ts) != 0 {
		t.Errorf("another host's report changed %+v (%v)", ts, err)
	}
}

func TestStoppedInstanceIsForgotten(t *testing.T) {
	w := newWorld(t, time.Minute)
	w.roll("one", "aaaaaaaa")
	id := w.start()
	w.report(id, agent.Up)
	snap, err := w.Snapshot(w.ctx, w.app.ID)
	w.must(err)
	w.must(w.Commit(w.ctx, w.app.ID, snap.App.Revision, 0, []scheduler.Op{{Kind: scheduler.OpDrain, Instance: id}}))
	snap, err = w.Snapshot(w.ctx, w.app.ID)
	w.must(err)
	w.must(w.Commit(w.ctx, w.app.ID, snap.App.Revision, 0, []scheduler.Op{{Kind: scheduler.OpStop, Instance: id}}))
	if ts := w.report(id, agent.Stopped); len(ts) != 1 || ts[0].To != "down" {
		t.Fatalf("transitions %+v", ts)
	}
	list, err := w.Instances(w.ctx, w.app.ID)
	w.must(err)
	if len(list) != 0 {
		t.Fatalf("still there: %+v", list)
	}
}

func TestAppsOfOneNameAndSlots(t *testing.T) {
	w := newWorld(t, time.Minute)
	if _, err := w.CreateApp(w.ctx, server.NewApp{ID: uuid.NewString(), Name: "web-shop", OwnerID: w.user.ID, DataKey: []byte("k"),
		ReleaseID: uuid.NewString(), Config: []byte("{}"), MaxSlots: 4}); !server.IsID(err, server.ErrInvalid) {
		t.Fatalf("a second app of the name: %v", err)
	}
	taken := map[int]bool{w.app.Slot: true}
	third := w.newApp("b")
	for _, a := range []server.App{third, w.newApp("c"), w.newApp("d")} {
		if taken[a.Slot] || a.Slot < 0 || a.Slot > 3 {
			t.Fatalf("slot %d of 0 to 3, taken %v", a.Slot, taken)
		}
		taken[a.Slot] = true
	}
	if _, err := w.CreateApp(w.ctx, server.NewApp{ID: uuid.NewString(), Name: "full", OwnerID: w.user.ID, DataKey: []byte("k"),
		ReleaseID: uuid.NewString(), Config: []byte("{}"), MaxSlots: 4}); !server.IsID(err, server.ErrUnavailable) {
		t.Fatalf("a fifth app in a pool of four: %v", err)
	}
	w.must(w.DeleteApp(w.ctx, third.ID, "ann"))
	if again := w.newApp("e"); again.Slot != third.Slot {
		t.Fatalf("slot %d, want the freed %d", again.Slot, third.Slot)
	}
	if _, err := w.App(w.ctx, third.ID); !server.IsID(err, server.ErrNotFound) {
		t.Fatalf("deleted app: %v", err)
	}
}

// The slot of a destroyed app rests while there are others: its network lives
// until its last container has ended.
func TestFreedSlotRests(t *testing.T) {
	w := newWorld(t, time.Minute)
	gone := w.newApp("b")
	w.must(w.DeleteApp(w.ctx, gone.ID, "ann"))
	if next := w.newApp("b"); next.Slot == gone.Slot {
		t.Fatalf("slot %d was given out again at once", next.Slot)
	}
}

func TestDeleteAppWithEverything(t *testing.T) {
	w := newWorld(t, time.Minute)
	w.live(w.roll("one", "aaaaaaaa"), "one")
	w.start()
	w.roll("one", "bbbbbbbb")
	w.must(w.DeleteApp(w.ctx, w.app.ID, "ann@example.com"))
	placed, err := w.Assigned(w.ctx, w.host.ID)
	w.must(err)
	if len(placed) != 0 {
		t.Fatalf("still assigned: %+v", placed)
	}
}

func TestListenTellsCommittedChanges(t *testing.T) {
	w := newWorld(t, time.Minute)
	got := make(chan string, 100)
	ctx, cancel := context.WithCancel(w.ctx)
	done := make(chan struct{})
	go func() { defer close(done); _ = w.Listen(ctx, func(s string) { got <- s }) }()
	defer func() { cancel(); <-done }()
	if first := <-got; first != server.NoticeAll {
		t.Fatalf("first notice %q", first)
	}
	w.push("aaaaaaaa")
	select {
	case topic := <-got:
		if topic != server.NoticeQueue {
			t.Fatalf("notice %q", topic)
		}
	case <-time.After(60 * time.Second):
		t.Fatal("no notice")
	}
}

func TestStoreOfANewerSchemaIsRefused(t *testing.T) {
	w := newWorld(t, time.Minute)
	conn, err := pgx.Connect(w.ctx, w.dsn)
	w.must(err)
	defer conn.Close(context.Background())
	if _, err := conn.Exec(w.ctx, `update schema_version set version = 99`); err != nil {
		t.Fatal(err)
	}
	if s, err := postgres.Open(w.ctx, postgres.Config{DSN: w.dsn, Sizes: server.DefaultSizes(), Lease: time.Minute}); err == nil {
		s.Close()
		t.Fatal("an older binary opened a newer database")
	}
}

// Without a free build slot pushes stay queued; what needs no build goes on.
func TestBuildSlotsBoundPushesOnly(t *testing.T) {
	w := newWorld(t, time.Minute)
	p := w.push("aaaaaaaa")
	if d, err := w.Claim(w.ctx, "one", server.Work{Releases: true}); err != nil || d != nil {
		t.Fatalf("claimed %+v, %v without a slot", d, err)
	}
	w.config()
	if d, err := w.Claim(w.ctx, "one", server.Work{Releases: true}); err != nil || d == nil || d.Kind != server.KindConfig || d.State != server.DeployReleasing {
		t.Fatalf("claimed %+v, %v; want the config change", d, err)
	}
	if d := w.claim("one"); d == nil || d.ID != p.ID {
		t.Fatalf("claimed %+v with a slot", d)
	}
}

func TestDatabaseAwayIsNamed(t *testing.T) {
	w := newWorld(t, time.Minute)
	w.Close()
	s, err := postgres.Open(w.ctx, postgres.Config{DSN: w.dsn, Sizes: server.DefaultSizes(), Lease: time.Minute})
	w.must(err)
	defer s.Close()
	conn, err := pgx.Connect(w.ctx, w.dsn)
	w.must(err)
	defer conn.Close(context.Background())
	// Cut every connection of the store, as a restart of Postgres does.
	_, err = conn.Exec(w.ctx, `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'paas' and pid <> pg_backend_pid()`)
	w.must(err)
	for range 20 {
		if _, err := s.Apps(w.ctx, ""); err != nil && !server.IsID(err, server.ErrUnavailable) {
			t.Fatalf("not told as unavailable: %v", err)
		}
	}
	if _, err := s.Apps(w.ctx, ""); err != nil {
		t.Fatalf("not reconnected: %v", err)
	}
}

func TestKeptImagesAreTheNewestAndWhatRuns(t *testing.T) {
	w := newWorld(t, time.Minute)
	for n := range 13 {
		w.live(w.roll("one", fmt.Sprintf("%08d", n)), "one")
	}
	kept, err := w.KeptImages(w.ctx)
	w.must(err)
	got := map[string]bool{}
	for _, k := range kept {
		if k.AppID != w.app.ID {
			t.Errorf("app %s", k.AppID)
		}
		got[k.Digest] = true
	}
	if len(got) != 10 || !got["sha256:00000012"] || !got["sha256:00000003"] || got["sha256:00000002"] {
		t.Errorf("kept %v", got)
	}
}
