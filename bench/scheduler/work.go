package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"paas/server"
)

// errStuck says that nothing was placed for half a minute.
var errStuck = errors.New("nothing goes on any more")

// place scales all apps up, as many at a time as the window holds, until every
// instance is up.
func (b *bench) place(ctx context.Context, pl *plane, r *result) error {
	list, err := pl.store.Apps(ctx, "")
	if err != nil {
		return err
	}
	before, began := pl.used(), time.Now()
	asked, last, moved := 0, int64(0), time.Now()
	for {
		up := pl.agents.up.Load()
		if up >= int64(r.Instances) {
			break
		}
		if up != last {
			last, moved = up, time.Now()
		}
		if time.Since(moved) > 30*time.Second {
			return fmt.Errorf("%w: %d of %d are up", errStuck, up, r.Instances)
		}
		for asked < len(list) && asked-int(up)/b.each < b.window {
			if err := pl.scale(ctx, list[asked].ID, b.each); err != nil {
				return err
			}
			asked++
		}
		select {
		case <-time.After(2 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	r.placed(pl.agents.samples, began)
	r.CPU = pl.used().since(before)
	r.Refused = pl.agents.errs.Load()
	return nil
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
	r.IdlePass = spreadOf(pl.passes.take())
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
	r.Replaced = spreadOf(took)
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
