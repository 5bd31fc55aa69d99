package httpdtest

import (
	"context"
	"slices"
	"strings"
	"time"

	"paas/server"
)

// onVolume finds an app and one of its volumes by name.
func (f *Fake) onVolume(actor server.Actor, name, volume string) (*app, *server.Volume, error) {
	a, err := f.find(actor, name)
	if err != nil {
		return nil, nil, err
	}
	i := slices.IndexFunc(a.volumes, func(v server.Volume) bool { return v.Name == volume || v.ID == volume })
	if i < 0 {
		return a, nil, &server.Error{ID: server.ErrNotFound, Message: "Couldn't find that volume. Nothing was changed.", Next: "See which there are: paas volumes -a " + a.Name}
	}
	return a, &a.volumes[i], nil
}

// Volumes lists by name.
func (f *Fake) Volumes(_ context.Context, actor server.Actor, name string) ([]server.Volume, error) {
	leave, err := f.enter()
	if err != nil {
		return nil, err
	}
	defer leave()
	a, err := f.find(actor, name)
	if err != nil {
		return nil, err
	}
	return slices.SortedFunc(slices.Values(a.volumes), func(x, y server.Volume) int { return strings.Compare(x.Name, y.Name) }), nil
}

// Volume finds one.
func (f *Fake) Volume(_ context.Context, actor server.Actor, name, volume string) (server.Volume, error) {
	leave, err := f.enter()
	if err != nil {
		return server.Volume{}, err
	}
	defer leave()
	_, v, err := f.onVolume(actor, name, volume)
	if err != nil {
		return server.Volume{}, err
	}
	return *v, nil
}

// CreateVolume makes one on host-1, of which something is used already.
func (f *Fake) CreateVolume(_ context.Context, actor server.Actor, name string, n server.NewVolume) (server.Volume, error) {
	leave, err := f.enter()
	if err != nil {
		return server.Volume{}, err
	}
	defer leave()
	a, err := f.find(actor, name)
	if err != nil {
		return server.Volume{}, err
	}
	if slices.ContainsFunc(a.volumes, func(v server.Volume) bool { return v.Name == n.Name }) {
		return server.Volume{}, server.Errorf(server.ErrConflict, "%s has a volume %s already. Nothing was changed.", a.Name, n.Name)
	}
	v := server.Volume{ID: f.id(), AppID: a.ID, App: a.Name, Name: n.Name, Driver: n.Driver, Size: n.Size, CreatedAt: time.Now(), UpdatedAt: time.Now()}
	if n.Driver == "" {
		h := f.hosts[0]
		if n.Host != "" {
			p, err := f.findHost(n.Host)
			if err != nil {
				return v, err
			}
			h = *p
		}
		v.HostID, v.Host, v.Used, v.UsedAt = h.ID, h.Name, 3<<20, time.Now()
	}
	a.volumes = append(a.volumes, v)
	return v, nil
}

// AttachVolume makes a release that says so.
func (f *Fake) AttachVolume(_ context.Context, actor server.Actor, name, volume, typ, path string) (server.Deploy, error) {
	return f.mount(actor, name, volume, &server.Mount{Type: typ, Path: path})
}

// DetachVolume makes one that takes it back.
func (f *Fake) DetachVolume(_ context.Context, actor server.Actor, name, volume string) (server.Deploy, error) {
	return f.mount(actor, name, volume, nil)
}

func (f *Fake) mount(actor server.Actor, name, volume string, m *server.Mount) (server.Deploy, error) {
	leave, err := f.enter()
	if err != nil {
		return server.Deploy{}, err
	}
	defer leave()
	a, v, err := f.onVolume(actor, name, volume)
	if err != nil {
		return server.Deploy{}, err
	}
	what := "Detach volume " + v.Name
	switch {
	case m == nil && v.Mount == nil:
		return server.Deploy{}, server.Errorf(server.ErrConflict, "Volume %s is not attached. Nothing was changed.", v.Name)
	case m != nil && !strings.HasPrefix(m.Path, "/"):
		return server.Deploy{}, server.Errorf(server.ErrInvalid, "The path %q must be absolute and not / itself, like /data. Nothing was changed.", m.Path)
	case m != nil:
		m.Volume, m.Name = v.ID, v.Name
		what = "Attach volume " + v.Name + " to " + m.Type + " at " + m.Path
	}
	v.Mount = m
	last := a.releases[len(a.releases)-1]
	r := f.release(a, actor.Account, what, last, a.config[a.Current])
	return f.deploy(a, actor.Account, server.KindConfig, r), nil
}

// DestroyVolume takes away what is not attached.
func (f *Fake) DestroyVolume(_ context.Context, actor server.Actor, name, volume string) (server.Volume, error) {
	leave, err := f.enter()
	if err != nil {
		return server.Volume{}, err
	}
	defer leave()
	a, v, err := f.onVolume(actor, name, volume)
	if err != nil {
		return server.Volume{}, err
	}
	gone := *v
	if gone.Mount != nil {
		return gone, &server.Error{ID: server.ErrConflict, Message: "Volume " + gone.Name + " is attached to " + gone.Mount.Type + " at " + gone.Mount.Path + ". Nothing was destroyed.",
			Next: "Detach it first: paas volumes:detach " + gone.Name + " -a " + a.Name}
	}
	a.volumes = slices.DeleteFunc(a.volumes, func(o server.Volume) bool { return o.ID == gone.ID })
	return gone, nil
}
