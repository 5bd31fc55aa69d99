package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"syscall"
	"time"
)

const (
	tryLimit    = 5 * time.Second        // one probe
	shortestGap = 5 * time.Millisecond   // between the first probes
	longestGap  = 250 * time.Millisecond // between later ones
	bodyLimit   = 64 << 10               // bytes of an answer that are read before hanging up
	// telling is how long a probe that the deadline cut must have waited for
	// its silence to say more than the answer before it.
	telling = 20 * time.Millisecond
)

// probeClient makes the client of all probes. Every probe is a connection of
// its own: a kept one would say nothing about whether the app still accepts.
func probeClient() *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			Proxy:                  nil, // whatever the environment says: containers are next door
			DialContext:            (&net.Dialer{Timeout: tryLimit}).DialContext,
			DisableKeepAlives:      true,
			DisableCompression:     true,
			MaxResponseHeaderBytes: 64 << 10,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// healthy blocks until the process c is healthy. Its error is for people:
// what was seen last when the time was up.
func (i *instance) healthy(ctx context.Context, c Container) error {
	began := time.Now()
	if i.a.Port == 0 {
		// Nothing to ask; what matters is that it does not end at once. Counted
		// from its real start, for processes taken over.
		return sleep(ctx, i.cfg.Settle-max(0, time.Since(c.Started)))
	}
	limit := i.a.Probe.Deadline
	if limit <= 0 {
		limit = i.cfg.Boot
	}
	// A process taken over gets its whole time again: that it is older than
	// its deadline says that it was healthy once, not that it is not.
	ctx, cancel := context.WithDeadline(ctx, began.Add(limit))
	defer cancel()
	var last error
	for {
		asked := time.Now()
		switch err := i.probe(ctx, i.inside(c)); {
		case err == nil:
			return nil
		case ctx.Err() == nil || last == nil || time.Since(asked) > telling:
			last = err
		}
		if sleep(ctx, gap(time.Since(began))) != nil || ctx.Err() != nil {
			return bootTimeout(last, limit)
		}
	}
}

// gap is the pause before the next probe. It grows with the time gone by, so
// that what it adds to any boot stays about an eighth, and a boot of
// milliseconds is seen within milliseconds.
func gap(gone time.Duration) time.Duration {
	return min(max(gone/8, shortestGap), longestGap)
}

// probe asks once.
func (i *instance) probe(ctx context.Context, addr string) error {
	if addr == "" {
		return errors.New("the container has no address")
	}
	ctx, cancel := context.WithTimeout(ctx, tryLimit)
	defer cancel()
	path := i.a.Probe.Path
	if path == "" {
		path = "/"
	}
	what := fmt.Sprintf("GET %s on port %d", path, i.a.Port)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+path, nil)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	req.Host = i.a.Probe.Host
	req.Header.Set("User-Agent", "paas-probe")
	resp, err := i.http.Do(req)
	if err != nil {
		return probeError(what, i.a.Port, err)
	}
	// Read a little, so that a server is not cut off in a short answer.
	_, _ = io.CopyN(io.Discard, resp.Body, bodyLimit)
	_ = resp.Body.Close()
	if resp.StatusCode >= 500 {
		return fmt.Errorf("%s answered %d", what, resp.StatusCode)
	}
	return nil
}

func probeError(what string, port int, err error) error {
	var slow net.Error
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return &nothingListens{port}
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &slow) && slow.Timeout():
		return fmt.Errorf("%s did not answer", what)
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("%s: the connection was closed without an answer", what)
	}
	return fmt.Errorf("%s failed: %w", what, err)
}

// nothingListens has its own type because its text names the time in its middle.
type nothingListens struct{ port int }

func (n *nothingListens) Error() string {
	return fmt.Sprintf("nothing listens on 0.0.0.0:%d", n.port)
}
