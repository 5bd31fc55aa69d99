package server

import (
	"context"
	"errors"
	"sync"
	"time"
)

// recheck is how long someone who lost the right to see an app may go on
// following its log, at most.
const recheck = 5 * time.Second

// tail follows an app's log for as long as the actor may see it.
func (s *Service) tail(ctx context.Context, actor Actor, q LogQuery, line func(LogLine) error) error {
	ctx, end := context.WithCancelCause(ctx)
	var watcher sync.WaitGroup
	watcher.Go(func() { s.watchAccess(ctx, actor, q.AppID, end) })
	defer watcher.Wait()
	defer end(nil)
	err := s.logs.Read(ctx, q, line)
	var gone *Error
	if cause := context.Cause(ctx); errors.As(cause, &gone) {
		return gone
	}
	return err
}

// watchAccess ends a stream when its app, its account, or the account's right
// to the app is gone.
func (s *Service) watchAccess(ctx context.Context, actor Actor, appID string, end context.CancelCauseFunc) {
	tick := time.NewTicker(recheck)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		now, err := s.actorNow(ctx, actor)
		if err == nil {
			_, err = s.appToRead(ctx, now, appID, PermView)
		}
		if IsID(err, ErrNotFound) || IsID(err, ErrUnauthorized) {
			end(err)
			return
		}
	}
}
