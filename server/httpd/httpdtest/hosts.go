package httpdtest

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"time"

	"paas/scheduler"
	"paas/server"
)

// firstHosts is what a new installation has.
func firstHosts() []server.HostRow {
	return []server.HostRow{{ID: "eeeeeeee-0000-4000-8000-000000000000", Name: "host-1", Local: true, State: "ready", Arch: "amd64", MilliCPU: 2000, Memory: 8 << 30,
		ReservedCPU: 150, ReservedBytes: 1536 << 20, Used: &server.HostUse{MilliCPU: 700, Memory: 1 << 30}, DiskFree: 31 << 30, DiskTotal: 80 << 30, SeenAt: time.Now(),
		Dynos: []server.HostDyno{{App: "shop", Type: "web", Ordinal: 1, State: "up", Size: "Standard-1X", Memory: 512 << 20, Release: 3}}, Others: 2}}
}

// SetHost changes a host as the platform would.
func (f *Fake) SetHost(name string, change func(*server.HostRow)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if h, err := f.findHost(name); err == nil {
		change(h)
	}
}

func (f *Fake) findHost(name string) (*server.HostRow, error) {
	if i := slices.IndexFunc(f.hosts, func(h server.HostRow) bool { return h.Name == name || h.ID == name }); i >= 0 {
		return &f.hosts[i], nil
	}
	return nil, &server.Error{ID: server.ErrNotFound, Message: "Couldn't find that host. Nothing was changed.", Next: "See which there are: paas hosts"}
}

// Hosts are the same for everyone.
func (f *Fake) Hosts(context.Context, server.Actor) ([]server.HostRow, error) {
	leave, err := f.enter()
	if err != nil {
		return nil, err
	}
	defer leave()
	list := slices.Clone(f.hosts)
	for i := range list {
		list[i] = heard(list[i])
	}
	return list, nil
}

// heard is the row of a host that speaks up all the time, as those do of which
// nothing else is noted: however long a test takes, it is not silent.
func heard(h server.HostRow) server.HostRow {
	if h.Note == "" && h.State != server.HostLost {
		h.SeenAt = time.Now()
	}
	return h
}

// Host finds one.
func (f *Fake) Host(_ context.Context, _ server.Actor, name string) (server.HostRow, error) {
	leave, err := f.enter()
	if err != nil {
		return server.HostRow{}, err
	}
	defer leave()
	h, err := f.findHost(name)
	if err != nil {
		return server.HostRow{}, err
	}
	return heard(*h), nil
}

// asAdmin is enter for what admins alone may do.
func (f *Fake) asAdmin(actor server.Actor) (leave func(), err error) {
	if !actor.Admin {
		return nil, server.Errorf(server.ErrForbidden, "Only admins change hosts. Nothing was changed.")
	}
	return f.enter()
}

// AddHost invites a host, which joins at once.
func (f *Fake) AddHost(_ context.Context, actor server.Actor, name string, labels map[string]string) (server.HostInvitation, error) {
	leave, err := f.asAdmin(actor)
	if err != nil {
		return server.HostInvitation{}, err
	}
	defer leave()
	if _, err := f.findHost(name); err == nil {
		return server.HostInvitation{}, server.Errorf(server.ErrConflict, "There is a host %s already. Nothing was changed.", name)
	}
	f.hosts = append(f.hosts, server.HostRow{ID: f.id(), Name: name, State: "ready", Labels: maps.Clone(labels), Addr: "10.91.2.2", Agent: "9.9.9", Engine: "28.1.0",
		Arch: "amd64", MilliCPU: 4000, Memory: 16 << 30, SeenAt: time.Now()})
	return server.HostInvitation{Host: name, Token: "paashost_test", Fleet: "paas.example.com:8443", CA: "c0ffee", ExpiresAt: time.Date(2099, 1, 2, 12, 0, 0, 0, time.UTC)}, nil
}

