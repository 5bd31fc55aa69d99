package postgres

import (
	"context"
	"errors"
	"time"

	"paas/server"
)

var errNotYet = errors.New("not yet")

// CreateRun is not there yet.
func (s *Store) CreateRun(ctx context.Context, n server.NewRun) (server.Run, error) {
	return server.Run{}, errNotYet
}

// Run is not there yet.
func (s *Store) Run(ctx context.Context, appID, ident string) (server.Run, error) {
	return server.Run{}, errNotYet
}

// Runs is not there yet.
func (s *Store) Runs(ctx context.Context, appID string, f server.RunFilter) ([]server.Run, error) {
	return nil, errNotYet
}

// StopRun is not there yet.
func (s *Store) StopRun(ctx context.Context, appID, id, actor, reason string) error { return errNotYet }

// HoldRun is not there yet.
func (s *Store) HoldRun(ctx context.Context, id string, d time.Duration) error { return errNotYet }

// StopLapsed is not there yet.
func (s *Store) StopLapsed(ctx context.Context) (int, error) { return 0, errNotYet }
