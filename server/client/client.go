// Package client speaks the platform's HTTP API: one method a use, errors as
// *api.Error. It decides nothing and prints nothing.
package client

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"paas/server/api"
)

// Config says which server to speak to, and as whom.
type Config struct {
	// URL is "https://host:port", "http://host:port" or "unix:///path".
	URL       string
	Token     string // empty on the operator's socket
	UserAgent string
	// Timeout bounds one request that only reads or writes rows; 0 is 60 s.
	// Changes that wait for a rollout get 20 minutes, streams have no bound
	// but their context.
	Timeout time.Duration
	// Proxy chooses one; nil connects directly.
	Proxy func(*http.Request) (*url.URL, error)
}

const (
	defaultTimeout = 60 * time.Second
	waitTimeout    = 20 * time.Minute
	dialTimeout    = 10 * time.Second
	maxAnswer      = 32 << 20 // bytes of a JSON answer
)

// Client is a connection to one server, safe for use by many goroutines.
type Client struct {
	base    string
	host    string // for people
	cfg     Config
	http    *http.Client
	wire    *http.Client // HTTP/1.1 only, for what becomes a WebSocket
	timeout time.Duration
}

// New checks the URL; it does not connect.
func New(cfg Config) (*Client, error) {
	u, err := url.Parse(cfg.URL)
	if err != nil {
		return nil, fmt.Errorf("server address %q: %w", cfg.URL, err)
	}
	dialer := &net.Dialer{Timeout: dialTimeout}
	t := &http.Transport{
		Proxy:                 cfg.Proxy,
		DialContext:           dialer.DialContext,
		TLSHandshakeTimeout:   dialTimeout,
		ForceAttemptHTTP2:     true,
		MaxIdleConnsPerHost:   4,
		IdleConnTimeout:       30 * time.Second,
		ResponseHeaderTimeout: waitTimeout,
	}
	c := &Client{cfg: cfg, timeout: cfg.Timeout}
	switch {
	case (u.Scheme == "http" || u.Scheme == "https") && u.Host != "":
		c.base, c.host = strings.TrimRight(u.Scheme+"://"+u.Host+u.Path, "/"), u.Host
	case u.Scheme == "unix" && u.Host == "" && u.Path != "":
		c.base, c.host = "http://paas", u.Path
		t.Proxy = nil
		t.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, "unix", u.Path)
		}
	default:
		return nil, fmt.Errorf("server address %q: want http://HOST, https://HOST or unix:///PATH", cfg.URL)
	}
	if c.timeout <= 0 {
		c.timeout = defaultTimeout
	}
	// A redirect would carry the token to where nobody meant it to go.
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	old := t.Clone()
	old.ForceAttemptHTTP2, old.TLSClientConfig = false, &tls.Config{NextProtos: []string{"http/1.1"}}
	c.http, c.wire = &http.Client{Transport: t, CheckRedirect: stay}, &http.Client{Transport: old, CheckRedirect: stay}
	return c, nil
}

// Close frees idle connections.
func (c *Client) Close() {
	c.http.CloseIdleConnections()
	c.wire.CloseIdleConnections()
}

// call is one request.
type call struct {
	method, path string
	in, out      any
	rng          string        // Range header
	limit        time.Duration // 0 is the client's
	wire         bool          // by the connection that then becomes a WebSocket: it is there already
}

// do sends a request and decodes its answer.
func (c *Client) do(ctx context.Context, q call) (*http.Response, error) {
	limit := q.limit
	if limit == 0 {
		limit = c.timeout
	}
	ctx, done := context.WithTimeout(ctx, limit)
	defer done()
	res, err := c.send(ctx, q, api.ContentType)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	if err != nil {
		return nil, c.lost(ctx, err)
	}
	if len(body) > maxAnswer {
		return nil, fmt.Errorf("the answer of %s is larger than %d bytes", c.host, maxAnswer)
	}
	if q.out == nil {
		return res, nil
	}
	if err := json.Unmarshal(body, q.out); err != nil {
		return nil, fmt.Errorf("the answer of %s is not what the API answers (%s %s): %w", c.host, q.method, q.path, err)
	}
	return res, nil
}

// send gives the response when it is a success; its body is the caller's.
func (c *Client) send(ctx context.Context, q call, accept string) (*http.Response, error) {
	var body io.Reader
	if q.in != nil {
		b, err := json.Marshal(q.in)
		if err != nil {
			return nil, fmt.Errorf("encode request: %w", err)
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, q.method, c.base+q.path, body)
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	req.Header.Set("Accept", accept)
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.cfg.Token != "" {
		req.Header.Set("Authorization", "Bearer "+c.cfg.Token)
	}
	if c.cfg.UserAgent != "" {
		req.Header.Set("User-Agent", c.cfg.UserAgent)
	}
	if q.rng != "" {
		req.Header.Set("Range", q.rng)
	}
	by := c.http
	if q.wire {
		// A server may ignore the wish to upgrade, and does here; but without it
		// net/http would not use the connection for the WebSocket that follows.
		by = c.wire
		req.Header.Set("Connection", "Upgrade")
		req.Header.Set("Upgrade", "websocket")
	}
	res, err := by.Do(req)
	if err != nil {
		return nil, c.lost(ctx, err)
	}
	if res.StatusCode < 200 || res.StatusCode > 299 {
		defer res.Body.Close()
		return nil, c.refusal(res)
	}
	return res, nil
}

// ErrUnreachable says that the server did not answer; whether it did what was
// asked is not known unless the connection was never made.
var ErrUnreachable = errors.New("server not reached")

// lost says why there was no answer, without the URL (it may hold a token).
func (c *Client) lost(ctx context.Context, err error) error {
	if cause := ctx.Err(); errors.Is(cause, context.Canceled) {
		return cause
	}
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%w: %s did not answer in time", ErrUnreachable, c.host)
	}
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "dial" {
		return fmt.Errorf("%w: cannot connect to %s: %w. Nothing was changed", ErrUnreachable, c.host, op.Err)
	}
	return fmt.Errorf("%w: the connection to %s broke: %w", ErrUnreachable, c.host, err)
}

// refusal reads an error body; anything else did not come from the API.
func (c *Client) refusal(res *http.Response) error {
	const most = 64 << 10
	e := &api.Error{}
	body, err := io.ReadAll(io.LimitReader(res.Body, most))
	if err != nil || json.Unmarshal(body, e) != nil || e.Message == "" {
		e = &api.Error{ID: "not_the_api", Message: fmt.Sprintf("%s answered %q, and not as the API does.", c.host, res.Status)}
	}
	e.Status, e.RequestID = res.StatusCode, res.Header.Get(api.HeaderRequestID)
	return e
}

// list reads a list page by page, at most limit items (0: all).
func list[T any](ctx context.Context, c *Client, path, rng string, limit int) ([]T, error) {
	const mostPages = 1000
	var all []T
	for range mostPages {
		var page []T
		res, err := c.do(ctx, call{method: http.MethodGet, path: path, out: &page, rng: rng})
		if err != nil {
			return nil, err
		}
		all = append(all, page...)
		rng = res.Header.Get(api.HeaderNextRange)
		if limit > 0 && len(all) >= limit {
			return all[:limit], nil
		}
		if res.StatusCode != http.StatusPartialContent || rng == "" {
			return all, nil
		}
	}
	return nil, fmt.Errorf("the list %s of %s does not end", path, c.host)
}
