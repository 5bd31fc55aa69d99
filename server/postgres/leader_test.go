package postgres_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"paas/scheduler/agent"
	"paas/server"
)

// cut is the way to the database of one process; it can be cut.
type cut struct {
	server.LeaseStore
	off atomic.Bool
}

func (c *cut) RenewLease(ctx context.Context, name, owner string, epoch int64, life time.Duration) error {
	if c.off.Load() {
		<-ctx.Done() // no answer, rather than an error
		return ctx.Err()
	}
	return c.LeaseStore.RenewLease(ctx, name, owner, epoch, life)
}

func (c *cut) TakeLease(ctx context.Context, name, owner string, life time.Duration) (int64, error) {
	if c.off.Load() {
		<-ctx.Done()
		return 0, ctx.Err()
	}
	return c.LeaseStore.TakeLease(ctx, name, owner, life)
}

// candidate is a process that wants to lead.
type candidate struct {
	*server.Leader
	way  *cut
	stop func()
}

func (w *world) candidate(owner string, part func(context.Context) error) *candidate {
	c := &candidate{way: &cut{LeaseStore: w.Store}}
	c.Leader = server.NewLeader(server.LeaderConfig{Owner: owner, Lease: 3 * time.Second, Renew: 150 * time.Millisecond, Margin: time.Second},
		c.way, slog.New(slog.NewTextHandler(io.Discard, nil)))
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = c.Run(ctx, part) })
	c.stop = sync.OnceFunc(func() { cancel(); running.Wait() })
	w.t.Cleanup(c.stop)
	return c
}

// One leads at a time: who is cut off stops before another begins, and what it
// still sends is refused.
func TestOneLeader(t *testing.T) {
	w := newWorld(t, time.Minute)
	var working atomic.Int64
	var most atomic.Int64
	part := func(ctx context.Context) error {
		most.Store(max(most.Load(), working.Add(1)))
		defer working.Add(-1)
		<-ctx.Done()
		return nil
	}
	a := w.candidate("a", part)
	w.until("leader", func() bool { return a.Epoch() != 0 })
	first := a.Epoch()
	b := w.candidate("b", part)
	snap, err := w.Snapshot(w.ctx, w.app.ID)
	w.must(err)
	w.must(w.Commit(w.ctx, w.app.ID, snap.App.Revision, first, nil))

	a.way.off.Store(true)
	began := time.Now()
	w.until("second leader", func() bool { return b.Epoch() != 0 })
	t.Logf("another leads %s after the first was cut off, of a lease of 3s", time.Since(began).Round(time.Millisecond))
	if a.Epoch() != 0 || b.Epoch() <= first {
		t.Errorf("epochs %d and %d after %d", a.Epoch(), b.Epoch(), first)
	}
	snap, err = w.Snapshot(w.ctx, w.app.ID)
	w.must(err)
	if err := w.Commit(w.ctx, w.app.ID, snap.App.Revision, first, nil); !errors.Is(err, server.ErrLost) {
		t.Errorf("the former leader commits: %v", err)
	}
	w.must(w.Commit(w.ctx, w.app.ID, snap.App.Revision, b.Epoch(), nil))

	a.way.off.Store(false)
	began = time.Now()
	b.stop()
	w.until("first again", func() bool { return a.Epoch() != 0 })
	if took := time.Since(began); took > 2900*time.Millisecond {
		t.Errorf("after an orderly end it takes %s", took)
	}
	if a.stop(); most.Load() != 1 || working.Load() != 0 || a.Epoch() != 0 {
		t.Errorf("%d worked at once, %d still do", most.Load(), working.Load())
	}
}

// One that starts anew under its old name need not wait for its own lease.
func TestLeaderStartsAnew(t *testing.T) {
	w := newWorld(t, time.Minute)
	first, err := w.TakeLease(w.ctx, server.LeaderLease, "this machine", time.Hour)
	w.must(err)
	if other, err := w.TakeLease(w.ctx, server.LeaderLease, "another", time.Hour); err != nil || other != 0 {
		t.Errorf("another takes it: %d, %v", other, err)
	}
	again, err := w.TakeLease(w.ctx, server.LeaderLease, "this machine", time.Hour)
	if err != nil || again <= first {
		t.Errorf("taken again: %d after %d, %v", again, first, err)
	}
	if err := w.RenewLease(w.ctx, server.LeaderLease, "this machine", first, time.Hour); !errors.Is(err, server.ErrLost) {
		t.Errorf("the earlier one renews: %v", err)
	}
}

// The database's clock is set an hour on, and who leads goes on leading; an hour
// back, and nobody waits an hour for the end of a dead leader's lease.
func TestLeaseAndClocks(t *testing.T) {
	w := newHouse(t)
	take := func(who string) int64 {
		t.Helper()
		epoch, err := w.TakeLease(w.ctx, server.LeaderLease, who, time.Minute)
		w.must(err)
		return epoch
	}
	first := take("a")
	w.sql(`update leases set until = until - interval '1 h'`)
	w.must(w.RenewLease(w.ctx, server.LeaderLease, "a", first, time.Minute))
	if got := take("b"); got != 0 {
		t.Errorf("another takes what was renewed: %d", got)
	}
	w.sql(`update leases set until = until - interval '1 h'`)
	second := take("b")
	if err := w.RenewLease(w.ctx, server.LeaderLease, "a", first, time.Minute); second <= first || !errors.Is(err, server.ErrLost) {
		t.Errorf("who was overtaken renews: %d after %d, %v", second, first, err)
	}
	w.sql(`update leases set until = until + interval '1 h'`)
	if third := take("a"); third <= second {
		t.Errorf("nobody leads for an hour: %d after %d", third, second)
	}
	w.must(w.DropLease(w.ctx, server.LeaderLease, "a", second+1))
	if err := w.RenewLease(w.ctx, server.LeaderLease, "a", second+1, time.Minute); !errors.Is(err, server.ErrLost) {
		t.Errorf("what was let go of is renewed: %v", err)
	}
}

// What a host tells a former leader is not stored; it tells the next.
func TestReportToAFormerLeader(t *testing.T) {
	w := newWorld(t, time.Minute)
	first, err := w.TakeLease(w.ctx, server.LeaderLease, "a", time.Hour)
	w.must(err)
	report := func(epoch int64) error {
		_, err := w.Report(w.ctx, w.host.ID, epoch, []agent.Status{{ID: uuid.NewString(), State: agent.Up}})
		return err
	}
	w.must(report(first))
	w.must(w.DropLease(w.ctx, server.LeaderLease, "a", first))
	second, err := w.TakeLease(w.ctx, server.LeaderLease, "b", time.Hour)
	w.must(err)
	if err := report(first); !errors.Is(err, server.ErrLost) {
		t.Errorf("it is stored: %v", err)
	}
	w.must(report(second))
	// Many at once, of which one is of the past: only that one is refused.
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			if err := report(second - int64(i%10/9)); (err != nil) != (i%10 == 9) {
				t.Errorf("report %d: %v", i, err)
			}
		})
	}
	all.Wait()
}
