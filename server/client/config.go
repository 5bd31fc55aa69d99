package client

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"

	"paas/server/api"
)

// Staged is what of the config waits for the next release.
func (c *Client) Staged(ctx context.Context, app string) (st api.StagedConfig, err error) {
	return st, c.get(ctx, configPath(app)+"/staged", &st)
}

func configPath(app string) string { return "/apps/" + seg(app) + "/config-vars" }

// withQuery adds parameters that are not empty.
func withQuery(path string, pairs ...string) string {
	q := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			q.Set(pairs[i], pairs[i+1])
		}
	}
	if len(q) == 0 {
		return path
	}
	return path + "?" + q.Encode()
}

// TypeConfig reads what the current release holds for one process type alone.
func (c *Client) TypeConfig(ctx context.Context, app, processType string) (vars map[string]string, err error) {
	return vars, c.get(ctx, withQuery(configPath(app), "process_type", processType), &vars)
}

// ChangeConfig is SetConfig, of a process type's own values when one is named.
// With expect it is refused unless that version is the current release.
func (c *Client) ChangeConfig(ctx context.Context, app, processType string, expect int, patch api.ConfigVars) (vars map[string]string, deploy string, err error) {
	version := ""
	if expect > 0 {
		version = strconv.Itoa(expect)
	}
	res, err := c.do(ctx, call{method: http.MethodPatch, in: patch, out: &vars, limit: waitTimeout,
		path: withQuery(configPath(app), "process_type", processType, "expect", version)})
	if err != nil {
		return nil, "", err
	}
	return vars, res.Header.Get(api.HeaderDeploy), nil
}

// StageConfig keeps a change for the next release.
func (c *Client) StageConfig(ctx context.Context, app, processType string, patch api.ConfigVars) (st api.StagedConfig, err error) {
	_, err = c.do(ctx, call{method: http.MethodPatch, in: patch, out: &st,
		path: withQuery(configPath(app), "process_type", processType, "staged", "true")})
	return st, err
}

// Unstage drops staged changes, all without names.
func (c *Client) Unstage(ctx context.Context, app string, names []string) (st api.StagedConfig, err error) {
	_, err = c.do(ctx, call{method: http.MethodDelete, path: configPath(app) + "/staged", in: api.Unstage{Names: names}, out: &st})
	return st, err
}

// ApplyStaged makes a release of what is staged and gives its deploy's id.
func (c *Client) ApplyStaged(ctx context.Context, app string) (deploy string, err error) {
	res, err := c.do(ctx, call{method: http.MethodPost, path: configPath(app) + "/staged", limit: waitTimeout})
	if err != nil {
		return "", err
	}
	return res.Header.Get(api.HeaderDeploy), nil
}

// ConfigHistory says which of the newest n releases (0: all that are looked
// at) changed which config vars and files, of one name when it is given.
func (c *Client) ConfigHistory(ctx context.Context, app, key string, n int) (list []api.ConfigChange, err error) {
	return list, c.get(ctx, withQuery("/apps/"+seg(app)+"/config-history", "key", key, "releases", strconv.Itoa(n)), &list)
}

// Files lists the config files without their content.
func (c *Client) Files(ctx context.Context, app string) (files []api.ConfigFile, err error) {
	return files, c.get(ctx, "/apps/"+seg(app)+"/files", &files)
}

// File is one of them with its content, as it was set.
func (c *Client) File(ctx context.Context, app, path string) (f api.ConfigFile, err error) {
	return f, c.get(ctx, withQuery("/apps/"+seg(app)+"/files", "path", path), &f)
}

// SetFile sets a config file and gives the id of the deploy that brings it to
// serve.
func (c *Client) SetFile(ctx context.Context, app string, in api.SetFile) (deploy string, err error) {
	res, err := c.do(ctx, call{method: http.MethodPut, path: "/apps/" + seg(app) + "/files", in: in, limit: waitTimeout})
	if err != nil {
		return "", err
	}
	return res.Header.Get(api.HeaderDeploy), nil
}

// UnsetFile removes one, likewise.
func (c *Client) UnsetFile(ctx context.Context, app, path string) (deploy string, err error) {
	res, err := c.do(ctx, call{method: http.MethodDelete, path: "/apps/" + seg(app) + "/files?path=" + url.QueryEscape(path), limit: waitTimeout})
	if err != nil {
		return "", err
	}
	return res.Header.Get(api.HeaderDeploy), nil
}

// ReleaseDiff compares two releases by id or version; empty ones are the
// current and the newest before it that served.
func (c *Client) ReleaseDiff(ctx context.Context, app, from, to string) (d api.ReleaseDiff, err error) {
	if to == "" {
		to = "current"
	}
	return d, c.get(ctx, withQuery("/apps/"+seg(app)+"/releases/"+seg(to)+"/diff", "from", from), &d)
}

// ReleaseOutput is what the release command has printed so far.
func (c *Client) ReleaseOutput(ctx context.Context, app, release string) (string, error) {
	res, err := c.send(ctx, call{method: http.MethodGet, path: "/apps/" + seg(app) + "/releases/" + seg(release) + "/output"}, "text/plain")
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	if err != nil {
		return "", c.lost(ctx, err)
	}
	if len(text) > maxAnswer {
		return "", fmt.Errorf("the output is larger than %d bytes", maxAnswer)
	}
	return string(text), nil
}

// Retry makes a new release of the newest, which failed ("" or its version).
func (c *Client) Retry(ctx context.Context, app, release string) (r api.Release, deploy string, err error) {
	if release == "" {
		release = "latest"
	}
	res, err := c.do(ctx, call{method: http.MethodPost, path: "/apps/" + seg(app) + "/releases/" + seg(release) + "/retry", out: &r, limit: waitTimeout})
	if err != nil {
		return r, "", err
	}
	return r, res.Header.Get(api.HeaderDeploy), nil
}

// MasterKey names the server's master key.
func (c *Client) MasterKey(ctx context.Context) (k api.MasterKey, err error) {
	return k, c.get(ctx, "/master-key", &k)
}

// RotateMasterKey has all data keys wrapped with a new master key.
func (c *Client) RotateMasterKey(ctx context.Context) (k api.MasterKey, err error) {
	_, err = c.do(ctx, call{method: http.MethodPost, path: "/master-key/rotate", out: &k})
	return k, err
}
