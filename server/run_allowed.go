package server

import (
	"context"
	"errors"
	"sync"
	"time"
)

// recheckEvery is how soon a lost permission is seen though its notice was lost.
const recheckEvery = 5 * time.Second

// WhileAllowed is a context for something that lasts: it ends within seconds
// when the actor may no longer do with the app what needs that permission, or
// the app is gone. context.Cause is then the *Error to tell. The function
// must be called; it returns when nothing of it runs any more.
func (s *Service) WhileAllowed(ctx context.Context, actor Actor, app string, need Permission) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	a, err := s.stillAllowed(ctx, actor, app, need)
	if err != nil {
		cancel(err)
		return ctx, func() { cancel(nil) }
	}
	wake, stop := s.bell.Listen(AppTopic(a.ID))
	var watcher sync.WaitGroup
	watcher.Go(func() { s.recheck(ctx, actor, a.ID, need, wake, cancel) })
	return ctx, func() { cancel(nil); watcher.Wait(); stop() }
}

func (s *Service) recheck(ctx context.Context, actor Actor, appID string, need Permission, wake <-chan string, end context.CancelCauseFunc) {
	tick := time.NewTicker(recheckEvery)
	defer tick.Stop()
	for {
		select {
		case <-wake:
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		_, err := s.stillAllowed(ctx, actor, appID, need)
		var told *Error
		if errors.As(err, &told) && !told.Transient {
			end(endedFor(told))
			return
		}
	}
}

// endedFor is what to tell somebody whose session it ends: they have seen the
// app, so it is no secret that it was there.
func endedFor(told *Error) *Error {
	if told.ID != ErrNotFound {
		return told
	}
	return &Error{ID: ErrNotFound, Message: "The app is gone, or you have no access to it any more. What you had open was ended.", Next: told.Next}
}

// stillAllowed asks as at the beginning, with what account and token are now.
func (s *Service) stillAllowed(ctx context.Context, actor Actor, app string, need Permission) (App, error) {
	actor, err := s.actorNow(ctx, actor)
	if err != nil {
		return App{}, err
	}
	if need == PermView {
		return s.appToRead(ctx, actor, app, need)
	}
	return s.app(ctx, actor, app, need)
}

// allowedError is what to tell of an error under a context of WhileAllowed:
// why that ended, if it is for a lost permission.
func allowedError(ctx context.Context, err error) error {
	var told *Error
	if err != nil && errors.As(context.Cause(ctx), &told) {
		return told
	}
	return err
}
