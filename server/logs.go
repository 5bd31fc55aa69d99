package server

import (
	"context"
	"errors"
)

// tail follows an app's log for as long as the actor may see it.
func (s *Service) tail(ctx context.Context, actor Actor, q LogQuery, line func(LogLine) error) error {
	ctx, done := s.WhileAllowed(ctx, actor, q.AppID, PermView)
	defer done()
	err := s.logs.Read(ctx, q, line)
	if gone := new(Error); errors.As(context.Cause(ctx), &gone) {
		return gone // whatever reading made of it
	}
	return err
}
