package client

import (
	"context"

	"paas/server/api"
)

// Servers lists the control planes, by name.
func (c *Client) Servers(ctx context.Context) ([]api.Server, error) {
	return list[api.Server](ctx, c, "/servers", "name ..; max=1000", 0)
}
