package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"paas/builder"
	"paas/server"
)

// release makes a release with crons current, as a push does.
func (w *world) release(commit string, specs ...builder.CronSpec) {
	w.t.Helper()
	w.push(commit)
	d := w.claim("one")
	w.must(w.Built(w.ctx, *d, "one", server.Image{Digest: "sha256:" + commit, Cmd: []string{"run"}}, builder.Manifest{}))
	r, err := w.WriteRelease(w.ctx, *d, "one", func(ctx context.Context, d server.Draft) (server.Content, error) {
		c, err := draft(ctx, d)
		c.Crons = specs
		return c, err
	})
	w.must(err)
	w.live(r, "one")
}

func (w *world) crons() []server.Cron {
	w.t.Helper()
	list, err := w.Crons(w.ctx, w.app.ID)
	w.must(err)
	return list
}

func (w *world) cronRuns(id string) []server.Run {
	w.t.Helper()
	list, err := w.Runs(w.ctx, w.app.ID, server.RunFilter{CronID: id})
	w.must(err)
	return list
}

func spec(command, schedule string) builder.CronSpec {
	return builder.CronSpec{Command: command, Schedule: schedule}
}

func TestCronsFollowTheRelease(t *testing.T) {
	w := newWorld(t, time.Minute)
	w.release("aaaaaaaa", spec("a", "0 3 * * *"), spec("b", "*/5 * * * *"))
	first := w.crons()
	if len(first) != 2 || first[0].Command != "a" || first[0].Timezone != "UTC" || first[0].Policy != server.CronAllow || !first[0].NextAt.After(time.Now()) {
		t.Fatalf("%+v", first)
	}
	w.must(w.SuspendCron(w.ctx, w.app.ID, first[0].ID, "ann", true, first[0].NextAt))
	w.must(w.SuspendCron(w.ctx, w.app.ID, first[1].ID, "ann", true, first[1].NextAt))
	if got := w.kinds(2); got != "cron.suspended b; cron.suspended a" {
		t.Errorf("events %q", got)
	}
	next, err := w.NextCrons(w.ctx, 10)
	w.must(err)
	if len(next) != 0 {
		t.Errorf("suspended ones are due: %+v", next)
	}
	// a stays, b goes, c comes.
	w.release("bbbbbbbb", builder.CronSpec{Command: "a", Schedule: "0 3 * * *", Timezone: "UTC", Policy: "forbid"}, spec("c", "0 0 30 2 *"))
	list := w.crons()
	if len(list) != 2 || list[0].ID != first[0].ID || !list[0].Suspended || list[0].Policy != server.CronForbid || list[1].Command != "c" || !list[1].NextAt.Equal(server.Never()) {
		t.Fatalf("%+v", list)
	}
	// b comes back, by a rollback: the same, suspended as it was.
	target, err := w.Release(w.ctx, w.app.ID, "v2")
	w.must(err)
	d, err := w.CreateDeploy(w.ctx, server.Deploy{ID: uuid.NewString(), AppID: w.app.ID, Kind: server.KindRollback, UserID: w.user.ID, Source: target.ID}, nil)
	w.must(err)
	claimed := w.claim("one")
	if claimed.ID != d.ID {
		t.Fatalf("claimed %+v", claimed)
	}
	r, err := w.WriteRelease(w.ctx, *claimed, "one", func(_ context.Context, d server.Draft) (server.Content, error) {
		return server.Content{Description: "Rollback", Image: d.Source.Image, Processes: d.Source.Processes, Crons: d.Source.Crons, Config: []byte("{}"), Deadline: time.Minute}, nil
	})
	w.must(err)
	w.live(r, "one")
	list = w.crons()
	if len(list) != 2 || list[1].ID != first[1].ID || !list[1].Suspended {
		t.Fatalf("after the rollback: %+v", list)
	}
	w.release("cccccccc")
	if list = w.crons(); len(list) != 0 {
		t.Fatalf("after a release without: %+v", list)
	}
}

func firing(c server.Cron, at time.Time) server.Firing {
	return server.Firing{Cron: c, Next: c.NextAt.Add(time.Minute), Run: &server.NewRun{ID: uuid.NewString(), AppID: c.AppID, Type: server.SchedulerType,
		Command: c.Command, Argv: []string{c.Command}, Actor: "paas", CronID: c.ID, Tick: at}}
}

