package fleet

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"

	"paas/scheduler/agent"
)

// ClientConfig is what a Client has to know.
type ClientConfig struct {
	Dir      string // the agent's data directory
	Registry string // host:port of the loopback registry, as images are pulled from
	// Machine is asked, until it knows, for what is told at the start.
	Machine func(context.Context) (Machine, error)
	// Alone is how long the control plane is waited for at the start before
	// the last set is run without it, 5 s when zero.
	Alone time.Duration
}

// Client is the control plane as the agent of a host on another machine has
// it (agent.Control). While the control plane is away it keeps trying: what
// runs goes on, reports and log lines wait.
type Client struct {
	cfg ClientConfig
	log *slog.Logger
	tls *tls.Config

	beatsDue  chan agent.Beat
	usageDue  chan usageBatch
	renewDue  chan struct{}
	stopping  chan struct{} // closed when Run is told to end
	announced chan struct{} // closed when the control plane knows what this machine has
	guests    sync.WaitGroup
	images    images

	mu     sync.Mutex
	id     Identity
	lines  lines
	back   chan struct{} // closed, and made anew, when it answers again
	told   string        // about the connection, last
	toldAt time.Time
	last   struct{ epoch, seq int64 } // of the newest set
}

// lines are the connections to the control plane. What is urgent shares none
// with what is large.
type lines struct {
	beat, quick, streams, bulk *http.Transport
}

var _ agent.Control = (*Client)(nil)

// NewClient reads who this host is.
func NewClient(cfg ClientConfig, log *slog.Logger) (*Client, error) {
	if cfg.Alone == 0 {
		cfg.Alone = 5 * time.Second
	}
	id, err := ReadIdentity(cfg.Dir)
	if err == nil && !id.Joined() {
		err = errors.New("this machine has not joined yet; get the command for it with: paas hosts:add NAME")
	}
	if err != nil {
		return nil, err
	}
	c := &Client{cfg: cfg, log: log, id: id, beatsDue: make(chan agent.Beat, 1), usageDue: make(chan usageBatch, 4),
		renewDue: make(chan struct{}, 1), stopping: make(chan struct{}), announced: make(chan struct{}),
		back: make(chan struct{}), told: "new"}
	c.images.seen = map[string]time.Time{}
	if c.tls, err = id.tlsConfig(c.Identity); err != nil {
		return nil, err
	}
	c.lines = c.newLines()
	c.recall()
	return c, nil
}

func (c *Client) newLines() lines {
	return lines{beat: newTransport(c.tls), quick: newTransport(c.tls), streams: newTransport(c.tls), bulk: newTransport(c.tls)}
}

func (l lines) closeIdle() {
	for _, t := range []*http.Transport{l.beat, l.quick, l.streams, l.bulk} {
		t.CloseIdleConnections()
	}
}

// Identity is who this host is.
func (c *Client) Identity() Identity {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.id
}

func (c *Client) connections() lines {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.lines
}

func (c *Client) url(path string) string { return "https://" + c.Identity().Server + path }

// Run sends what waits and renews the certificate until ctx ends; then it lets
// sessions say how they ended.
func (c *Client) Run(ctx context.Context) error {
	var all sync.WaitGroup
	for _, part := range []func(context.Context){c.sendBeats, c.sendUsage, c.renewals, c.announce} {
		all.Go(func() { part(ctx) })
	}
	<-ctx.Done()
	close(c.stopping)
	all.Wait()
	c.guests.Wait()
	c.connections().closeIdle()
	return nil
}

var errUnannounced = errors.New("the control plane does not know yet what this machine has")

// Report is agent.Control. Where an instance is can be told once the control
// plane knows the address of this machine.
func (c *Client) Report(ctx context.Context, _ string, s []agent.Status) error {
	if !isClosed(c.announced) && slices.ContainsFunc(s, func(s agent.Status) bool { return s.Addr != "" }) {
		return errUnannounced
	}
	err := post(ctx, c.connections().quick, c.url("/v1/report"), s, &done{})
	c.noted(err)
	return err
}

// Beat is agent.Control. One that could not be sent is replaced by the next.
func (c *Client) Beat(_ string, b agent.Beat) {
	select {
	case <-c.beatsDue:
	default:
	}
	select {
	case c.beatsDue <- b:
	default:
	}
}

