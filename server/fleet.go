package server

import (
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"time"

	"paas/scheduler/agent"
)

// Defaults of FleetConfig.
const (
	hostLease  = 2500 * time.Millisecond
	flushEvery = 500 * time.Millisecond
)

// LossMemory is how long a loss counts as one of those that happen together: a
// dead machine that nobody removes must not keep the others' loss from being seen.
const LossMemory = 10 * time.Minute

// Fleet is the hosts as the control plane hears of them. It declares lost those
// that are silent, while this process leads, with two doubts: nobody is lost
// before everybody had the time to be heard (grace), nor when so many are
// silent at once that it is rather this process that hears nothing (guard).
type Fleet struct {
	cfg   FleetConfig
	store FleetStore
	bell  *Bell
	log   *slog.Logger

	mu    sync.Mutex
	beats map[string]heard // by host, until they are written
	// stocks are what hosts have of disk and volumes, until it is written; shelf what was.
	stocks map[string]agent.Stock
	shelf  map[string]shelved

	// Below: owned by Run alone.
	epoch   int64
	since   time.Time // beats were written without a gap since then; zero: they were not
	last    time.Time // round
	clock   reading
	alarmed bool
}

// heard is the newest beat of a host.
type heard struct {
	at     time.Time // here, on the monotonic clock
	engine bool
}

// NewFleet makes it; from then on the beats that control takes go there.
func NewFleet(cfg FleetConfig, store FleetStore, control *Control, bell *Bell, log *slog.Logger) *Fleet {
	if cfg.Lease == 0 {
		cfg.Lease = hostLease
	}
	if cfg.Flush == 0 {
		cfg.Flush = flushEvery
	}
	if cfg.Grace == 0 {
		cfg.Grace = 2 * cfg.Lease // an agent that has lost its connection needs some of it to be back
	}
	f := &Fleet{cfg: cfg, store: store, bell: bell, log: log, beats: map[string]heard{},
		stocks: map[string]agent.Stock{}, shelf: map[string]shelved{}}
	if control != nil {
		control.beatTo(f)
	}
	return f
}

// Join makes a host of a machine. A token is good for one machine; the same
// token with the same key again gives the same host.
func (f *Fleet) Join(ctx context.Context, j Join) (hostID, name string, err error) {
	if !strings.HasPrefix(j.Token, hostTokenPrefix) || mistyped(hostTokenPrefix, j.Token) {
		return "", "", &Error{ID: ErrUnauthorized, Message: "The token is mistyped: it is not one of those that paas hosts:add gives. The machine has not joined."}
	}
	if err := j.check(); err != nil {
		return "", "", err
	}
	if err := f.mayHost(j); err != nil {
		return "", "", err
	}
	if len(j.Key) != sha256.Size {
		return "", "", Errorf(ErrInvalid, "The agent's key is not told by its SHA-256. The machine has not joined.")
	}
	if hostID, name, err = f.store.JoinHost(ctx, hashOf(j.Token), j); err != nil {
		return "", "", err
	}
	f.log.Info("host joined", "host", name, "addr", j.Addr, "arch", j.Arch, "agent", j.Agent, "engine", j.Engine)
	return hostID, name, nil
}

// check looks at what an agent says of its machine.
func (j Join) check() error {
	const (
		longest    = 100
		mostCPU    = 100_000 * 1000
		mostMemory = 1 << 50
	)
	switch {
	case j.MilliCPU <= 0 || j.Memory <= 0:
		return Errorf(ErrInvalid, "The machine has told no CPUs or no memory. Nothing was changed.")
	case j.MilliCPU > mostCPU || j.Memory > mostMemory:
		return Errorf(ErrInvalid, "The machine has told more CPUs or memory than any has. Nothing was changed.")
	case j.Arch == "" || len(j.Arch) > longest || len(j.Agent) > longest || len(j.Engine) > longest || strings.ContainsFunc(j.Arch+j.Agent+j.Engine, func(r rune) bool { return printable(r) < 0 }):
		return Errorf(ErrInvalid, "The machine's architecture and the versions of its agent and engine must be told in at most %d printable characters each. Nothing was changed.", longest)
	}
	if err := checkFindings(j.Boot, j.Findings); err != nil {
		return err
	}
	return j.checkAddr()
}