// Of many servers that try one tick, one makes its run.
func TestRaceForATick(t *testing.T) {
	w := newWorld(t, time.Minute)
	w.release("aaaaaaaa", spec("tidy", "* * * * *"))
	for round := range 10 {
		c := w.crons()[0]
		var won atomic.Int32
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				run, err := w.Fire(w.ctx, firing(c, c.NextAt))
				switch {
				case err == nil && run != nil:
					won.Add(1)
				case !errors.Is(err, server.ErrStale):
					t.Errorf("%+v %v", run, err)
				}
			})
		}
		all.Wait()
		if runs := w.cronRuns(c.ID); won.Load() != 1 || len(runs) != round+1 {
			t.Fatalf("round %d: %d won, %d runs", round, won.Load(), len(runs))
		}
	}
	// Not even a clock that was set back runs a tick twice.
	c := w.crons()[0]
	conn, err := pgx.Connect(w.ctx, w.dsn)
	w.must(err)
	defer conn.Close(context.Background())
	old := c
	old.NextAt = c.NextAt.Add(-time.Minute)
	_, err = conn.Exec(w.ctx, `update crons set next_at = $2 where id = $1`, c.ID, old.NextAt)
	w.must(err)
	if run, err := w.Fire(w.ctx, firing(old, old.NextAt)); !errors.Is(err, server.ErrStale) {
		t.Fatalf("a tick ran twice: %+v %v", run, err)
	}
	_, err = conn.Exec(w.ctx, `update crons set next_at = $2, suspended = true where id = $1`, c.ID, c.NextAt)
	w.must(err)
	if run, err := w.Fire(w.ctx, firing(c, c.NextAt)); !errors.Is(err, server.ErrStale) {
		t.Fatalf("a suspended one ran: %+v %v", run, err)
	}
	byHand := firing(c, time.Time{})
	byHand.Next = time.Time{}
	if run, err := w.Fire(w.ctx, byHand); err != nil || run == nil || !run.Tick.IsZero() {
		t.Fatalf("by hand, though suspended: %+v %v", run, err)
	}
	if got := w.crons()[0]; !got.NextAt.Equal(c.NextAt) || got.Last == nil || got.Last.ID != byHand.Run.ID {
		t.Fatalf("a run by hand moved the clock, or is not the last: %+v", got)
	}
}

func TestCronPolicies(t *testing.T) {
	w := newWorld(t, time.Minute)
	policies := map[string]builder.CronSpec{}
	for _, p := range []string{"allow", "forbid", "replace"} {
		s := spec(p, "* * * * *")
		s.Policy = p
		policies[p] = s
	}
	w.release("aaaaaaaa", policies["allow"], policies["forbid"], policies["replace"])
	for _, c := range w.crons() {
		first, err := w.Fire(w.ctx, firing(c, c.NextAt))
		w.must(err)
		c.NextAt = c.NextAt.Add(time.Minute)
		second, err := w.Fire(w.ctx, firing(c, c.NextAt))
		w.must(err)
		states := []server.RunState{}
		for _, r := range w.cronRuns(c.ID) {
			states = append(states, r.State)
		}
		var want []server.RunState // newest first
		switch c.Policy {
		case server.CronAllow:
			want = []server.RunState{server.RunPending, server.RunPending}
		case server.CronForbid:
			want = []server.RunState{server.RunPending}
			if second != nil || !strings.Contains(w.kinds(1), "cron.skipped forbid was not run: "+first.Name()+" still runs") {
				t.Errorf("forbid: %+v, %s", second, w.kinds(1))
			}
		case server.CronReplace:
			want = []server.RunState{server.RunPending, server.RunStopped}
		}
		if !slices.Equal(states, want) {
			t.Errorf("%s: %v, want %v", c.Policy, states, want)
		}
	}
}

// handClock is a clock that a test sets.
type handClock struct{ now atomic.Int64 }

func (c *handClock) get() time.Time  { return time.UnixMilli(c.now.Load()).UTC() }
func (c *handClock) set(t time.Time) { c.now.Store(t.UnixMilli()) }

