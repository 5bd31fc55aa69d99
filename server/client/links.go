package client

import (
	"context"
	"net/http"

	"paas/server/api"
)

// Links lists the links from and to an app.
func (c *Client) Links(ctx context.Context, app string) ([]api.AppLink, error) {
	return list[api.AppLink](ctx, c, "/apps/"+seg(app)+"/links", "", 0)
}

// AddLink lets an app reach another from inside.
func (c *Client) AddLink(ctx context.Context, app, target string) (l api.AppLink, err error) {
	_, err = c.do(ctx, call{method: http.MethodPost, path: "/apps/" + seg(app) + "/links", in: api.CreateLink{Target: target}, out: &l})
	return l, err
}

// RemoveLink ends the link to another app or, with incoming, from it.
func (c *Client) RemoveLink(ctx context.Context, app, other string, incoming bool) (l api.AppLink, err error) {
	path := "/apps/" + seg(app) + "/links/" + seg(other)
	if incoming {
		path += "?incoming=true"
	}
	_, err = c.do(ctx, call{method: http.MethodDelete, path: path, out: &l})
	return l, err
}
