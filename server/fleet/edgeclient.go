package fleet

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"paas/router"
	"paas/server"
)

// EdgeConfig is what an EdgeClient has to know.
type EdgeConfig struct {
	Dir     string        // the router's data directory
	Addr    func() string // where it takes requests, for people
	Program string        // version of the program
	// Examine looks at this machine and gives what is not in order; nil: nobody looks.
	Examine func(context.Context) []server.Finding
}

// EdgeClient is the control plane as a router on another machine has it
// (router.Source). While the control plane is away it keeps trying: the router
// serves from its last table, lines and figures wait as long as there is room.
type EdgeClient struct {
	cfg   EdgeConfig
	log   *slog.Logger
	c     *Client // its connections, and who this router is
	life  string  // of this process
	tally *router.Tally
	lines lineQueue
	gate  *gate // of requests for the dashboard

	beatDue chan struct{}

	mu     sync.Mutex
	stream string // the newest
	table  int64  // version of what came by it, 0 for nothing
	routes map[string]router.Route
	by     map[int64]string // streams of tables that were handed on, by version
	ack    router.Ack

	examined bool // findings are those of this machine
	findings []server.Finding
	untold   bool // by the newest stream
}

var _ router.Source = (*EdgeClient)(nil)

// NewEdgeClient reads who this router is.
func NewEdgeClient(cfg EdgeConfig, log *slog.Logger) (*EdgeClient, error) {
	c, err := NewClient(ClientConfig{Dir: cfg.Dir, Edge: true}, log)
	if err != nil {
		return nil, err
	}
	e := &EdgeClient{cfg: cfg, log: log, c: c, life: rand.Text(), tally: router.NewTally(), lines: newLineQueue(),
		beatDue: make(chan struct{}, 1), by: map[int64]string{}}
	e.gate = newGate(e.door, "The control plane has gone while it worked on this. It may have been done: look before you do it again.", log)
	return e, nil
}

// Identity is who this router is.
func (e *EdgeClient) Identity() Identity { return e.c.Identity() }

// Domain is the apps' domain and the platform's own host name.
func (e *EdgeClient) Domain() (domain, platformHost string) {
	id := e.c.Identity()
	return id.Edge.Domain, id.Edge.PlatformHost
}

// Run sends what waits and renews the certificate until ctx ends. By then the
// router must have stopped: that is what the control plane is told last.
func (e *EdgeClient) Run(ctx context.Context) error {
	var all sync.WaitGroup
	for _, part := range []func(context.Context){e.examine, e.sendBeats, e.sendBatches, e.c.renewals} {
		all.Go(func() { part(ctx) })
	}
	all.Wait()
	l := e.c.connections()
	l.leave()
	l.closeIdle()
	return nil
}

// Observe is router.Config's: it counts one request.
func (e *EdgeClient) Observe(o router.Observation) { e.tally.Observe(o) }

// Log is router.Config's: the line waits to be sent.
func (e *EdgeClient) Log(appID string, at time.Time, line string) {
	e.lines.put(edgeLine{App: appID, At: at, Text: line})
}

// Watch is router.Source.
func (e *EdgeClient) Watch(ctx context.Context, _ string) <-chan router.Table {
	newest, out := make(chan router.Table, 1), make(chan router.Table)
	go func() {
		defer close(newest)
		e.c.follow(ctx, "/v1/router/tables", maxTable, func(b []byte) error { return e.take(b, newest) })
	}()
	go func() {
		defer close(out)
		for t := range newest {
			select {
			case out <- t:
			case <-ctx.Done():
			}
		}
	}()
	return out
}

// sendBeats tells whoever leads of this router, at once when there is news, and
// last that it has stopped.
func (e *EdgeClient) sendBeats(ctx context.Context) {
	var ticking sync.WaitGroup
	ticking.Go(func() {
		for every := time.NewTicker(beatEvery); ; {
			select {
			case <-every.C:
				ring(e.beatDue)
			case <-ctx.Done():
				every.Stop()
				return
			}
		}
	})
	e.c.touch(ctx, e.beatDue, func(ctx context.Context, way http.RoundTripper, to string) error {
		return e.sendBeat(ctx, way, to, e.beat())
	})
	ticking.Wait()
	last := e.beat()
	last.Leaving = true
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), beatLimit)
	defer cancel()
	l := e.c.connections()
	_ = e.sendBeat(limited, l.beat, l.to, last) // it is found out anyway, a little later
}

func (e *EdgeClient) sendBeat(ctx context.Context, way http.RoundTripper, to string, m beatMessage) error {
	var reply inOffice
	err := post(ctx, way, "https://"+to+"/v1/router/beat", m, &reply)
	if err == nil {
		e.c.heardOf(reply)
		e.heardOut(m)
	}
	return err
}

// examine looks at this machine once, beside the rest.
func (e *EdgeClient) examine(ctx context.Context) {
	if e.cfg.Examine == nil {
		return
	}
	list := e.cfg.Examine(ctx)
	e.mu.Lock()
	e.examined, e.findings, e.untold = true, list, true
	e.mu.Unlock()
	ring(e.beatDue)
}

// heardOut notes that a beat was taken by who tells the tables now: that one
// knows of this machine.
func (e *EdgeClient) heardOut(m beatMessage) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if m.Examined && m.Stream == e.stream {
		e.untold = false
	}
}

const beatEvery = 500 * time.Millisecond

func (e *EdgeClient) beat() beatMessage {
	e.mu.Lock()
	defer e.mu.Unlock()
	m := beatMessage{Stream: e.by[e.ack.Version], Version: e.ack.Version, Busy: e.ack.Busy, Addr: e.cfg.Addr(), Program: e.cfg.Program, Servers: e.c.serversSum()}
	if e.untold && m.Stream == e.stream {
		m.Examined, m.Findings = true, e.findings
	}
	return m
}

// Ack is router.Source.
func (e *EdgeClient) Ack(a router.Ack) {
	e.mu.Lock()
	e.ack = a
	e.mu.Unlock()
	ring(e.beatDue)
}

// JoinRouter makes this machine a router. It may be said again.
func JoinRouter(ctx context.Context, j Joining, program string) (Identity, error) {
	id, err := prepared(j.Dir, j.Server, j.CA)
	if err != nil {
		return id, fmt.Errorf("prepare this router's key: %w", err)
	}
	q := joinRequest{Token: j.Token, Agent: program}
	if q.CSR, err = id.csr(); err != nil {
		return id, err
	}
	if err := id.enroll(ctx, j, "/v1/router/join", q); err != nil {
		return id, err
	}
	if id.Edge == nil {
		return id, errors.New("the control plane has answered as to a host")
	}
	return id, id.write(j.Dir)
}
