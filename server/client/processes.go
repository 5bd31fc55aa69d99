package client

import (
	"context"
	"net/http"

	"paas/server/api"
)

// StopDyno ends one dyno ("web.1", "run.1234") or those of a type ("web").
func (c *Client) StopDyno(ctx context.Context, app, dyno string) error {
	_, err := c.do(ctx, call{method: http.MethodPost, path: "/apps/" + seg(app) + "/dynos/" + seg(dyno) + "/actions/stop"})
	return err
}

// DynoSizes lists the sizes a dyno can have, the default one first.
func (c *Client) DynoSizes(ctx context.Context) ([]api.DynoSize, error) {
	var sizes []api.DynoSize
	return sizes, c.get(ctx, "/dyno-sizes", &sizes)
}

// CurrentRelease is the release that serves.
func (c *Client) CurrentRelease(ctx context.Context, app string) (r api.Release, err error) {
	return r, c.get(ctx, "/apps/"+seg(app)+"/releases/current", &r)
}
