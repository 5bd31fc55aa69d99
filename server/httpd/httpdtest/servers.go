package httpdtest

import (
	"context"
	"slices"
	"time"

	"paas/server"
)

// SetServers makes the control planes that there are.
func (f *Fake) SetServers(list ...server.ServerEntry) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.servers = list
}

func firstServers() []server.ServerEntry {
	return []server.ServerEntry{{ID: "server-1", Name: "s1", Addr: "s1.example.com:8443", Started: time.Now(), Leads: true}}
}

// ServerList is for admins.
func (f *Fake) ServerList(_ context.Context, actor server.Actor) ([]server.ServerEntry, error) {
	leave, err := f.asAdmin(actor)
	if err != nil {
		return nil, err
	}
	defer leave()
	return slices.Clone(f.servers), nil
}
