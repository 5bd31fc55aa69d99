package client

import (
	"context"
	"net/http"

	"paas/server/api"
)

// Drains lists where an app's lines are sent to, oldest first.
func (c *Client) Drains(ctx context.Context, app string) ([]api.LogDrain, error) {
	return list[api.LogDrain](ctx, c, "/apps/"+seg(app)+"/log-drains", "", 0)
}

// AddDrain has an app's lines sent to a URL.
func (c *Client) AddDrain(ctx context.Context, app, url string) (d api.LogDrain, err error) {
	_, err = c.do(ctx, call{method: http.MethodPost, path: "/apps/" + seg(app) + "/log-drains", in: api.CreateLogDrain{URL: url}, out: &d})
	return d, err
}

// RemoveDrain ends a drain, named by id, token or URL.
func (c *Client) RemoveDrain(ctx context.Context, app, ident string) (d api.LogDrain, err error) {
	_, err = c.do(ctx, call{method: http.MethodDelete, path: "/apps/" + seg(app) + "/log-drains/" + seg(ident), out: &d})
	return d, err
}
