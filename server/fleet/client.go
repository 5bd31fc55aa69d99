package fleet

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"

	"paas/router"
	"paas/scheduler/agent"
	"paas/server"
)

// ClientConfig is what a Client has to know.
type ClientConfig struct {
	Dir      string // the agent's data directory
	Registry string // host:port of the loopback registry, as images are pulled from
	// Machine is asked, until it knows, for what is told at the start.
	Machine func(context.Context) (Machine, error)
	// Findings examines the machine, which may take long; nil: Machine has them.
	Findings func() []server.Finding
	// Edge says that this is a router's, and not a host's.
	Edge bool
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

	beatDue   chan struct{}
	usageDue  chan usageBatch
	linksDue  chan router.Ack
	renewDue  chan struct{}
	stopping  chan struct{} // closed when Run is told to end
	announced chan struct{} // closed when the control plane knows what this machine has
	guests    sync.WaitGroup
	images    images

	lost chan stray // asks sendBeats to look for who leads

	mu      sync.Mutex
	id      Identity
	lines   lines
	beat    agent.Beat    // the newest
	servers servers       // as they are kept on disk
	list    []string      // of the servers, read from there
	former  []string      // likewise, of those that were on the list before
	back    chan struct{} // closed, and made anew, when it answers again
	told    string        // about the connection, last
	toldAt  time.Time
	last    struct{ epoch, seq int64 } // of the newest set
	heard   int64                      // newest epoch that anybody has led under
}

// lines are the connections to the server that leads. What is urgent shares none
// with what is large.
type lines struct {
	to                         string // HOST:PORT
	beat, quick, streams, bulk *http.Transport

	left  context.Context // ends when another leads
	leave context.CancelFunc
}

var (
	_ agent.Control     = (*Client)(nil)
	_ router.LinkSource = (*Client)(nil)
)

// NewClient reads who this host is.
func NewClient(cfg ClientConfig, log *slog.Logger) (*Client, error) {
	if cfg.Alone == 0 {
		cfg.Alone = 5 * time.Second
	}
	id, err := ReadIdentity(cfg.Dir)
	if err == nil {
		err = cfg.mayBe(id)
	}
	if err != nil {
		return nil, err
	}
	c := &Client{cfg: cfg, log: log, id: id, beatDue: make(chan struct{}, 1), beat: agent.Beat{Engine: true}, usageDue: make(chan usageBatch, 4), linksDue: make(chan router.Ack, 1),
		renewDue: make(chan struct{}, 1), stopping: make(chan struct{}), announced: make(chan struct{}),
		lost: make(chan stray, 1), back: make(chan struct{}), told: "new"}
	c.images.seen = map[string]time.Time{}
	if c.tls, err = id.tlsConfig(c.Identity); err != nil {
		return nil, err
	}
	c.recallServers()
	c.recall()
	return c, nil
}

func (c *Client) newLines(to string) lines {
	l := lines{to: to, beat: newTransport(c.tls), quick: newTransport(c.tls), streams: newTransport(c.tls), bulk: newTransport(c.tls)}
	l.left, l.leave = context.WithCancel(context.Background())
	return l
}

func (l lines) url(path string) string { return "https://" + l.to + path }

