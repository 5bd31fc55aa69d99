package client

import (
	"context"
	"net/http"

	"paas/server/api"
)

// Rebalance begins a few moves that make the load of hosts even, or only says
// which there are.
func (c *Client) Rebalance(ctx context.Context, in api.Rebalance) (out api.Rebalanced, err error) {
	_, err = c.do(ctx, call{method: http.MethodPost, path: "/hosts/rebalance", in: in, out: &out})
	return out, err
}
