package client

import (
	"context"
	"fmt"
	"net/http"
	"net/url"

	"paas/server/api"
)

// seg escapes one segment of a path.
func seg(s string) string { return url.PathEscape(s) }

func (c *Client) get(ctx context.Context, path string, out any) error {
	_, err := c.do(ctx, call{method: http.MethodGet, path: path, out: out})
	return err
}

// Version asks the server for its own.
func (c *Client) Version(ctx context.Context) (v api.Version, err error) {
	return v, c.get(ctx, "/version", &v)
}

// Account is the one the token belongs to.
func (c *Client) Account(ctx context.Context) (a api.Account, err error) {
	return a, c.get(ctx, "/account", &a)
}

// CreateAccount makes an account or finds the one with that e-mail. Admins only.
func (c *Client) CreateAccount(ctx context.Context, in api.CreateAccount) (a api.Account, err error) {
	_, err = c.do(ctx, call{method: http.MethodPost, path: "/accounts", in: in, out: &a})
	return a, err
}

// Keys lists the account's SSH keys.
func (c *Client) Keys(ctx context.Context) ([]api.Key, error) {
	return list[api.Key](ctx, c, "/account/keys", "", 0)
}

// AddKey adds a key, given as a line of authorized_keys.
func (c *Client) AddKey(ctx context.Context, line string) (k api.Key, err error) {
	_, err = c.do(ctx, call{method: http.MethodPost, path: "/account/keys", in: api.CreateKey{PublicKey: line}, out: &k})
	return k, err
}

// RemoveKey removes by id, fingerprint or comment.
func (c *Client) RemoveKey(ctx context.Context, ident string) (k api.Key, err error) {
	_, err = c.do(ctx, call{method: http.MethodDelete, path: "/account/keys/" + seg(ident), out: &k})
	return k, err
}

// Apps lists the apps the account may see, by name.
func (c *Client) Apps(ctx context.Context) ([]api.App, error) {
	return list[api.App](ctx, c, "/apps", "name ..; max=1000", 0)
}

// CreateApp makes an app; without a name it gets one.
func (c *Client) CreateApp(ctx context.Context, name string) (a api.App, err error) {
	_, err = c.do(ctx, call{method: http.MethodPost, path: "/apps", in: api.CreateApp{Name: name}, out: &a})
	return a, err
}

// App finds an app by name or id.
func (c *Client) App(ctx context.Context, app string) (a api.App, err error) {
	return a, c.get(ctx, "/apps/"+seg(app), &a)
}

// DestroyApp removes an app and everything of it.
func (c *Client) DestroyApp(ctx context.Context, app string) (a api.App, err error) {
	_, err = c.do(ctx, call{method: http.MethodDelete, path: "/apps/" + seg(app), out: &a, limit: waitTimeout})
	return a, err
}

// Config reads the config of the current release.
func (c *Client) Config(ctx context.Context, app string) (vars map[string]string, err error) {
	return vars, c.get(ctx, "/apps/"+seg(app)+"/config-vars", &vars)
}

// ReleaseConfig reads the config of a release, by id or version.
func (c *Client) ReleaseConfig(ctx context.Context, app, release string) (vars map[string]string, err error) {
	return vars, c.get(ctx, "/apps/"+seg(app)+"/releases/"+seg(release)+"/config-vars", &vars)
}

// SetConfig changes config (nil removes) and gives the whole of it and the id
// of the deploy that brings it to serve.
func (c *Client) SetConfig(ctx context.Context, app string, patch api.ConfigVars) (vars map[string]string, deploy string, err error) {
	res, err := c.do(ctx, call{
		method: http.MethodPatch, path: "/apps/" + seg(app) + "/config-vars", in: patch, out: &vars, limit: waitTimeout,
	})
	if err != nil {
		return nil, "", err
	}
	return vars, res.Header.Get(api.HeaderDeploy), nil
}

