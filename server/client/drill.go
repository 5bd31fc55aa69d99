package client

import (
	"context"
	"net/http"

	"paas/server/api"
)

// StartDrill has a host treated as if it had died, or says what that would do.
func (c *Client) StartDrill(ctx context.Context, host string, in api.StartDrill) (d api.Drill, err error) {
	_, err = c.do(ctx, call{method: http.MethodPost, path: "/hosts/" + seg(host) + "/drill", in: in, out: &d})
	return d, err
}

// Drill is a host's newest drill.
func (c *Client) Drill(ctx context.Context, host string) (d api.Drill, err error) {
	return d, c.get(ctx, "/hosts/"+seg(host)+"/drill", &d)
}

// EndDrill gives the host of a drill back at once.
func (c *Client) EndDrill(ctx context.Context, host string) (d api.Drill, err error) {
	_, err = c.do(ctx, call{method: http.MethodDelete, path: "/hosts/" + seg(host) + "/drill", out: &d})
	return d, err
}
