package httpdtest

import (
	"context"
	"slices"
	"time"

	"paas/server"
)

// firstRouters is what a new installation has.
func firstRouters() []server.RouterRow {
	return []server.RouterRow{{ID: "router-1", Name: server.BuiltInRouter, Local: true, State: server.RouterReady, Addr: "[::]:8080", Version: "9.9.9", Table: 12, Newest: 12, SeenAt: time.Now()}}
}

// SetRouter changes a router as the platform would.
func (f *Fake) SetRouter(name string, change func(*server.RouterRow)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if i := f.findRouter(name); i >= 0 {
		change(&f.routers[i])
	}
}

func (f *Fake) findRouter(name string) int {
	return slices.IndexFunc(f.routers, func(r server.RouterRow) bool { return r.Name == name || r.ID == name })
}

// Routers are the same for everyone.
func (f *Fake) Routers(context.Context, server.Actor) ([]server.RouterRow, error) {
	leave, err := f.enter()
	if err != nil {
		return nil, err
	}
	defer leave()
	return slices.Clone(f.routers), nil
}

// Router finds one.
func (f *Fake) Router(_ context.Context, _ server.Actor, name string) (server.RouterRow, error) {
	leave, err := f.enter()
	if err != nil {
		return server.RouterRow{}, err
	}
	defer leave()
	i := f.findRouter(name)
	if i < 0 {
		return server.RouterRow{}, &server.Error{ID: server.ErrNotFound, Message: "Couldn't find that router.", Next: "See which there are: paas routers"}
	}
	return f.routers[i], nil
}

// AddRouter invites a router, which joins at once.
func (f *Fake) AddRouter(_ context.Context, actor server.Actor, name string) (server.RouterInvitation, error) {
	leave, err := f.asAdmin(actor)
	if err != nil {
		return server.RouterInvitation{}, err
	}
	defer leave()
	if f.findRouter(name) >= 0 {
		return server.RouterInvitation{}, server.Errorf(server.ErrConflict, "There is a router %s already. Nothing was changed.", name)
	}
	f.routers = append(f.routers, server.RouterRow{ID: f.id(), Name: name, State: server.RouterReady, Addr: "10.91.2.9:80", Version: "9.9.9", Table: 12, Newest: 12, SeenAt: time.Now(),
		Findings: []server.Finding{{Check: "clock", Status: "warn", Found: "1m1s behind the control plane's", Cause: "log lines of other times", Next: "timedatectl set-ntp true"}}})
	return server.RouterInvitation{Router: name, Token: "paasrouter_test", Fleet: "paas.example.com:8443", CA: "c0ffee", ExpiresAt: time.Date(2099, 1, 2, 12, 0, 0, 0, time.UTC)}, nil
}

// RemoveRouter forgets one that is elsewhere.
func (f *Fake) RemoveRouter(_ context.Context, actor server.Actor, name string) (server.RouterRow, error) {
	leave, err := f.asAdmin(actor)
	if err != nil {
		return server.RouterRow{}, err
	}
	defer leave()
	i := f.findRouter(name)
	if i < 0 {
		return server.RouterRow{}, &server.Error{ID: server.ErrNotFound, Message: "Couldn't find that router.", Next: "See which there are: paas routers"}
	}
	row := f.routers[i]
	if row.Local {
		return row, server.Errorf(server.ErrConflict, "Router %s runs in the control plane's own process and cannot be removed. Nothing was changed.", name)
	}
	f.routers = slices.Delete(f.routers, i, i+1)
	return row, nil
}
