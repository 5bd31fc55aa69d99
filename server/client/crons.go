package client

import (
	"context"
	"fmt"
	"net/http"

	"paas/server/api"
)

// Crons lists the crons of an app.
func (c *Client) Crons(ctx context.Context, app string) (list []api.Cron, err error) {
	return list, c.get(ctx, "/apps/"+seg(app)+"/crons", &list)
}

// SuspendCron stops or resumes one, by the beginning of its id.
func (c *Client) SuspendCron(ctx context.Context, app, id string, suspended bool) (cron api.Cron, err error) {
	in := api.ChangeCron{Suspended: &suspended}
	_, err = c.do(ctx, call{method: http.MethodPatch, path: "/apps/" + seg(app) + "/crons/" + seg(id), in: in, out: &cron})
	return cron, err
}

// RunCron runs one now.
func (c *Client) RunCron(ctx context.Context, app, id string) (run api.CronRun, err error) {
	_, err = c.do(ctx, call{method: http.MethodPost, path: "/apps/" + seg(app) + "/crons/" + seg(id) + "/runs", out: &run})
	return run, err
}

// CronRuns lists the newest n runs of one cron, or of all with "", newest first.
func (c *Client) CronRuns(ctx context.Context, app, id string, n int) (list []api.CronRun, err error) {
	path := "/apps/" + seg(app) + "/crons"
	if id != "" {
		path += "/" + seg(id)
	}
	return list, c.get(ctx, fmt.Sprintf("%s/runs?max=%d", path, n), &list)
}
