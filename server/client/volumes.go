package client

import (
	"context"
	"net/http"

	"paas/server/api"
)

func volumePath(app, volume string) string { return "/apps/" + seg(app) + "/volumes/" + seg(volume) }

// Volumes lists an app's volumes by name.
func (c *Client) Volumes(ctx context.Context, app string) ([]api.Volume, error) {
	return list[api.Volume](ctx, c, "/apps/"+seg(app)+"/volumes", "name ..; max=1000", 0)
}

// Volume reads one, by name or id.
func (c *Client) Volume(ctx context.Context, app, volume string) (v api.Volume, err error) {
	return v, c.get(ctx, volumePath(app, volume), &v)
}

// CreateVolume makes one.
func (c *Client) CreateVolume(ctx context.Context, app string, in api.NewVolume) (v api.Volume, err error) {
	_, err = c.do(ctx, call{method: http.MethodPost, path: "/apps/" + seg(app) + "/volumes", in: in, out: &v})
	return v, err
}

// AttachVolume says where dynos of a type find it, and gives the deploy that
// brings it about.
func (c *Client) AttachVolume(ctx context.Context, app, volume string, in api.Mount) (deploy string, err error) {
	return c.remount(ctx, call{method: http.MethodPut, path: volumePath(app, volume) + "/mount", in: in, limit: waitTimeout})
}

// DetachVolume takes it away from the dynos; its data stays.
func (c *Client) DetachVolume(ctx context.Context, app, volume string) (deploy string, err error) {
	return c.remount(ctx, call{method: http.MethodDelete, path: volumePath(app, volume) + "/mount", limit: waitTimeout})
}

func (c *Client) remount(ctx context.Context, what call) (deploy string, err error) {
	var v api.Volume
	what.out = &v
	res, err := c.do(ctx, what)
	if err != nil {
		return "", err
	}
	return res.Header.Get(api.HeaderDeploy), nil
}

// DestroyVolume deletes it with its data.
func (c *Client) DestroyVolume(ctx context.Context, app, volume string) (v api.Volume, err error) {
	_, err = c.do(ctx, call{method: http.MethodDelete, path: volumePath(app, volume), out: &v})
	return v, err
}
