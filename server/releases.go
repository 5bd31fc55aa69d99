package server

import (
	"context"
	"fmt"
	"io"
	"time"
)

// awaitRelease returns when the deploy has a release or has ended.
func (s *Service) awaitRelease(ctx context.Context, d Deploy) (Deploy, error) {
	return s.await(ctx, d, func(d Deploy) bool { return d.ReleaseID != "" || d.State.Final() })
}

func (s *Service) await(ctx context.Context, d Deploy, until func(Deploy) bool) (Deploy, error) {
	wake, stop := s.bell.Listen(DeployTopic(d.ID))
	defer stop()
	for {
		var now Deploy
		err := Patiently(ctx, patience, func() (err error) { now, err = s.store.Deploy(ctx, d.AppID, d.ID); return err })
		if err != nil {
			return d, err
		}
		if until(now) {
			return now, nil
		}
		select {
		case <-wake:
		case <-time.After(2 * time.Second): // notices may be lost with a connection
		case <-ctx.Done():
			return now, ctx.Err()
		}
	}
}

// Releases lists an app's releases.
func (s *Service) Releases(ctx context.Context, actor Actor, app string, p Page) ([]Release, error) {
	a, err := s.App(ctx, actor, app)
	if err != nil {
		return nil, err
	}
	return s.store.Releases(ctx, a.ID, p)
}

// Release finds by id or version ("12" or "v12"); "current" is the one that serves.
func (s *Service) Release(ctx context.Context, actor Actor, app, ident string) (Release, error) {
	a, err := s.App(ctx, actor, app)
	if err != nil {
		return Release{}, err
	}
	if ident == "current" {
		ident = a.Current
	}
	return s.release(ctx, a, ident)
}

func (s *Service) release(ctx context.Context, a App, ident string) (Release, error) {
	r, err := s.store.Release(ctx, a.ID, ident)
	if IsID(err, ErrNotFound) {
		return r, &Error{ID: ErrNotFound, Message: fmt.Sprintf("%s has no release %s.", a.Name, ident), Next: "See which there are: paas releases -a " + a.Name}
	}
	return r, err
}

// Rollback starts a deploy of a new release with an old one's code and
// config; an empty ident means the newest release before the current that
// worked and has an image.
func (s *Service) Rollback(ctx context.Context, actor Actor, app, ident string) (Deploy, error) {
	a, err := s.app(ctx, actor, app, PermDeploy)
	if err != nil {
		return Deploy{}, err
	}
	var r Release
	if ident == "" {
		r, err = s.previous(ctx, a)
	} else {
		r, err = s.release(ctx, a, ident)
	}
	if err != nil {
		return Deploy{}, err
	}
	next := "See which there are: paas releases -a " + a.Name
	switch {
	case r.Image.Digest == "":
		return Deploy{}, &Error{ID: ErrInvalid, Message: fmt.Sprintf("v%d has no code to run: it is older than the first deploy. Nothing was changed.", r.Version), Next: next}
	case r.Status != ReleaseSucceeded:
		return Deploy{}, &Error{ID: ErrInvalid, Message: fmt.Sprintf("v%d never went live (it is %s), so it is nothing to go back to. Nothing was changed.", r.Version, r.Status), Next: next}
	case r.Current:
		return Deploy{}, &Error{ID: ErrInvalid, Message: fmt.Sprintf("v%d is what runs now. Nothing was changed.", r.Version), Next: next}
	}
	d, err := s.queue(ctx, Deploy{AppID: a.ID, Kind: KindRollback, UserID: actor.ID,
		Source: r.ID, Description: fmt.Sprintf("Rollback to v%d", r.Version)}, nil)
	if err != nil {
		return Deploy{}, err
	}
	return s.awaitRelease(ctx, d)
}

func (s *Service) previous(ctx context.Context, a App) (Release, error) {
	list, err := s.store.Releases(ctx, a.ID, Page{Max: 1000, Desc: true})
	if err != nil {
		return Release{}, err
	}
	seen := false
	for _, r := range list {
		if seen && r.Status == ReleaseSucceeded && r.Image.Digest != "" {
			return r, nil
		}
		seen = seen || r.Current
	}
	return Release{}, &Error{ID: ErrInvalid, Message: a.Name + " has no earlier release to go back to. Nothing was changed.", Next: "See which there are: paas releases -a " + a.Name}
}

// Builds lists an app's builds.
func (s *Service) Builds(ctx context.Context, actor Actor, app string, p Page) ([]Build, error) {
	a, err := s.App(ctx, actor, app)
	if err != nil {
		return nil, err
	}
	return s.store.Builds(ctx, a.ID, p)
}

// Build finds a build by id.
func (s *Service) Build(ctx context.Context, actor Actor, app, id string) (Build, error) {
	a, err := s.App(ctx, actor, app)
	if err != nil {
		return Build{}, err
	}
	return s.store.Build(ctx, a.ID, id)
}

// Deploys lists an app's deploys.
func (s *Service) Deploys(ctx context.Context, actor Actor, app string, p Page) ([]Deploy, error) {
	a, err := s.App(ctx, actor, app)
	if err != nil {
		return nil, err
	}
	return s.store.Deploys(ctx, a.ID, p)
}

// Deploy finds a deploy by id.
func (s *Service) Deploy(ctx context.Context, actor Actor, app, id string) (Deploy, error) {
	a, err := s.App(ctx, actor, app)
	if err != nil {
		return Deploy{}, err
	}
	return s.store.Deploy(ctx, a.ID, id)
}

// Cancel ends a deploy that is not final: what served before serves on.
func (s *Service) Cancel(ctx context.Context, actor Actor, app, id string) (Deploy, error) {
	a, err := s.app(ctx, actor, app, PermDeploy)
	if err != nil {
		return Deploy{}, err
	}
	return s.store.Cancel(ctx, a.ID, id, actor.Email)
}

// Events lists what happened to an app, newest first.
func (s *Service) Events(ctx context.Context, actor Actor, app string) ([]Event, error) {
	a, err := s.App(ctx, actor, app)
	if err != nil {
		return nil, err
	}
	return s.store.Events(ctx, a.ID, maxEvents)
}

// maxEvents is how far back Events looks.
const maxEvents = 1000

// Follow copies a deploy's output from its beginning and goes on until the
// deploy has ended, then gives it as it ended.
func (s *Service) Follow(ctx context.Context, actor Actor, app, deployID string, out io.Writer) (Deploy, error) {
	d, err := s.Deploy(ctx, actor, app, deployID)
	if err != nil {
		return d, err
	}
	ctx, done := s.WhileAllowed(ctx, actor, d.AppID, PermView)
	defer done()
	d, err = s.pipeline.follow(ctx, d, out)
	return d, allowedError(ctx, err)
}
