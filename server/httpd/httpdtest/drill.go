package httpdtest

import (
	"context"
	"time"

	"paas/server"
)

// PlanDrill is of a host with one app.
func (f *Fake) PlanDrill(_ context.Context, actor server.Actor, host string) (server.Drill, error) {
	leave, err := f.asAdmin(actor)
	if err != nil {
		return server.Drill{}, err
	}
	defer leave()
	h, err := f.findHost(host)
	if err != nil {
		return server.Drill{}, err
	}
	if h.Local {
		return server.Drill{}, server.Errorf(server.ErrConflict, "%s is the control plane's own machine: with it goes what would rehearse its loss. Nothing was changed.", h.Name)
	}
	d := server.Drill{HostID: h.ID, Host: h.Name, Actor: actor.Email}
	for _, on := range h.Dynos {
		d.Report.Apps = append(d.Report.Apps, server.DrillApp{App: on.App, Dynos: []string{"web.1"}, Away: "its only web dyno is there"})
	}
	return d, nil
}

// StartDrill comes to its end at once: all was elsewhere after 4 s.
func (f *Fake) StartDrill(ctx context.Context, actor server.Actor, host string, o server.DrillOrder) (server.Drill, error) {
	d, err := f.PlanDrill(ctx, actor, host)
	if err != nil {
		return d, err
	}
	if o.For < server.ShortestDrill {
		return d, server.Errorf(server.ErrInvalid, "A drill lasts 10 seconds to 60 minutes. Nothing was changed.")
	}
	d.ID, d.StartedAt, d.Until = "drill", time.Now(), time.Now().Add(o.For)
	d.Report.Lost, d.Report.Out, d.Report.Elsewhere = 2600*time.Millisecond, 2700*time.Millisecond, 4*time.Second
	for i := range d.Report.Apps {
		a := &d.Report.Apps[i]
		a.Out, a.Elsewhere, a.Gone, a.Requests, a.Failed = 2700*time.Millisecond, 4*time.Second, 1300*time.Millisecond, 120, 3
	}
	d.EndedAt = time.Now()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.drill = &d
	return d, nil
}

// Drill is the newest.
func (f *Fake) Drill(_ context.Context, actor server.Actor, host string) (server.Drill, error) {
	leave, err := f.asAdmin(actor)
	if err != nil {
		return server.Drill{}, err
	}
	defer leave()
	h, err := f.findHost(host)
	if err != nil {
		return server.Drill{}, err
	}
	if f.drill == nil || f.drill.HostID != h.ID {
		return server.Drill{}, server.Errorf(server.ErrNotFound, "The loss of %s was never rehearsed.", h.Name)
	}
	return *f.drill, nil
}

// EndDrill has nothing to end.
func (f *Fake) EndDrill(ctx context.Context, actor server.Actor, host string) (server.Drill, error) {
	return f.Drill(ctx, actor, host)
}
