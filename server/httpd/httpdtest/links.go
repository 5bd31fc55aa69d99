package httpdtest

import (
	"context"
	"slices"
	"time"

	"paas/server"
)

// Links lists those from and to an app.
func (f *Fake) Links(_ context.Context, actor server.Actor, app string) ([]server.Link, error) {
	leave, err := f.enter()
	if err != nil {
		return nil, err
	}
	defer leave()
	a, err := f.find(actor, app)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(slices.Clone(f.links), func(l server.Link) bool { return l.AppID != a.ID && l.TargetID != a.ID }), nil
}

// AddLink makes one.
func (f *Fake) AddLink(_ context.Context, actor server.Actor, app, target string) (server.Link, error) {
	leave, err := f.enter()
	if err != nil {
		return server.Link{}, err
	}
	defer leave()
	a, err := f.find(actor, app)
	if err != nil {
		return server.Link{}, err
	}
	to, err := f.find(actor, target)
	if err != nil {
		return server.Link{}, server.Errorf(server.ErrNotFound, "Couldn't find an app %q to link %s with. Nothing was changed.", target, a.Name)
	}
	l := server.Link{ID: f.id(), AppID: a.ID, App: a.Name, TargetID: to.ID, Target: to.Name, AddedBy: actor.Email, AddedAt: time.Now()}
	f.links = append(f.links, l)
	return l, nil
}

// RemoveLink ends one.
func (f *Fake) RemoveLink(_ context.Context, actor server.Actor, app, other string, incoming bool) (server.Link, error) {
	leave, err := f.enter()
	if err != nil {
		return server.Link{}, err
	}
	defer leave()
	a, err := f.find(actor, app)
	if err != nil {
		return server.Link{}, err
	}
	i := slices.IndexFunc(f.links, func(l server.Link) bool {
		return incoming && l.TargetID == a.ID && l.App == other || !incoming && l.AppID == a.ID && l.Target == other
	})
	if i < 0 {
		return server.Link{}, &server.Error{ID: server.ErrNotFound, Message: a.Name + " is not linked with an app \"" + other + "\". Nothing was changed.", Next: "See which links there are: paas links -a " + a.Name}
	}
	l := f.links[i]
	f.links = slices.Delete(f.links, i, i+1)
	return l, nil
}
