// Package docker drives a Docker Engine for the agent. It is the only package
// that knows Docker.
package docker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/docker/docker/client"
)

// The labels by which containers and networks are found again. The cluster
// label is the border: nothing without it is ever touched.
const (
	labelCluster  = "paas.cluster"
	labelInstance = "paas.instance"
	labelApp      = "paas.app"
	labelAppID    = "paas.app-id"
	labelName     = "paas.name"
	labelRelease  = "paas.release"
)

// Config is what a Runtime has to know.
type Config struct {
	// Socket is the engine's address: "unix:///var/run/docker.sock".
	Socket string
	// Cluster separates several paas clusters on one engine; it is the value
	// of a label. Required.
	Cluster string
	// RegistryAuth holds the credentials to pull with, by registry host as it
	// stands in image names ("127.0.0.1:5500").
	RegistryAuth map[string]Credentials
	// FilesDir is where the config files of instances are kept: a directory in
	// memory that the engine sees under the same name, there while there are
	// any. Empty: instances that have files do not start.
	FilesDir string
	// Publish is the address of the host that other machines reach its
	// instances on: each that has a port is published there, on some port from
	// 20000 to 31999. Not valid: only this machine reaches them, by the
	// addresses of their containers.
	Publish netip.Addr
	// EgressAllow are networks that apps may reach although they are private;
	// see firewall.go for what is closed to them.
	EgressAllow []netip.Prefix
	// Doors are the ports behind which apps reach the apps they are linked with.
	Doors DoorPorts

	// CallTimeout is the deadline of a quick call, 5 s when zero.
	CallTimeout time.Duration
	// StartTimeout is the deadline of each call that makes something
	// (create, start, kill, remove, make a network), 30 s when zero.
	StartTimeout time.Duration
	// PullTimeout is the deadline of a whole pull, 15 min when zero;
	// PullStall of the wait for its next sign of progress, 60 s when zero.
	PullTimeout time.Duration
	PullStall   time.Duration
}

// Credentials open a registry.
type Credentials struct{ User, Password string }

// Runtime is an agent.Runtime on a Docker Engine.
type Runtime struct {
	cfg Config
	cli *client.Client
	log *slog.Logger

	// negotiating is held while the API version is agreed on. The client's
	// own lock for that is deaf to contexts: one hanging call would hold up
	// all others beyond their deadlines.
	negotiating chan struct{}
	agreed      bool // guarded by negotiating
	// netting is held while a network is made: the engine's check for
	// duplicate names is only a best effort.
	netting chan struct{}
	ulimit  ulimit
	files   *files
	wall    *firewall
	weights weights
	port    func() int // to publish the next instance on

	mu      sync.Mutex
	readers map[string]*reading // followers by instance, see logs.go
}

// New makes a Runtime. It does not call the engine yet: an engine that is
// down is met by the calls, which can be repeated.
func New(cfg Config, log *slog.Logger) (*Runtime, error) {
	if cfg.Cluster == "" {
		return nil, errors.New("docker: a cluster label is required")
	}
	setDefault(&cfg.CallTimeout, 5*time.Second)
	setDefault(&cfg.StartTimeout, 30*time.Second)
	setDefault(&cfg.PullTimeout, 15*time.Minute)
	setDefault(&cfg.PullStall, time.Minute)
	cli, err := client.NewClientWithOpts(client.WithHost(cfg.Socket), client.WithAPIVersionNegotiation())
	if err != nil {
		return nil, fmt.Errorf("docker: address %q: %w", cfg.Socket, err)
	}
	kept, err := newFiles(cfg.FilesDir)
	if err != nil {
		_ = cli.Close()
		return nil, err
	}
	return &Runtime{
		cfg: cfg, cli: cli, log: log, files: kept, port: anyPort,
		wall:        newFirewall(cfg.Cluster, cfg.EgressAllow, cfg.Doors, log),
		negotiating: make(chan struct{}, 1),
		netting:     make(chan struct{}, 1),
		readers:     map[string]*reading{},
	}, nil
}

func setDefault(d *time.Duration, value time.Duration) {
	if *d <= 0 {
		*d = value
	}
}

// Close frees the idle connections to the engine. The firewall rules stay for
// as long as there is a container to hold back.
func (r *Runtime) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), r.cfg.CallTimeout)
	defer cancel()
	r.wall.retire(ctx, func() bool {
		list, err := r.summaries(ctx)
		return err == nil && len(list) == 0
	})
	return r.cli.Close()
}

// Version is what runs on a host.
type Version struct {
	Engine string // "20.10.24"
	API    string // "1.41", as agreed on
	Runc   string // "1.1.5"; empty when the engine does not say
}

// Ping asks the engine who it is.
func (r *Runtime) Ping(ctx context.Context) (Version, error) {
	ctx, cancel := context.WithTimeout(ctx, r.cfg.CallTimeout)
	defer cancel()
	if err := r.negotiate(ctx); err != nil {
		return Version{}, r.fault("ask Docker Engine for its version", err)
	}
	v, err := r.cli.ServerVersion(ctx)
	if err != nil {
		return Version{}, r.fault("ask Docker Engine for its version", err)
	}
	out := Version{Engine: v.Version, API: r.cli.ClientVersion()}
	for _, c := range v.Components {
		switch c.Name {
		case "Engine":
			out.Engine = c.Version
		case "runc":
			out.Runc = c.Version
		}
	}
	return out, nil
}

// Capacity is what the machine under the engine has.
type Capacity struct {
	CPUs   int
	Memory int64  // bytes
	Arch   string // as images name it: "amd64", "arm64"
	Engine string // version of the engine
}

// Capacity asks the engine for the size of its machine.
func (r *Runtime) Capacity(ctx context.Context) (Capacity, error) {
	ctx, cancel := context.WithTimeout(ctx, r.cfg.CallTimeout)
	defer cancel()
	if err := r.negotiate(ctx); err != nil {
		return Capacity{}, r.fault("ask Docker Engine for its capacity", err)
	}
	info, err := r.cli.Info(ctx)
	if err != nil {
		return Capacity{}, r.fault("ask Docker Engine for its capacity", err)
	}
	return Capacity{CPUs: info.NCPU, Memory: info.MemTotal, Arch: imageArch(info.Architecture), Engine: info.ServerVersion}, nil
}

// imageArch turns the kernel's name of a machine into the one images bear.
func imageArch(machine string) string {
	switch machine {
	case "x86_64":
		return "amd64"
	case "aarch64":
		return "arm64"
	case "armv7l", "armv6l":
		return "arm"
	case "i686", "i386":
		return "386"
	}
	return strings.ToLower(machine)
}

// negotiate agrees on the API version once; cheap afterwards.
func (r *Runtime) negotiate(ctx context.Context) error {
	select {
	case r.negotiating <- struct{}{}:
		defer func() { <-r.negotiating }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if r.agreed {
		return nil
	}
	ping, err := r.cli.Ping(ctx)
	if err != nil {
		return err
	}
	r.cli.NegotiateAPIVersionPing(ping)
	r.agreed = true
	return nil
}
