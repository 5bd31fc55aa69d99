package server

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"paas/scheduler/agent"
)

// ControlConfig is what every instance gets.
type ControlConfig struct {
	Image       func(appID, digest string) string // reference that hosts pull
	Subnets     netip.Prefix                      // pool of the apps' networks
	SubnetBits  int                               // length of one app's prefix
	BootTimeout time.Duration
	Grace       time.Duration // between SIGTERM and SIGKILL
	Host        func(app string) string
	Meter       *Meter // nil: what instances use is not kept
	// Epoch is of the leader's lease while this process holds it, else 0: then
	// no report is taken. Nil: none is asked for.
	Epoch func() int64
	// Placed hears which apps have something on a host; nil: nobody asks.
	Placed func(host string, apps map[string]bool)
	// Ahead knows what hosts fetch before it is to run; nil: nothing.
	Ahead *Ahead
}

const (
	defaultPort = 8080
	pidsLimit   = 256
)

// Control is the control plane as agents see it, in this process.
type Control struct {
	cfg      ControlConfig
	store    HostStore
	keyring  *Keyring
	bell     *Bell
	sessions *Sessions
	logs     Logs
	log      *slog.Logger

	fleet   atomic.Pointer[Fleet] // where beats go
	watches atomic.Int64

	mu      sync.Mutex
	configs map[string]*contents // by release: immutable, so kept
	users   map[string]int       // by release: instances that hosts have of it
	masks   maskers

	discards discards
}

// NewControl makes it.
func NewControl(cfg ControlConfig, store HostStore, k *Keyring, bell *Bell, sessions *Sessions, logs Logs, log *slog.Logger) *Control {
	return &Control{cfg: cfg, store: store, keyring: k, bell: bell, sessions: sessions, logs: logs, log: log, configs: map[string]*contents{}, users: map[string]int{}}
}

func (c *Control) assignment(pl Placed) (agent.Assignment, error) {
	in, r := pl.Instance, pl.Release
	held, err := c.contents(pl)
	if err != nil {
		return agent.Assignment{}, fmt.Errorf("config of %s v%d: %w", in.App, r.Version, err)
	}
	name := instanceName(in.Type, in.Ordinal)
	subnet, err := Subnet(c.cfg.Subnets, c.cfg.SubnetBits, pl.Slot)
	if err != nil {
		return agent.Assignment{}, err
	}
	a := agent.Assignment{
		ID: in.ID, AppID: in.AppID, App: in.App, Name: name, Release: r.Version,
		Image:   c.cfg.Image(in.AppID, r.Image.Digest),
		Command: r.Processes[in.Type].Command,
		Network: agent.Network{Name: "paas-" + in.AppID, Subnet: subnet.String()},
		Limits:  agent.Limits{Memory: pl.Memory, MilliCPU: pl.MilliCPU, Pids: pidsLimit},
		Grace:   stopTimeout(pl.Settings, c.cfg.Grace),
		Stop:    stops(in.State),
	}
	a.Env = held.env(pl)
	if err := c.oneOff(&a, pl); err != nil {
		return a, fmt.Errorf("variables of %s of %s: %w", name, in.App, err)
	}
	a.Env["DYNO"] = name
	a.Env["PAAS_APP"] = in.App
	a.Env["PAAS_RELEASE_VERSION"] = "v" + strconv.Itoa(r.Version)
	a.Env["PAAS_COMMIT"] = r.Commit
	if in.Type == webType {
		a.Port = r.Image.Port
		if a.Port == 0 {
			a.Port = defaultPort
		}
		a.Env["PORT"] = strconv.Itoa(a.Port)
		health := r.Processes[in.Type].Health
		a.Probe = agent.Probe{Path: cmp.Or(health.Path, "/"), Host: c.cfg.Host(in.App),
			Deadline: bootTimeout(health, pl.Settings, c.cfg.BootTimeout)}
	}
	c.masks.note(pl, held, a.Env)
	a.Mounts = mountsOf(pl)
	a.Files, err = held.render(pl, a.Env)
	return a, err
}

// contents opens what a release holds, once.
func (c *Control) contents(pl Placed) (*contents, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if have, ok := c.configs[pl.Release.ID]; ok {
		return have, nil
	}
	held, err := c.keyring.contents(pl)
	if err != nil {
		return nil, err
	}
	c.configs[pl.Release.ID] = held
	return held, nil
}

// Subnet is the network of an app's slot in the pool.
func Subnet(pool netip.Prefix, bits, slot int) (netip.Prefix, error) {
	if slot >= Slots(pool, bits) {
		return netip.Prefix{}, fmt.Errorf("network pool %s has no subnet number %d", pool, slot)
	}
	base := pool.Masked().Addr().As4()
	n := uint32(base[0])<<24 | uint32(base[1])<<16 | uint32(base[2])<<8 | uint32(base[3])
	n += uint32(slot) << (32 - bits)
	addr := netip.AddrFrom4([4]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})
	return netip.PrefixFrom(addr, bits), nil
}

// Slots is how many subnets the pool holds.
func Slots(pool netip.Prefix, bits int) int {
	if !pool.Addr().Is4() || bits < pool.Bits() || bits > 30 {
		return 0
	}
	return 1 << (bits - pool.Bits())
}

// Report is agent.Control: it stores what a host saw and writes the state
// lines that Heroku's users know.
func (c *Control) Report(ctx context.Context, host string, s []agent.Status) error {
	epoch := int64(0)
	if c.cfg.Epoch != nil {
		if epoch = c.cfg.Epoch(); epoch == 0 {
			return Errorf(ErrUnavailable, "This server does not lead the control plane now. Nothing was stored.")
		}
	}
	changes, err := c.store.Report(ctx, host, epoch, s)
	if err != nil {
		return err
	}
	for _, t := range changes {
		c.logs.Append(stateLines(t)...)
	}
	return nil
}

func (c *Control) beatTo(f *Fleet) { c.fleet.Store(f) }

// Beat is agent.Control.
func (c *Control) Beat(host string, b agent.Beat) {
	if f := c.fleet.Load(); f != nil {
		f.Beat(host, b)
	}
}

// Usage is agent.Control.
func (c *Control) Usage(host string, at time.Time, u []agent.Usage) {
	if c.cfg.Meter != nil {
		c.cfg.Meter.Usage(host, at, u)
	}
}

// KeptImages are references of the images that hosts must keep.
func (c *Control) KeptImages(ctx context.Context) ([]string, error) {
	list, err := c.store.KeptImages(ctx)
	if err != nil {
		return nil, err
	}
	refs := make([]string, len(list))
	for i, k := range list {
		refs[i] = c.cfg.Image(k.AppID, k.Digest)
	}
	return refs, nil
}

// Log is agent.Control.
func (c *Control) Log(lines []agent.Line) {
	out := make([]LogLine, len(lines))
	for i, l := range lines {
		source := "app"
		if l.Platform {
			source = "paas"
		}
		out[i] = LogLine{AppID: l.AppID, At: l.At, Source: source, Dyno: l.Name, Text: c.masks.mask(l), Instance: l.Instance}
	}
	c.logs.Append(out...)
}

// LogCursor is agent.Control.
func (c *Control) LogCursor(instance string) time.Time { return c.logs.Cursor(instance) }
