package server

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// LeaderLease is the name of the lease.
const LeaderLease = "leader"

// Defaults of LeaderConfig.
const (
	leaderLease  = 5 * time.Second
	leaderRenew  = 1500 * time.Millisecond
	leaderMargin = time.Second
)

// LeaderConfig says who wants the lease; zero times are the defaults.
type LeaderConfig struct {
	// Owner is this process, or whatever there is one of at a time: one that
	// starts anew under its old name need not wait for the end of its lease.
	Owner  string
	Lease  time.Duration // 5 s, on the database's clock
	Renew  time.Duration // 1.5 s
	Margin time.Duration // the lease is trusted for so much less than it lasts, on the monotonic clock; 1 s
}

// Leader holds a lease as long as it can, and runs what only one process may
// while it does. What a former leader still sends is told by its epoch.
type Leader struct {
	cfg   LeaderConfig
	store LeaseStore
	log   *slog.Logger
	held  atomic.Pointer[tenure]
}

// tenure is a lease as this process holds it.
type tenure struct {
	epoch   int64
	trusted time.Time // until then, on the monotonic clock
}

// NewLeader makes it; Run competes for the lease.
func NewLeader(cfg LeaderConfig, store LeaseStore, log *slog.Logger) *Leader {
	if cfg.Lease == 0 {
		cfg.Lease, cfg.Margin = leaderLease, leaderMargin
	}
	if cfg.Renew == 0 {
		cfg.Renew = leaderRenew
	}
	return &Leader{cfg: cfg, store: store, log: log}
}

// Epoch is of the lease while this process may trust it, else 0. It looks at
// the clock itself: a process that was stopped for a while is asked this before
// any timer of it has fired.
func (l *Leader) Epoch() int64 {
	t := l.held.Load()
	if t == nil || !time.Now().Before(t.trusted) {
		return 0
	}
	return t.epoch
}

// Run runs the parts while this process leads, until ctx ends or a part fails.
// They are told to stop when the lease is lost, and started again when it is
// there again.
func (l *Leader) Run(ctx context.Context, parts ...func(context.Context) error) error {
	told := false
	for ctx.Err() == nil {
		began := time.Now()
		epoch, err := l.take(ctx)
		if err != nil && ctx.Err() == nil && !told {
			l.log.Warn("take the leader's lease; trying on", "err", err)
			told = true
		}
		if epoch == 0 {
			wait(ctx, l.cfg.Renew/3)
			continue
		}
		told = false
		l.log.Info("this control plane leads", "epoch", epoch)
		if err := l.lead(ctx, epoch, began, parts); err != nil {
			return err
		}
	}
	return nil
}

func (l *Leader) take(ctx context.Context) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, l.cfg.Lease-l.cfg.Margin)
	defer cancel()
	return l.store.TakeLease(ctx, LeaderLease, l.cfg.Owner, l.cfg.Lease)
}

// lead runs the parts for one term.
func (l *Leader) lead(ctx context.Context, epoch int64, began time.Time, parts []func(context.Context) error) error {
	term, end := context.WithCancelCause(ctx)
	var work sync.WaitGroup
	trusted := began.Add(l.cfg.Lease - l.cfg.Margin)
	l.held.Store(&tenure{epoch, trusted})
	for _, part := range parts {
		work.Go(func() {
			if err := part(term); err != nil && term.Err() == nil {
				end(err)
			}
		})
	}
	lost := l.hold(term, epoch, trusted)
	l.held.Store(nil)
	failed := context.Cause(term)
	end(nil)
	work.Wait()
	l.drop(ctx, epoch)
	switch {
	case lost != nil:
		l.log.Warn("this control plane leads no more", "epoch", epoch, "err", lost)
		return nil
	case ctx.Err() != nil:
		return nil
	}
	return failed
}

// hold renews the lease until it must not be trusted any more, and says why; nil
// when the term was ended.
func (l *Leader) hold(term context.Context, epoch int64, trusted time.Time) error {
	pause := l.cfg.Renew
	for {
		if !wait(term, min(pause, time.Until(trusted))) {
			return nil
		}
		asked := time.Now()
		err := l.renew(term, epoch, trusted)
		switch {
		case term.Err() != nil:
			return nil
		case err == nil:
			trusted, pause = asked.Add(l.cfg.Lease-l.cfg.Margin), l.cfg.Renew
			l.held.Store(&tenure{epoch, trusted})
		case errors.Is(err, ErrLost) || !time.Now().Before(trusted):
			return err
		default:
			pause = l.cfg.Renew / 6
		}
	}
}

func (l *Leader) renew(term context.Context, epoch int64, until time.Time) error {
	ctx, cancel := context.WithDeadline(term, until)
	defer cancel()
	return l.store.RenewLease(ctx, LeaderLease, l.cfg.Owner, epoch, l.cfg.Lease)
}

// drop lets the next one lead at once.
func (l *Leader) drop(ctx context.Context, epoch int64) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if err := l.store.DropLease(ctx, LeaderLease, l.cfg.Owner, epoch); err != nil {
		l.log.Warn("let go of the leader's lease", "err", err)
	}
}

// wait is a sleep that ctx ends; false then.
func wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
