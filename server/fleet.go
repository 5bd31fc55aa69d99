package server

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"paas/scheduler/agent"
)

// Fleet is the hosts as the control plane hears of them.
type Fleet struct {
	cfg   FleetConfig
	store FleetStore
	bell  *Bell
	log   *slog.Logger

	mu    sync.Mutex
	beats map[string]heard // by host, until they are written
}

// heard is the newest beat of a host.
type heard struct {
	at     time.Time // here, on the monotonic clock
	engine bool
}

// NewFleet makes it; from then on the beats that control takes go there.
func NewFleet(cfg FleetConfig, store FleetStore, control *Control, bell *Bell, log *slog.Logger) *Fleet {
	f := &Fleet{cfg: cfg, store: store, bell: bell, log: log, beats: map[string]heard{}}
	control.beatTo(f)
	return f
}

var errNotYet = Errorf(ErrUnavailable, "This is not there yet.")

// Join makes a host of a machine.
func (f *Fleet) Join(_ context.Context, _ Join) (hostID, name string, err error) {
	return "", "", errNotYet
}

// Announce notes what an agent says of its machine when it starts: capacity,
// address and versions.
func (f *Fleet) Announce(_ context.Context, _ string, _ Join) error { return errNotYet }

// HostByKey finds the host whose agent has that key (the SHA-256 of its public
// half); one that was removed is ErrNotFound.
func (f *Fleet) HostByKey(_ context.Context, _ []byte) (hostID string, err error) {
	return "", errNotYet
}

// RenewKey replaces the key of a host's agent.
func (f *Fleet) RenewKey(_ context.Context, _ string, _, _ []byte) error { return errNotYet }

// Beat notes that a host was heard of.
func (f *Fleet) Beat(hostID string, b agent.Beat) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.beats[hostID] = heard{at: time.Now(), engine: b.Engine}
}

// Run writes beats and declares hosts lost until ctx ends.
func (f *Fleet) Run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}
