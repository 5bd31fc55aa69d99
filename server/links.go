package server

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// Links lists the links from and to an app: whoever sees either app sees them.
func (s *Service) Links(ctx context.Context, actor Actor, app string) ([]Link, error) {
	a, err := s.appToRead(ctx, actor, app, PermView)
	if err != nil {
		return nil, err
	}
	return s.store.Links(ctx, a.ID)
}

// AddLink lets an app reach another from inside. Both are asked: it takes the
// permission to operate each.
func (s *Service) AddLink(ctx context.Context, actor Actor, app, target string) (Link, error) {
	a, err := s.app(ctx, actor, app, PermOperate)
	if err != nil {
		return Link{}, err
	}
	to, err := s.app(ctx, actor, target, PermOperate)
	if IsID(err, ErrNotFound) {
		return Link{}, &Error{ID: ErrNotFound, Message: fmt.Sprintf("Couldn't find an app %q to link %s with. Nothing was changed.", shorten(target, 100), a.Name),
			Next: "See which there are: paas apps"}
	}
	if err != nil {
		return Link{}, err
	}
	if a.ID == to.ID {
		return Link{}, &Error{ID: ErrInvalid, Message: a.Name + " cannot be linked with itself: its own dynos share a network already. Nothing was changed."}
	}
	l, err := s.store.AddLink(ctx, a.ID, to.ID, actor.Email)
	switch {
	case errors.Is(err, ErrStale):
		return Link{}, &Error{ID: ErrInvalid, Message: fmt.Sprintf("%s is linked with %s already, at http://%s. Nothing was changed.", a.Name, to.Name, to.Name+LinkSuffix),
			Next: "See all: paas links -a " + a.Name}
	case err != nil:
		return Link{}, err
	}
	s.logs.Append(AppLine(a.ID, "api", fmt.Sprintf("Linked with %s by user %s", to.Name, actor.Email)),
		AppLine(to.ID, "api", fmt.Sprintf("Linked from %s by user %s", a.Name, actor.Email)))
	return l, nil
}

// RemoveLink ends a link from app to other or, with incoming, from other to app:
// either side may. Requests that are under way finish.
func (s *Service) RemoveLink(ctx context.Context, actor Actor, app, other string, incoming bool) (Link, error) {
	a, err := s.app(ctx, actor, app, PermOperate)
	if err != nil {
		return Link{}, err
	}
	list, err := s.store.Links(ctx, a.ID)
	if err != nil {
		return Link{}, err
	}
	i := slices.IndexFunc(list, func(l Link) bool {
		if incoming {
			return l.TargetID == a.ID && (l.App == other || l.AppID == other)
		}
		return l.AppID == a.ID && (l.Target == other || l.TargetID == other)
	})
	if i < 0 {
		what := "%s is not linked with an app %q. Nothing was changed."
		if incoming {
			what = "%s is not linked from an app %q. Nothing was changed."
		}
		return Link{}, &Error{ID: ErrNotFound, Message: fmt.Sprintf(what, a.Name, shorten(other, 100)), Next: "See which links there are: paas links -a " + a.Name}
	}
	if err := s.store.RemoveLink(ctx, list[i], actor.Email); err != nil {
		return Link{}, err
	}
	l := list[i]
	s.logs.Append(AppLine(l.AppID, "api", fmt.Sprintf("Link with %s removed by user %s", l.Target, actor.Email)),
		AppLine(l.TargetID, "api", fmt.Sprintf("Link from %s removed by user %s", l.App, actor.Email)))
	return l, nil
}
