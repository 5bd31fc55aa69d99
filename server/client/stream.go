package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"paas/server/api"
)

// Logs makes a log session and copies it to out until it ends.
func (c *Client) Logs(ctx context.Context, app string, in api.LogSessionRequest, out io.Writer) error {
	var s api.LogSession
	q := call{method: http.MethodPost, path: "/apps/" + seg(app) + "/log-sessions", in: in, out: &s}
	if _, err := c.do(ctx, q); err != nil {
		return err
	}
	path, err := c.local(s.LogplexURL)
	if err != nil {
		return err
	}
	_, err = c.copy(ctx, path, out, 0)
	return err
}

// local is the path of a URL of this API. Streams are read where everything
// else is, whatever name the server knows itself by.
func (c *Client) local(address string) (string, error) {
	u, err := url.Parse(address)
	if err != nil || u.Path == "" {
		return "", errors.New("the server sent a stream's address that is none")
	}
	base, err := url.Parse(c.base)
	if err != nil {
		return "", fmt.Errorf("server address: %w", err)
	}
	return strings.TrimPrefix(u.RequestURI(), strings.TrimRight(base.Path, "/")), nil
}

// copy reads a stream to its end, leaving out its first bytes, and says how
// many bytes of it have passed in all.
func (c *Client) copy(ctx context.Context, path string, out io.Writer, skip int64) (int64, error) {
	res, err := c.send(ctx, call{method: http.MethodGet, path: path}, "text/plain")
	if err != nil {
		return skip, err
	}
	defer res.Body.Close()
	if _, err := io.CopyN(io.Discard, res.Body, skip); err != nil {
		return skip, c.lost(ctx, err)
	}
	n, err := io.Copy(out, &tagged{res.Body})
	var in *readError
	if errors.As(err, &in) {
		err = c.lost(ctx, in.error)
	}
	return skip + n, err
}

// tagged marks errors of reading, to tell them from those of writing.
type tagged struct{ io.Reader }

type readError struct{ error }

func (e *readError) Unwrap() error { return e.error }

func (t *tagged) Read(p []byte) (int, error) {
	n, err := t.Reader.Read(p)
	if err != nil && err != io.EOF {
		err = &readError{err}
	}
	return n, err
}

// Follow copies what a deploy prints to out until it has ended, and gives it
// as it ended. A connection that breaks is made anew for two minutes: the
// deploy goes on without us, and what was copied is not copied again.
func (c *Client) Follow(ctx context.Context, app, id string, out io.Writer) (api.Deploy, error) {
	const patience, most = 2 * time.Minute, 5 * time.Second
	path := "/apps/" + seg(app) + "/deploys/" + seg(id) + "/output"
	var passed int64
	pause, since := 100*time.Millisecond, time.Now()
	for {
		n, err := c.copy(ctx, path, out, passed)
		if n > passed {
			pause, since = 100*time.Millisecond, time.Now()
		}
		passed = n
		var d api.Deploy
		if err == nil {
			d, err = c.Deploy(ctx, app, id)
		}
		if err == nil && d.Final() {
			return d, nil
		}
		if err != nil && (!again(err) || time.Since(since) > patience) {
			return d, err
		}
		select {
		case <-ctx.Done():
			return d, ctx.Err()
		case <-time.After(pause):
		}
		pause = min(2*pause, most)
	}
}

// again says whether an error may be gone at the next try.
func again(err error) bool {
	var e *api.Error
	if errors.As(err, &e) {
		return e.Status >= 500
	}
	return errors.Is(err, ErrUnreachable)
}
