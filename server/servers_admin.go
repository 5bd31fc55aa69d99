package server

import (
	"context"
	"time"
)

// The states of a server, for people.
const (
	ServerLeads   = "leads"   // it decides, and hosts and routers are at it
	ServerFollows = "follows" // it takes pushes, builds, and passes the rest on
	ServerSilent  = "silent"  // it is not heard of
)

// State is the server in one word.
func (e ServerEntry) State() string {
	switch {
	case e.Leads:
		return ServerLeads
	case e.Alive():
		return ServerFollows
	}
	return ServerSilent
}

// SeenAt is when it was last heard of.
func (e ServerEntry) SeenAt(now time.Time) time.Time { return now.Add(-e.Silent) }

// ServerList lists the servers on the database by name, those that were heard
// of in the last day. Admins only: it tells addresses.
func (s *Service) ServerList(ctx context.Context, actor Actor) ([]ServerEntry, error) {
	if err := allowAdmin(actor, "see the servers"); err != nil {
		return nil, err
	}
	return s.store.Servers(ctx)
}
