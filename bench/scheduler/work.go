package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"paas/bench/report"
	"paas/server"
)

// errStuck says that nothing was placed for half a minute.
var errStuck = errors.New("nothing goes on any more")

// askers are how many scale apps up at the same time.
const askers = 8

// place scales all apps up, as many at a time as the window holds, until every
// instance is up.
func (b *bench) place(ctx context.Context, pl *plane, r *result) error {
	list, err := pl.store.Apps(ctx, "")
	if err != nil {
		return err
	}
	before, began := pl.used(), time.Now()
	var asked atomic.Int64
	ask, end := context.WithCancelCause(ctx)
	defer end(nil)
	var asking sync.WaitGroup
	for range askers {
		asking.Go(func() {
			if err := b.ask(ask, pl, list, &asked); err != nil {
				end(err)
			}
		})
	}
	err = b.watch(ask, pl, r, before)
	asking.Wait()
	if err := errors.Join(err, context.Cause(ask)); err != nil {
		return err
	}
	r.placed(pl.agents.samples, began)
	r.CPU = pl.used().since(before)
	r.Refused = pl.agents.errs.Load()
	return nil
}

// ask scales apps up, as many at a time as the window holds.
func (b *bench) ask(ctx context.Context, pl *plane, list []server.App, asked *atomic.Int64) error {
	for {
		n := int(asked.Add(1)) - 1
		if n >= len(list) {
			return nil
		}
		for n-int(pl.agents.up.Load())/b.each >= b.window {
			if err := settle(ctx, 2*time.Millisecond); err != nil {
				return err
			}
		}
		if err := pl.scale(ctx, list[n].ID, b.each); err != nil {
			return err
		}
	}
}

// watch waits until all are up, and notes what CPU time each tenth took.
func (b *bench) watch(ctx context.Context, pl *plane, r *result, before usage) error {
	last, moved := int64(0), time.Now()
	for {
		up := pl.agents.up.Load()
		if n := len(r.TenthsCPU) + 1; up >= int64(r.Instances)*int64(n)/10 {
			now := pl.used()
			r.TenthsCPU, before = append(r.TenthsCPU, now.since(before).ours()), now
		}
		if up >= int64(r.Instances) {
			return nil
		}
		if up != last {
			last, moved = up, time.Now()
		}
		if time.Since(moved) > 30*time.Second {
			return fmt.Errorf("%w: %d of %d are up", errStuck, up, r.Instances)
		}
		if err := settle(ctx, 2*time.Millisecond); err != nil {
			return err
		}
	}
}

func (pl *plane) scale(ctx context.Context, app string, n int) error {
	return pl.store.SetFormation(ctx, app, "bench", []server.Formation{{AppID: app, Type: "web", Quantity: n, Size: "Standard-1X"}})
}

// idle watches the passes over nothing to do.
func (b *bench) idle(ctx context.Context, pl *plane, r *result) error {
	if err := settle(ctx, 5*time.Second); err != nil { // the last of the placing
		return err
	}
	pl.passes.take()
	before := pl.used()
	if err := settle(ctx, b.rest); err != nil {
		return err
	}
	r.IdleCPU = pl.used().since(before)
	r.IdleSeconds = b.rest.Seconds()
	r.IdlePass = report.SpreadOf(pl.passes.take())
	return nil
}

func settle(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// lose takes hosts away and measures from the word that one is lost, which is
// what the fleet says after its lease, until all it had is up elsewhere.
func (b *bench) lose(ctx context.Context, pl *plane, r *result) error {
	var took []time.Duration
	for range b.losses {
		host, n, err := pl.fullest(ctx)
		if err != nil {
			return err
		}
		pl.agents.kill(host)
		if err := settle(ctx, hostLease+time.Second); err != nil {
			return err
		}
		d, err := pl.loseOne(ctx, host, n)
		if err != nil {
			return err
		}
		took, r.LostEach = append(took, d), append(r.LostEach, n)
	}
	r.Replaced = report.SpreadOf(took)
	return nil
}

func (pl *plane) loseOne(ctx context.Context, host string, n int) (time.Duration, error) {
	done := make(chan struct{})
	left := n
	pl.agents.mu.Lock()
	pl.agents.came = func(_ string, k int) {
		if left -= k; left == 0 {
			close(done)
		}
	}
	pl.agents.mu.Unlock()
	began := time.Now()
	names, err := pl.store.LoseHosts(ctx, []string{host}, hostLease, pl.leader.Epoch())
	if err != nil || len(names) != 1 {
		return 0, fmt.Errorf("host %s is not lost: %v, %w", host, names, err)
	}
	select {
	case <-done:
		return time.Since(began), nil
	case <-time.After(time.Minute):
		return 0, fmt.Errorf("%w: the loss of a host with %d instances", errStuck, n)
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// fullest is the living host with the most instances.
func (pl *plane) fullest(ctx context.Context) (id string, n int, err error) {
	rows, err := pl.store.HostRows(ctx, "")
	if err != nil {
		return "", 0, err
	}
	rows = slices.DeleteFunc(rows, func(h server.HostRow) bool { return pl.agents.isDead(h.ID) })
	h := slices.MaxFunc(rows, func(a, b server.HostRow) int { return len(a.Dynos) - len(b.Dynos) })
	return h.ID, len(h.Dynos), nil
}
