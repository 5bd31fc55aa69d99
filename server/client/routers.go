package client

import (
	"context"
	"net/http"

	"paas/server/api"
)

// Routers lists the routers, by name.
func (c *Client) Routers(ctx context.Context) ([]api.Router, error) {
	return list[api.Router](ctx, c, "/routers", "name ..; max=1000", 0)
}

// Router reads one, by name or id.
func (c *Client) Router(ctx context.Context, name string) (r api.Router, err error) {
	return r, c.get(ctx, "/routers/"+seg(name), &r)
}

// AddRouter makes a token with which one router joins, once.
func (c *Client) AddRouter(ctx context.Context, in api.AddRouter) (i api.RouterInvitation, err error) {
	_, err = c.do(ctx, call{method: http.MethodPost, path: "/routers", in: in, out: &i})
	return i, err
}

// RemoveRouter forgets a router.
func (c *Client) RemoveRouter(ctx context.Context, name string) (r api.Router, err error) {
	_, err = c.do(ctx, call{method: http.MethodDelete, path: "/routers/" + seg(name), out: &r})
	return r, err
}
