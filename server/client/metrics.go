package client

import (
	"context"
	"net/url"
	"strconv"

	"paas/server/api"
)

// Metrics reads what an app did since and until times, or so long ago ("2h"),
// in at most so many steps; empty and 0 leave it to the server.
func (c *Client) Metrics(ctx context.Context, app, since, until string, points int) (m api.Metrics, err error) {
	q := url.Values{}
	for name, v := range map[string]string{"since": since, "until": until} {
		if v != "" {
			q.Set(name, v)
		}
	}
	if points != 0 {
		q.Set("points", strconv.Itoa(points))
	}
	return m, c.get(ctx, "/apps/"+seg(app)+"/metrics?"+q.Encode(), &m)
}