// ChangeHost does as it is told.
func (f *Fake) ChangeHost(_ context.Context, actor server.Actor, name string, c server.HostChange) (server.HostRow, error) {
	leave, err := f.asAdmin(actor)
	if err != nil {
		return server.HostRow{}, err
	}
	defer leave()
	h, err := f.findHost(name)
	if err != nil {
		return server.HostRow{}, err
	}
	labels := map[string]string{}
	maps.Copy(labels, h.Labels)
	maps.Copy(labels, c.Labels)
	for _, name := range c.Unset {
		delete(labels, name)
	}
	h.Labels = labels
	if c.Cordon != nil && !*c.Cordon || c.Drain != nil && !*c.Drain {
		h.State, h.DrainUntil = "ready", time.Time{}
	}
	if c.Cordon != nil && *c.Cordon {
		h.State = "cordoned"
	}
	if c.Drain != nil && *c.Drain {
		h.State = "draining"
		if c.Deadline > 0 {
			h.DrainUntil = time.Now().Add(c.Deadline)
		}
	}
	if c.KeptCPU != nil {
		h.KeptCPU = *c.KeptCPU
	}
	if c.KeptMemory != nil {
		h.KeptMemory = *c.KeptMemory
	}
	return *h, nil
}

// RemoveHost forgets one without dynos, or any by force.
func (f *Fake) RemoveHost(_ context.Context, actor server.Actor, name string, force bool) (server.HostRow, error) {
	leave, err := f.asAdmin(actor)
	if err != nil {
		return server.HostRow{}, err
	}
	defer leave()
	p, err := f.findHost(name)
	if err != nil {
		return server.HostRow{}, err
	}
	h := *p
	if h.Local {
		return h, server.Errorf(server.ErrInvalid, "%s is the control plane's own machine and cannot be removed. Nothing was changed.", name)
	}
	if len(h.Dynos) > 0 && !force {
		return h, &server.Error{ID: server.ErrConflict, Message: name + " still has dynos. Nothing was changed.", Next: "Let them move first: paas hosts:drain " + name}
	}
	f.hosts = slices.DeleteFunc(f.hosts, func(o server.HostRow) bool { return o.ID == h.ID })
	return h, nil
}

// Placement reads what SetPlacement took.
func (f *Fake) Placement(_ context.Context, actor server.Actor, name string) (scheduler.Placement, error) {
	leave, err := f.enter()
	if err != nil {
		return scheduler.Placement{}, err
	}
	defer leave()
	a, err := f.find(actor, name)
	if err != nil {
		return scheduler.Placement{}, err
	}
	return a.placement, nil
}

// SetPlacement refuses labels that are empty.
func (f *Fake) SetPlacement(_ context.Context, actor server.Actor, name string, c server.PlacementChange) (scheduler.Placement, error) {
	p := c.Placement
	leave, err := f.enter()
	if err != nil {
		return p, err
	}
	defer leave()
	a, err := f.find(actor, name)
	if err != nil {
		return p, err
	}
	for _, c := range p.Constraints {
		if c.Label == "" {
			return p, server.Errorf(server.ErrInvalid, "A constraint needs a label. Nothing was changed.")
		}
	}
	if !c.Force && slices.ContainsFunc(p.Constraints, func(c scheduler.Constraint) bool { return c.Value == "nowhere" && !c.Not }) {
		return p, server.Errorf(server.ErrConflict, "No host meets zone=nowhere. Nothing was changed.")
	}
	a.placement = p
	return p, nil
}

// Why knows a pending dyno that no host takes, and others that are on host-1.
func (f *Fake) Why(ctx context.Context, actor server.Actor, app, name string) (server.Why, error) {
	in, err := f.Instance(ctx, actor, app, name)
	if err != nil {
		return server.Why{}, err
	}
	y := server.Why{Instance: in, Reason: in.Reason}
	hosts, err := f.Hosts(ctx, actor)
	if err != nil {
		return y, err
	}
	if in.State != "pending" {
		y.Host, y.Reason = hosts[0].Name, ""
	}
	for _, h := range hosts {
		why := ""
		switch {
		case h.State == "lost":
			why = "is lost"
		case in.State == "pending":
			why = "has 12 MB of memory free, needs 512 MB"
		}
		y.Refusals = append(y.Refusals, scheduler.Refusal{HostID: h.ID, Host: h.Name, Why: why})
	}
	return y, nil
}

// Wait makes a dyno wait for a place, with a reason.
func (f *Fake) Wait(name, dyno, reason string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, a := range f.apps {
		for i := range a.instances {
			if in := &a.instances[i]; a.Name == name && in.Type+"."+strconv.Itoa(in.Ordinal) == dyno {
				in.State, in.Reason = "pending", reason
			}
		}
	}
}
