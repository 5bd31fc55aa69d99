package drain

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/google/uuid"

	"paas/server"
)

// poster is a drain over HTTPS: batches of frames as logplex posts them.
type poster struct {
	cfg    *Config
	url    *url.URL // without user and password
	user   *url.Userinfo
	token  string
	client *http.Client
	buf    []byte
}

func newPoster(cfg *Config, u server.DrainURL, token string) *poster {
	plain := *u.URL
	plain.User = nil
	dialer := &net.Dialer{Timeout: cfg.Timeout, Control: cfg.Guard.Control}
	return &poster{
		cfg: cfg, url: &plain, user: u.URL.User, token: token,
		client: &http.Client{
			Timeout: cfg.Timeout,
			Transport: &http.Transport{ // no proxy: it would connect where the guard does not see it
				DialContext: dialer.DialContext, TLSClientConfig: tlsConfig(cfg, u), TLSHandshakeTimeout: cfg.Timeout,
				ForceAttemptHTTP2: true, MaxConnsPerHost: 2, IdleConnTimeout: 30 * time.Second, MaxResponseHeaderBytes: 64 << 10,
			},
			// A redirect would carry the lines, and the password, elsewhere.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

// send posts a batch: all of it was taken, or none.
func (p *poster) send(ctx context.Context, lines []server.LogLine) (int, error) {
	p.buf = p.buf[:0]
	for _, l := range lines {
		p.buf = appendFrame(p.buf, l, p.token)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url.String(), bytes.NewReader(bytes.Clone(p.buf)))
	if err != nil {
		return 0, fmt.Errorf("make request: %w", err)
	}
	h := req.Header
	h.Set("Content-Type", "application/logplex-1")
	h.Set("Logplex-Msg-Count", strconv.Itoa(len(lines)))
	h.Set("Logplex-Frame-Id", uuid.NewString())
	h.Set("Logplex-Drain-Token", p.token)
	h.Set("User-Agent", p.cfg.UserAgent)
	if p.user != nil {
		password, _ := p.user.Password()
		req.SetBasicAuth(p.user.Username(), password)
	}
	res, err := p.client.Do(req)
	if err != nil {
		var u *url.Error // names the URL, which may hold a secret
		if errors.As(err, &u) {
			err = u.Err
		}
		return 0, fmt.Errorf("post: %w", err)
	}
	// A short answer is read to its end, so that the connection can be used again.
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 64<<10))
	_ = res.Body.Close()
	switch code := res.StatusCode; {
	case code < 300:
		return len(lines), nil
	case code >= 500, code == http.StatusRequestTimeout, code == http.StatusTooManyRequests, code == http.StatusTooEarly:
		return 0, fmt.Errorf("the collector answered %d %s", code, http.StatusText(code))
	default:
		return 0, &rejectedError{fmt.Sprintf("%d %s", code, http.StatusText(code))}
	}
}

func (p *poster) close() { p.client.CloseIdleConnections() }
