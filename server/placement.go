package server

import (
	"context"

	"paas/scheduler"
)

// Placement is where an app's instances may be.
func (s *Service) Placement(ctx context.Context, actor Actor, ident string) (scheduler.Placement, error) {
	_, err := s.App(ctx, actor, ident)
	if err != nil {
		return scheduler.Placement{}, err
	}
	return scheduler.Placement{}, errNotYet
}

// SetPlacement says where an app's instances may be. Those that are elsewhere
// are replaced, start-first.
func (s *Service) SetPlacement(ctx context.Context, actor Actor, ident string, _ scheduler.Placement) (scheduler.Placement, error) {
	_, err := s.app(ctx, actor, ident, PermOperate)
	if err != nil {
		return scheduler.Placement{}, err
	}
	return scheduler.Placement{}, errNotYet
}

// Why says of an instance, by name or id, where it is or why it is nowhere.
func (s *Service) Why(ctx context.Context, actor Actor, ident, _ string) (Why, error) {
	_, err := s.App(ctx, actor, ident)
	if err != nil {
		return Why{}, err
	}
	return Why{}, errNotYet
}
