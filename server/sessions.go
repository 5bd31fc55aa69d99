package server

import (
	"context"

	"paas/scheduler/agent"
)

// Sessions is agent.Control.
func (c *Control) Sessions(ctx context.Context, host string) <-chan agent.Session {
	out := make(chan agent.Session)
	go func() { <-ctx.Done(); close(out) }()
	return out
}