// Three servers on one database: every tick runs exactly once, though one of
// them ends in between and another takes its place.
func TestThreeSchedulers(t *testing.T) {
	w := newWorld(t, time.Minute)
	w.release("aaaaaaaa", spec("a", "* * * * *"), spec("b", "*/2 * * * *"))
	list := w.crons()
	start := list[0].NextAt.Truncate(2 * time.Minute).Add(2 * time.Minute)
	clock := &handClock{}
	clock.set(start.Add(-2 * time.Minute))
	bell := server.NewBell()
	var running sync.WaitGroup
	begin := func() context.CancelFunc {
		ctx, cancel := context.WithCancel(w.ctx)
		s := server.NewScheduler(server.SchedulerConfig{Size: "Standard-1X", Tick: time.Millisecond, Late: 5 * time.Minute, Now: clock.get}, w.Store, bell, slog.New(slog.DiscardHandler))
		running.Go(func() { _ = s.Run(ctx) })
		return cancel
	}
	stops := []context.CancelFunc{begin(), begin(), begin()}
	defer func() {
		for _, stop := range stops {
			stop()
		}
		running.Wait()
	}()
	const minutes = 30
	for i := range minutes {
		at := start.Add(time.Duration(i) * time.Minute)
		clock.set(at)
		w.until(fmt.Sprintf("tick %d", i), func() bool {
			next, err := w.NextCrons(w.ctx, 10)
			w.must(err)
			return next[0].NextAt.After(at)
		})
		if i == 10 {
			stops[0]()
		}
		if i == 20 {
			stops[0] = begin()
		}
		w.endRuns()
	}
	for _, c := range list {
		step := time.Minute
		if c.Command == "b" {
			step = 2 * time.Minute
		}
		seen := map[int64]int{}
		for _, r := range w.cronRuns(c.ID) {
			seen[r.Tick.Unix()]++
		}
		for at := start; at.Before(start.Add(minutes * time.Minute)); at = at.Add(step) {
			if n := seen[at.Unix()]; n != 1 {
				t.Errorf("%s at %s ran %d times", c.Command, at, n)
			}
		}
	}
}

// endRuns has the app's one-offs end, so that there is room for the next.
func (w *world) endRuns() {
	w.t.Helper()
	list, err := w.Runs(w.ctx, w.app.ID, server.RunFilter{Live: true})
	w.must(err)
	for _, r := range list {
		w.must(w.StopRun(w.ctx, w.app.ID, r.ID, "paas", "the test goes on"))
	}
}

func (w *world) until(what string, ok func() bool) {
	w.t.Helper()
	for deadline := time.Now().Add(60 * time.Second); !ok(); {
		if time.Now().After(deadline) {
			w.t.Fatalf("no %s", what)
		}
	}
}

// A server that was away runs the last tick if it is fresh, and notes what it
// left out; one whose run is refused does not keep others waiting.
func TestSchedulerAfterAbsence(t *testing.T) {
	w := newWorld(t, time.Minute)
	w.release("aaaaaaaa", spec("often", "* * * * *"), spec("rare", "0 * * * *"))
	list := w.crons()
	clock := &handClock{}
	clock.set(list[1].NextAt.Add(90*time.Minute + time.Second)) // half past
	ctx, cancel := context.WithCancel(w.ctx)
	var running sync.WaitGroup
	s := server.NewScheduler(server.SchedulerConfig{Tick: time.Millisecond, Late: 5 * time.Minute, Now: clock.get}, w.Store, server.NewBell(), slog.New(slog.DiscardHandler))
	running.Go(func() { _ = s.Run(ctx) })
	defer func() { cancel(); running.Wait() }()
	w.until("ticks behind the clock", func() bool {
		next, err := w.NextCrons(w.ctx, 1)
		w.must(err)
		return next[0].NextAt.After(clock.get())
	})
	if runs := w.cronRuns(list[0].ID); len(runs) != 1 || !runs[0].Tick.Equal(clock.get().Truncate(time.Minute)) {
		t.Errorf("often: %+v", runs)
	}
	if runs := w.cronRuns(list[1].ID); len(runs) != 0 {
		t.Errorf("rare: %+v", runs)
	}
	if got := w.kinds(10); !strings.Contains(got, "cron.skipped rare was not run from ") || !strings.Contains(got, "cron.skipped often was not run from ") {
		t.Errorf("events %s", got)
	}
}
