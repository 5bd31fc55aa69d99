package web

import (
	"context"

	"paas/server"
)

// Servers are the control planes on the database. Admins look.
type Servers interface {
	ServerList(ctx context.Context, actor server.Actor) ([]server.ServerEntry, error)
}
