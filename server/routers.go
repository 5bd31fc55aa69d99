package server

import (
	"context"
	"crypto/sha256"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"paas/router"
)

// Defaults of RoutersConfig.
const (
	routerLease = 2500 * time.Millisecond
	routerNote  = 2 * time.Second
)

// RoutersConfig are the figures of the routers; zero values are the defaults.
type RoutersConfig struct {
	// Lease is how long a router that is not heard of holds up deploys, on this
	// process's monotonic clock: 2.5 s. One that was not heard of yet by a new
	// leader has twice as long.
	Lease time.Duration
	Note  time.Duration // who was heard of is stored, and who was removed seen, this often; 2 s
	Local LocalRouter
}

// LocalRouter is the router in this process; its zero value: there is none.
type LocalRouter struct{ ID, Addr, Version string }

// Routers are the routers in other processes as the leader hears of them. Each
// follows the tables of Traffic and holds up deploys until it has said that it
// serves from them, or is not heard of for so long that it is lost.
type Routers struct {
	cfg     RoutersConfig
	store   RouterStore
	traffic *Traffic
	meter   *Meter
	logs    Logs
	log     *slog.Logger

	mu      sync.Mutex
	leads   bool
	routers map[string]*remote // by id: all that are known
}

// remote is a router elsewhere.
type remote struct {
	name     string
	heard    time.Time // on the monotonic clock; zero: not since this process leads
	until    time.Time // then it is lost, if it is not heard of
	lost     bool
	said     RouterBeat
	findings []Finding
	stream   string // the newest, "" when there is none
	cut      context.CancelFunc
	batch    sync.Mutex // one at a time
	life     string     // of its newest batch, and its number
	number   int64
	unstored bool // it was heard of since it was stored
}

// NewRouters makes it. Until it leads nothing is called quiet or serving.
func NewRouters(cfg RoutersConfig, store RouterStore, traffic *Traffic, meter *Meter, logs Logs, log *slog.Logger) *Routers {
	if cfg.Lease == 0 {
		cfg.Lease = routerLease
	}
	if cfg.Note == 0 {
		cfg.Note = routerNote
	}
	traffic.uncounted()
	return &Routers{cfg: cfg, store: store, traffic: traffic, meter: meter, logs: logs, log: log, routers: map[string]*remote{}}
}

// Join makes a router of a machine. A token is good for one router; the same
// token with the same key again gives the same router.
func (r *Routers) Join(ctx context.Context, j RouterJoin) (id, name string, err error) {
	if !strings.HasPrefix(j.Token, routerTokenPrefix) || mistyped(routerTokenPrefix, j.Token) {
		return "", "", &Error{ID: ErrUnauthorized, Message: "The token is mistyped: it is not one of those that paas routers:add gives. The router has not joined."}
	}
	if len(j.Key) != sha256.Size {
		return "", "", Errorf(ErrInvalid, "The router's key is not told by its SHA-256. The router has not joined.")
	}
	j.Addr, j.Version = shortText(j.Addr), shortText(j.Version)
	if id, name, err = r.store.JoinRouter(ctx, hashOf(j.Token), j); err != nil {
		return "", "", err
	}
	r.log.Info("router joined", "router", name, "from", j.Addr, "version", j.Version)
	return id, name, nil
}

// RouterByKey finds the router that has that key (the SHA-256 of its public
// half); one that was removed is ErrNotFound.
func (r *Routers) RouterByKey(ctx context.Context, keyHash []byte) (id string, err error) {
	return r.store.RouterByKey(ctx, keyHash)
}

// RenewKey replaces the key of a router. Said again it changes nothing.
func (r *Routers) RenewKey(ctx context.Context, id string, from, to []byte) error {
	if len(to) != sha256.Size {
		return Errorf(ErrInvalid, "The router's new key is not told by its SHA-256. Nothing was changed.")
	}
	return r.store.RenewRouterKey(ctx, id, from, to)
}

var errNoLeader = &Error{ID: ErrUnavailable, Message: "This control plane does not lead now, or has only just begun to."}

// Follow begins a router's stream of tables, in the place of an older one. From
// then on deploys wait for it. The stream's name is what it acknowledges by.
func (r *Routers) Follow(ctx context.Context, id string) (stream string, tables <-chan router.Table, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.leads {
		return "", nil, errNoLeader
	}
	m := r.known(id)
	if m.cut != nil {
		m.cut()
	}
	ctx, m.cut = context.WithCancel(ctx)
	m.stream = uuid.NewString()
	r.heardOf(m)
	if m.lost {
		m.lost = false
		r.log.Info("router is heard of again", "router", m.name)
	}
	r.traffic.hold(id)
	return m.stream, r.traffic.Watch(ctx, id), nil
}

// known gives a router, which may be new; r.mu is held.
func (r *Routers) known(id string) *remote {
	m := r.routers[id]
	if m == nil {
		m = &remote{name: id}
		r.routers[id] = m
	}
	return m
}

// heardOf notes a sign of life; r.mu is held.
func (r *Routers) heardOf(m *remote) {
	m.heard, m.unstored = time.Now(), true
	m.until = m.heard.Add(r.cfg.Lease)
}

// Beat takes a router's sign of life. What it acknowledges counts when it came
// by its newest stream: what it was told before, or by another leader, does not.
func (r *Routers) Beat(id string, b RouterBeat) error {
	r.mu.Lock()
	if !r.leads {
		r.mu.Unlock()
		return errNoLeader
	}
	m := r.known(id)
	r.heardOf(m)
	if b.Leaving {
		r.leave(id, m)
		r.mu.Unlock()
		return nil
	}
	b.Addr, b.Version = shortText(b.Addr), shortText(b.Version)
	fresh := b.Stream == m.stream && b.Stream != "" && !sameAck(b, m.said)
	m.said = b
	if b.Examined && checkFindings("", b.Findings) == nil {
		m.findings = b.Findings
	}
	r.mu.Unlock()
	if fresh {
		b.Ack.Router = id
		r.traffic.Ack(b.Ack)
	}
	return nil
}

// Take keeps a batch of a router's lines and figures; one that comes again is
// not taken again.
func (r *Routers) Take(id string, b RouterBatch) error {
	r.mu.Lock()
	if !r.leads {
		r.mu.Unlock()
		return errNoLeader
	}
	m := r.known(id)
	r.heardOf(m)
	r.mu.Unlock()
	m.batch.Lock()
	defer m.batch.Unlock()
	if b.Life == m.life && b.Number <= m.number {
		return nil
	}
	m.life, m.number = b.Life, b.Number
	r.keepLines(b)
	r.meter.Add(r.ownCounts(b.Counts))
	return nil
}