// beatLimit is how long one may take. A connection on which one got lost is
// given up: what is dead tells nobody so.
const beatLimit = time.Second

func (c *Client) sendBeats(ctx context.Context) {
	for {
		var b agent.Beat
		select {
		case b = <-c.beatsDue:
		case <-ctx.Done():
			return
		}
		limited, cancel := context.WithTimeout(ctx, beatLimit)
		err := post(limited, c.connections().beat, c.url("/v1/beat"), b, &done{})
		cancel()
		if ctx.Err() != nil {
			return
		}
		c.noted(err)
		var refused *Refusal
		if err != nil && !errors.As(err, &refused) {
			c.redial()
		}
	}
}

// returns is closed when a control plane that was away answers again.
func (c *Client) returns() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.back
}

// redial makes the next beat go by a new connection.
func (c *Client) redial() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lines.beat.CloseIdleConnections()
	c.lines.beat = newTransport(c.tls)
}

// Usage is agent.Control. When too many wait, this one is left out.
func (c *Client) Usage(_ string, at time.Time, u []agent.Usage) {
	select {
	case c.usageDue <- usageBatch{At: at, Usage: u}:
	default:
	}
}

func (c *Client) sendUsage(ctx context.Context) {
	for {
		select {
		case b := <-c.usageDue:
			limited, cancel := context.WithTimeout(ctx, bodyLimit)
			_ = post(limited, c.connections().quick, c.url("/v1/usage"), b, &done{}) // a gap in a chart; that it is away others say
			cancel()
		case <-ctx.Done():
			return
		}
	}
}

// announce says once what this machine has.
func (c *Client) announce(ctx context.Context) {
	defer close(c.announced)
	c.insist(ctx.Done(), func() error {
		limited, cancel := context.WithTimeout(ctx, bodyLimit)
		defer cancel()
		m, err := c.cfg.Machine(limited)
		if err != nil {
			return &Refusal{Message: err.Error()} // the engine is away, and its agent says so
		}
		return post(limited, c.connections().quick, c.url("/v1/announce"), m.request(), &done{})
	})
}

// insist repeats a call until it is done or refused for good, or stop closes;
// it says whether it was done.
func (c *Client) insist(stop <-chan struct{}, call func() error) bool {
	for pause := 100 * time.Millisecond; ; pause = min(2*pause, 2*time.Second) {
		err := call()
		if isClosed(stop) {
			return err == nil
		}
		c.noted(err)
		var refused *Refusal
		switch {
		case err == nil:
			return true
		case errors.As(err, &refused) && (refused.Status == http.StatusUnprocessableEntity || refused.Status == http.StatusRequestEntityTooLarge):
			c.log.Error("the control plane does not take what this host says", "err", err)
			return false
		}
		select {
		case <-time.After(pause):
		case <-c.returns():
		case <-stop:
			return false
		}
	}
}

// noted logs when the control plane goes away and when it is back; that the
// host was removed, each minute.
func (c *Client) noted(err error) {
	if errors.Is(err, context.Canceled) {
		return
	}
	state := ""
	var refused *Refusal
	switch {
	case err == nil:
	case errors.As(err, &refused) && refused.Status == http.StatusForbidden:
		state = "removed"
	case errors.As(err, &refused) && refused.Status == http.StatusUnauthorized:
		state = "certificate"
		select {
		case c.renewDue <- struct{}{}:
		default:
		}
	case refused != nil:
		return // it is there, and who has asked says what it was
	default:
		state = "away"
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if state == c.told && (state != "removed" || time.Since(c.toldAt) < time.Minute) {
		return
	}
	c.told, c.toldAt = state, time.Now()
	switch state {
	case "":
		close(c.back)
		c.back = make(chan struct{})
		c.log.Info("connected with the control plane", "server", c.id.Server)
	case "away":
		c.log.Warn("the control plane does not answer; what runs goes on", "server", c.id.Server, "err", err)
	default:
		c.log.Error("the control plane does not know this host; what runs goes on. To join again: run here what paas hosts:add NAME prints, then restart the agent", "server", c.id.Server, "err", err)
	}
}