// Releases lists the newest n releases, newest first; 0 is all.
func (c *Client) Releases(ctx context.Context, app string, n int) ([]api.Release, error) {
	return list[api.Release](ctx, c, "/apps/"+seg(app)+"/releases", newest("version", n), n)
}

func newest(field string, n int) string {
	const most = 1000
	if n < 1 || n > most {
		n = most
	}
	return fmt.Sprintf("%s ..; max=%d, order=desc", field, n)
}

// Release finds a release by id or version.
func (c *Client) Release(ctx context.Context, app, release string) (r api.Release, err error) {
	return r, c.get(ctx, "/apps/"+seg(app)+"/releases/"+seg(release), &r)
}

// Rollback makes a new release of an old one and gives it and the id of the
// deploy that brings it to serve.
func (c *Client) Rollback(ctx context.Context, app, release string) (r api.Release, deploy string, err error) {
	res, err := c.do(ctx, call{
		method: http.MethodPost, path: "/apps/" + seg(app) + "/releases", in: api.Rollback{Release: release}, out: &r, limit: waitTimeout,
	})
	if err != nil {
		return r, "", err
	}
	return r, res.Header.Get(api.HeaderDeploy), nil
}

// Formation lists the process types.
func (c *Client) Formation(ctx context.Context, app string) ([]api.Formation, error) {
	return list[api.Formation](ctx, c, "/apps/"+seg(app)+"/formation", "", 0)
}

// Scale changes process types and gives all of them.
func (c *Client) Scale(ctx context.Context, app string, updates []api.FormationUpdate) (f []api.Formation, err error) {
	in := api.FormationBatch{Updates: updates}
	_, err = c.do(ctx, call{method: http.MethodPatch, path: "/apps/" + seg(app) + "/formation", in: in, out: &f})
	return f, err
}

// Dynos lists what runs.
func (c *Client) Dynos(ctx context.Context, app string) ([]api.Dyno, error) {
	return list[api.Dyno](ctx, c, "/apps/"+seg(app)+"/dynos", "", 0)
}

// Restart replaces one dyno ("web.1"), those of a type ("web"), or all ("").
func (c *Client) Restart(ctx context.Context, app, dyno string) error {
	path := "/apps/" + seg(app) + "/dynos"
	if dyno != "" {
		path += "/" + seg(dyno)
	}
	_, err := c.do(ctx, call{method: http.MethodDelete, path: path})
	return err
}

// Builds lists the newest n builds, newest first.
func (c *Client) Builds(ctx context.Context, app string, n int) ([]api.Build, error) {
	return list[api.Build](ctx, c, "/apps/"+seg(app)+"/builds", newest("id", n), n)
}

// Build finds a build.
func (c *Client) Build(ctx context.Context, app, id string) (b api.Build, err error) {
	return b, c.get(ctx, "/apps/"+seg(app)+"/builds/"+seg(id), &b)
}

// Deploys lists the newest n deploys, newest first.
func (c *Client) Deploys(ctx context.Context, app string, n int) ([]api.Deploy, error) {
	return list[api.Deploy](ctx, c, "/apps/"+seg(app)+"/deploys", newest("id", n), n)
}

// Deploy finds a deploy.
func (c *Client) Deploy(ctx context.Context, app, id string) (d api.Deploy, err error) {
	return d, c.get(ctx, "/apps/"+seg(app)+"/deploys/"+seg(id), &d)
}

// Cancel ends a deploy that has not ended.
func (c *Client) Cancel(ctx context.Context, app, id string) (d api.Deploy, err error) {
	_, err = c.do(ctx, call{method: http.MethodDelete, path: "/apps/" + seg(app) + "/deploys/" + seg(id), out: &d})
	return d, err
}

// Events lists what happened to an app, newest first.
func (c *Client) Events(ctx context.Context, app string) (e []api.Event, err error) {
	return e, c.get(ctx, "/apps/"+seg(app)+"/events", &e)
}
