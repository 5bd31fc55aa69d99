package client

import (
	"context"
	"net/http"

	"paas/server/api"
)

// Hosts lists the hosts, by name.
func (c *Client) Hosts(ctx context.Context) ([]api.Host, error) {
	return list[api.Host](ctx, c, "/hosts", "name ..; max=1000", 0)
}

// Host reads one, by name or id.
func (c *Client) Host(ctx context.Context, host string) (h api.Host, err error) {
	return h, c.get(ctx, "/hosts/"+seg(host), &h)
}

// AddHost makes a token with which one machine joins, once.
func (c *Client) AddHost(ctx context.Context, in api.AddHost) (i api.HostInvitation, err error) {
	_, err = c.do(ctx, call{method: http.MethodPost, path: "/hosts", in: in, out: &i})
	return i, err
}

// ChangeHost changes labels, what a host keeps, or whether it takes dynos.
func (c *Client) ChangeHost(ctx context.Context, host string, in api.ChangeHost) (h api.Host, err error) {
	_, err = c.do(ctx, call{method: http.MethodPatch, path: "/hosts/" + seg(host), in: in, out: &h})
	return h, err
}

// RemoveHost forgets a host; with force also one that still has dynos.
func (c *Client) RemoveHost(ctx context.Context, host string, force bool) (h api.Host, err error) {
	path := "/hosts/" + seg(host)
	if force {
		path += "?force=true"
	}
	_, err = c.do(ctx, call{method: http.MethodDelete, path: path, out: &h})
	return h, err
}

// Placement says where an app's dynos may be.
func (c *Client) Placement(ctx context.Context, app string) (p api.Placement, err error) {
	return p, c.get(ctx, "/apps/"+seg(app)+"/placement", &p)
}

// SetPlacement replaces it as a whole.
func (c *Client) SetPlacement(ctx context.Context, app string, in api.ChangePlacement) (p api.Placement, err error) {
	_, err = c.do(ctx, call{method: http.MethodPut, path: "/apps/" + seg(app) + "/placement", in: in, out: &p})
	return p, err
}

// Why says where a dyno is or why it is nowhere.
func (c *Client) Why(ctx context.Context, app, dyno string) (w api.Why, err error) {
	return w, c.get(ctx, "/apps/"+seg(app)+"/dynos/"+seg(dyno)+"/why", &w)
}
