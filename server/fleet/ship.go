package fleet

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"time"

	"paas/scheduler/agent"
)

const (
	shipBytes = 2 << 20      // of text in one message
	shipLines = maxItems / 2 // of them
	shipLimit = 20 * time.Second
)

// Log is agent.Control. While the control plane is away it waits: what was not
// read yet is safe in the engine's files, which are bounded, and nothing is
// kept here.
func (c *Client) Log(list []agent.Line) {
	for len(list) > 0 {
		var b logBatch
		n, size := 0, 0
		for ; n < min(len(list), shipLines) && size < shipBytes; n++ {
			l := list[n]
			b.Lines = append(b.Lines, line{Instance: l.Instance, At: l.At, Text: []byte(l.Text), Platform: l.Platform})
			size += len(l.Text)
		}
		c.ship(b)
		list = list[n:]
	}
}

func (c *Client) ship(b logBatch) {
	c.insist(c.stopping, func() error {
		text, err := json.Marshal(b)
		if err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(context.Background(), shipLimit)
		defer cancel()
		ctx, stop := c.whileRunning(ctx)
		defer stop()
		err = c.ask(ctx, bulk, http.MethodPost, "/v1/logs", text, &done{})
		b.Again = true // it may have been taken although the answer was lost
		return err
	})
}

// whileRunning is a context that also ends with Run.
func (c *Client) whileRunning(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	over := make(chan struct{})
	go func() {
		defer close(over)
		select {
		case <-c.stopping:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, func() {
		cancel()
		<-over
	}
}

// LogCursor is agent.Control. It waits for the control plane: who does not
// know where to go on would send everything again.
func (c *Client) LogCursor(instance string) (at time.Time) {
	c.insist(c.stopping, func() error {
		ctx, cancel := context.WithTimeout(context.Background(), bodyLimit)
		defer cancel()
		ctx, stop := c.whileRunning(ctx)
		defer stop()
		return c.ask(ctx, quick, http.MethodGet, "/v1/cursor?instance="+url.QueryEscape(instance), nil, &at)
	})
	return at
}