// during is a context that also ends when another server is gone to.
func (l lines) during(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(l.left, cancel)
	return ctx, func() {
		stop()
		cancel()
	}
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

// ask sends a request to whoever leads. A server that does not is left.
func (c *Client) ask(ctx context.Context, line func(lines) *http.Transport, method, path string, text []byte, reply any) error {
	l := c.connections()
	ctx, cancel := l.during(ctx)
	defer cancel()
	err := do(ctx, line(l), method, l.url(path), text, reply)
	c.astray(l.to, err)
	return err
}

// quickly sends q by the line for what is small.
func (c *Client) quickly(ctx context.Context, path string, q, reply any) error {
	text, err := json.Marshal(q)
	if err != nil {
		return err
	}
	return c.ask(ctx, quick, http.MethodPost, path, text, reply)
}

func quick(l lines) *http.Transport { return l.quick }
func bulk(l lines) *http.Transport  { return l.bulk }

// Run sends what waits and renews the certificate until ctx ends, or this machine
// has joined as another host (ErrRejoined); then it lets sessions say how they
// ended.
func (c *Client) Run(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var all sync.WaitGroup
	for _, part := range []func(context.Context){c.sendBeats, c.sendUsage, c.sendLinkAcks, c.renewals, c.announce} {
		all.Go(func() { part(ctx) })
	}
	var err error
	if c.rejoined(ctx) {
		err = ErrRejoined
	}
	close(c.stopping)
	stop()
	all.Wait()
	c.guests.Wait()
	l := c.connections()
	l.leave()
	l.closeIdle()
	return err
}

// What is told of the connection when it is refused.
const (
	refusedRemoved     = "removed"
	refusedCertificate = "certificate"
)

var errUnannounced = errors.New("the control plane does not know yet what this machine has")

// Report is agent.Control. Where an instance is can be told once the control
// plane knows the address of this machine.
func (c *Client) Report(ctx context.Context, _ string, s []agent.Status) error {
	if !isClosed(c.announced) && slices.ContainsFunc(s, func(s agent.Status) bool { return s.Addr != "" }) {
		return errUnannounced
	}
	err := c.quickly(ctx, "/v1/report", s, &done{})
	c.noted(err)
	return err
}

// Beat is agent.Control. One that could not be sent is replaced by the next.
func (c *Client) Beat(_ string, b agent.Beat) {
	c.mu.Lock()
	c.beat = b
	c.mu.Unlock()
	ring(c.beatDue)
}

// beatLimit is how long one may take. A connection on which one got lost is
// given up: what is dead tells nobody so.
const beatLimit = time.Second

// sendBeats tells whoever leads that this host is there.
func (c *Client) sendBeats(ctx context.Context) {
	c.touch(ctx, c.beatDue, func(ctx context.Context, way http.RoundTripper, to string) error {
		c.mu.Lock()
		q := hostBeat{Beat: c.beat}
		c.mu.Unlock()
		q.Servers = c.serversSum()
		var reply inOffice
		err := post(ctx, way, "https://"+to+"/v1/beat", q, &reply)
		if err == nil {
			c.heardOf(reply)
		}
		return err
	})
}

// returns is closed when a control plane that was away answers again.
func (c *Client) returns() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.back
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
			_ = c.quickly(limited, "/v1/usage", b, &done{}) // a gap in a chart; that it is away others say
			cancel()
		case <-ctx.Done():
			return
		}
	}
}

// announce says once what this machine has, and then what was found when it was
// examined: where its instances are must not wait for that.
func (c *Client) announce(ctx context.Context) {
	examines := c.cfg.Findings != nil
	c.tellMachine(ctx, nil, examines)
	close(c.announced)
	if examines {
		c.tellMachine(ctx, c.cfg.Findings(), false)
	}
}

func (c *Client) tellMachine(ctx context.Context, found []server.Finding, unexamined bool) {
	c.insist(ctx.Done(), func() error {
		limited, cancel := context.WithTimeout(ctx, bodyLimit)
		defer cancel()
		m, err := c.cfg.Machine(limited)
		if err != nil {
			return &Refusal{Message: err.Error()} // the engine is away, and its agent says so
		}
		q := m.request()
		q.Unexamined = unexamined
		if found != nil {
			q.Findings = found
		}
		return c.quickly(limited, "/v1/announce", q, &done{})
	})
}

// insist repeats a call until it is done or refused for good, or stop closes;
// it says whether it was done.
func (c *Client) insist(stop <-chan struct{}, call func() error) bool {
	for pause := 100 * time.Millisecond; ; pause = min(2*pause, 2*time.Second) {
		back := c.returns()
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
		case <-back:
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
		state = refusedRemoved
	case errors.As(err, &refused) && refused.Status == http.StatusUnauthorized:
		state = refusedCertificate
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
	if state == c.told && (state != refusedRemoved || time.Since(c.toldAt) < time.Minute) {
		return
	}
	c.told, c.toldAt = state, time.Now()
	switch state {
	case "":
		close(c.back)
		c.back = make(chan struct{})
		c.log.Info("connected with the control plane", "server", c.lines.to)
	case "away":
		c.log.Warn(c.cfg.alone(), "server", c.lines.to, "err", err)
	default:
		c.log.Error(c.cfg.unknown(), "server", c.lines.to, "err", err)
	}
}
