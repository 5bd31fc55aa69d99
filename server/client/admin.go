package client

import (
	"context"
	"fmt"
	"net/http"

	"paas/server/api"
)

// ChangeApp renames an app, puts it into maintenance, locks it, or the reverse.
func (c *Client) ChangeApp(ctx context.Context, app string, in api.ChangeApp) (a api.App, err error) {
	_, err = c.do(ctx, call{method: http.MethodPatch, path: "/apps/" + seg(app), in: in, out: &a})
	return a, err
}

// TransferApp makes another account the owner.
func (c *Client) TransferApp(ctx context.Context, app string, in api.TransferApp) (a api.App, err error) {
	_, err = c.do(ctx, call{method: http.MethodPost, path: "/apps/" + seg(app) + "/transfer", in: in, out: &a})
	return a, err
}

// AppSummary reads an app with what belongs to it.
func (c *Client) AppSummary(ctx context.Context, app string) (s api.AppSummary, err error) {
	return s, c.get(ctx, "/apps/"+seg(app)+"/summary", &s)
}

// AppSettings reads an app's own limits.
func (c *Client) AppSettings(ctx context.Context, app string) (s api.AppSettings, err error) {
	return s, c.get(ctx, "/apps/"+seg(app)+"/settings", &s)
}

// ChangeSettings changes limits (nil takes back) and gives all of them.
func (c *Client) ChangeSettings(ctx context.Context, app string, in api.AppSettings) (s api.AppSettings, err error) {
	_, err = c.do(ctx, call{method: http.MethodPatch, path: "/apps/" + seg(app) + "/settings", in: in, out: &s})
	return s, err
}

// AppErrors counts the errors in the log of the last hours.
func (c *Client) AppErrors(ctx context.Context, app string, hours int) (list []api.AppError, err error) {
	return list, c.get(ctx, fmt.Sprintf("/apps/%s/errors?hours=%d", seg(app), hours), &list)
}

// Domains lists the host names of an app, its own among them.
func (c *Client) Domains(ctx context.Context, app string) ([]api.Domain, error) {
	return list[api.Domain](ctx, c, "/apps/"+seg(app)+"/domains", "hostname ..; max=1000", 0)
}

// AddDomain makes a host name lead to the app.
func (c *Client) AddDomain(ctx context.Context, app, hostname string) (d api.Domain, err error) {
	in := api.CreateDomain{Hostname: hostname}
	_, err = c.do(ctx, call{method: http.MethodPost, path: "/apps/" + seg(app) + "/domains", in: in, out: &d})
	return d, err
}

// RemoveDomain takes one away, by name or id.
func (c *Client) RemoveDomain(ctx context.Context, app, domain string) (d api.Domain, err error) {
	_, err = c.do(ctx, call{method: http.MethodDelete, path: "/apps/" + seg(app) + "/domains/" + seg(domain), out: &d})
	return d, err
}

// ClearDomains takes all away but the app's own, and gives them.
func (c *Client) ClearDomains(ctx context.Context, app string) (gone []api.Domain, err error) {
	_, err = c.do(ctx, call{method: http.MethodDelete, path: "/apps/" + seg(app) + "/domains", out: &gone})
	return gone, err
}
