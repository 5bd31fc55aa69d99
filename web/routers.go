package web

import (
	"context"

	"paas/server"
)

// Routers are what takes the apps' requests. Everybody may look.
type Routers interface {
	Routers(ctx context.Context, actor server.Actor) ([]server.RouterRow, error)
}