// checkFindings bounds what people are shown of a machine's own words.
func checkFindings(boot string, findings []Finding) error {
	const most, longest = 30, 500
	if len(findings) > most {
		return Errorf(ErrInvalid, "The machine has told more than %d findings. Nothing was changed.", most)
	}
	texts := []string{boot}
	for _, x := range findings {
		if x.Status != "warn" && x.Status != "fail" || x.Check == "" {
			return Errorf(ErrInvalid, "A finding of the machine is none. Nothing was changed.")
		}
		texts = append(texts, x.Check, x.Found, x.Cause, x.Next)
	}
	for _, t := range texts {
		if len(t) > longest || strings.ContainsFunc(t, func(r rune) bool { return printable(r) < 0 }) {
			return Errorf(ErrInvalid, "What the machine has told of itself must be at most %d printable characters each. Nothing was changed.", longest)
		}
	}
	return nil
}

// checkAddr lets no machine be at an address that leads elsewhere: what runs
// on it is what the router finds there.
func (j Join) checkAddr() error {
	a, err := netip.ParseAddr(j.Addr)
	switch {
	case err != nil || a.String() != j.Addr:
		return Errorf(ErrInvalid, "The machine's private address %q is no IP address. Nothing was changed.", j.Addr)
	case a.Zone() != "" || a.Is4In6() || a.IsUnspecified() || a.IsMulticast() || a.IsLinkLocalUnicast():
		return Errorf(ErrInvalid, "Other machines do not reach dynos at the address %q. Nothing was changed; give the machine's private one with --addr.", j.Addr)
	}
	return nil
}

// PublishedOn says whether the address of an instance, "10.91.0.2:49153", is one
// of the host with that private address. A host without one is this machine.
func PublishedOn(addr, host string) bool {
	if addr == "" || host == "" {
		return true
	}
	at, err := netip.ParseAddrPort(addr)
	return err == nil && at.Addr().String() == host
}

// Announce notes what an agent says of its machine when it starts: capacity,
// address and versions.
func (f *Fleet) Announce(ctx context.Context, hostID string, j Join) error {
	if err := j.check(); err != nil {
		return err
	}
	if err := f.mayHost(j); err != nil {
		return err
	}
	return f.store.AnnounceHost(ctx, hostID, j)
}

// mayHost refuses a machine below a floor where floors are required.
func (f *Fleet) mayHost(j Join) error {
	var below []string
	for _, x := range j.Findings {
		if f.cfg.RequireFloors && x.Below {
			below = append(below, fmt.Sprintf("%s %s is %s", x.Check, x.Found, x.Cause))
		}
	}
	if len(below) == 0 {
		return nil
	}
	return &Error{ID: ErrInvalid, Message: "This control plane takes no machine with known holes (--require-floors):\n" + strings.Join(below, "\n") + "\nNothing was changed.",
		Next: "See what to do about it, on that machine: paas doctor"}
}

// HostByKey finds the host whose agent has that key (the SHA-256 of its public
// half); one that was removed is ErrNotFound.
func (f *Fleet) HostByKey(ctx context.Context, keyHash []byte) (hostID string, err error) {
	return f.store.HostByKey(ctx, keyHash)
}

// HostExists gives ErrNotFound for a host that was removed.
func (f *Fleet) HostExists(ctx context.Context, hostID string) error {
	return f.store.HostExists(ctx, hostID)
}

// RenewKey replaces the key of a host's agent. Said again it changes nothing.
func (f *Fleet) RenewKey(ctx context.Context, hostID string, from, to []byte) error {
	if len(to) != sha256.Size {
		return Errorf(ErrInvalid, "The agent's new key is not told by its SHA-256. Nothing was changed.")
	}
	return f.store.RenewHostKey(ctx, hostID, from, to)
}

// Beat notes that a host was heard of.
func (f *Fleet) Beat(hostID string, b agent.Beat) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.beats[hostID] = heard{at: time.Now(), engine: b.Engine}
	f.stocked(hostID, b.Stock)
}
