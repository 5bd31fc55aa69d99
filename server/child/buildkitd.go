package child

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// NetworkMode is the network of RUN steps.
type NetworkMode string

// The networks. Bridge gives each step a namespace of its own behind NAT, so
// that it reaches the internet but not what listens on the host's loopback.
const (
	NetworkAuto   NetworkMode = ""       // bridge where the CNI plugins are installed, else host
	NetworkBridge NetworkMode = "bridge" // needs the CNI plugins
	NetworkHost   NetworkMode = "host"   // the host's own network
)

// Defaults of BuildkitdConfig.
const (
	defaultCNIDir       = "/usr/lib/cni"
	defaultBridgeName   = "paas-build"
	defaultBridgeSubnet = "10.254.240.0/22"
	defaultMaxUsedSpace = 20 << 30
	defaultMinFreeSpace = 2 << 30
)

// BuildkitdConfig says how buildkitd runs.
type BuildkitdConfig struct {
	Bin    string   // absolute path of the program
	Runc   string   // absolute path; empty looks in the usual places
	Root   string   // absolute; its cache and configuration
	Socket string   // absolute path of its unix socket; empty chooses one in Root, or below /run/paas when that is too long
	Env    []string // added to its environment: HTTPS_PROXY, SSL_CERT_FILE, … as KEY=value

	RegistryAddr   string // host:port of the registry, plain HTTP
	MirrorDockerIO bool   // ask the registry first for images of docker.io

	// SyncWrites keeps buildkitd's hundreds of fsyncs a build. Without, the cache
	// is discarded when the machine went down while buildkitd ran; images in the
	// registry are durable either way.
	SyncWrites bool

	MaxParallelism int   // steps at once over all builds; 0 means 4
	MaxUsedSpace   int64 // bytes of cache; 0 means 20 GiB
	MinFreeSpace   int64 // bytes of disk that the cache leaves free; 0 means 2 GiB

	Network      NetworkMode
	CNIDir       string // of the plugins; empty means /usr/lib/cni
	BridgeName   string // at most 15 bytes; empty means paas-build
	BridgeSubnet string // empty means 10.254.240.0/22
}

// Buildkitd is a supervised buildkitd.
type Buildkitd struct {
	*Child
	cfg BuildkitdConfig
	log *slog.Logger
}

// Addr is where clients reach it, "unix:///…".
func (b *Buildkitd) Addr() string { return "unix://" + b.cfg.Socket }

// Network is the network of RUN steps that was chosen, bridge or host.
func (b *Buildkitd) Network() NetworkMode { return b.cfg.Network }

// NewBuildkitd writes the configuration and returns the child that runs
// buildkitd with its own runc worker.
func NewBuildkitd(cfg BuildkitdConfig, log *slog.Logger) (*Buildkitd, error) {
	wanted := cfg.Network
	if err := cfg.fill(); err != nil {
		return nil, fmt.Errorf("buildkitd: %w", err)
	}
	if err := cfg.writeFiles(); err != nil {
		return nil, fmt.Errorf("buildkitd: write its configuration: %w", err)
	}
	if wanted == NetworkAuto && cfg.Network == NetworkHost {
		log.Warn("build steps run on the host's network and reach its loopback",
			"mend", "apt-get install containernetworking-plugins iptables")
	}
	aside := &cacheGuard{root: cfg.Root, log: log}
	prepare := func(ctx context.Context) error {
		if err := endBuildContainers(ctx, cfg.Runc, cfg.Root, log); err != nil {
			return err
		}
		if cfg.Network == NetworkBridge {
			if err := releaseNetworks(ctx, cfg); err != nil {
				log.Warn("networks of build steps are left over from before", "err", err)
			}
		}
		if err := aside.checkMarker(!cfg.SyncWrites); err != nil {
			return err
		}
		return aside.prepare()
	}
	c, err := New(Spec{
		Name: "buildkitd",
		Path: cfg.Bin,
		Args: []string{"--config", cfg.file()},
		Env: append([]string{
			"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
			"HOME=" + cfg.Root, "TMPDIR=" + filepath.Join(cfg.Root, "tmp"),
			"OTEL_TRACES_EXPORTER=none", "OTEL_METRICS_EXPORTER=none",
		}, cfg.Env...),
		Dir:          cfg.Root,
		SuppressSync: !cfg.SyncWrites,
		Prepare:      prepare,
		Notify:       true,
		Explain:      aside.explain,
		StopTimeout:  10 * time.Second,
		PidFile:      filepath.Join(cfg.Root, "buildkitd.pid"),
	}, log)
	if err != nil {
		return nil, err
	}
	return &Buildkitd{Child: c, cfg: cfg, log: log}, nil
}

// Run keeps buildkitd running until ctx ends, then stops it and removes the
// network of its steps.
func (b *Buildkitd) Run(ctx context.Context) error {
	err := b.Child.Run(ctx)
	if err := clearMarker(b.cfg.Root); err != nil {
		b.log.Warn("the build cache will be discarded at the next start of the machine", "err", err)
	}
	if b.cfg.Network == NetworkBridge {
		err := errors.Join(releaseNetworks(context.WithoutCancel(ctx), b.cfg), removeBridge(b.cfg.BridgeName))
		if err != nil {
			b.log.Warn("the build network is left behind", "err", err)
		}
	}
	return err
}

// fill checks the config and puts defaults in.
func (c *BuildkitdConfig) fill() error {
	if !filepath.IsAbs(c.Root) {
		return fmt.Errorf("its directory %q is not an absolute path", c.Root)
	}
	c.Root = filepath.Clean(c.Root)
	if c.Socket == "" {
		c.Socket = filepath.Join(c.Root, "buildkitd.sock")
		if len(c.Socket) > maxSocketName {
			c.Socket = filepath.Join(shortRunDir("buildkitd", c.Root), "buildkitd.sock")
		}
	}
	if !filepath.IsAbs(c.Socket) || len(c.Socket) > maxSocketName {
		return fmt.Errorf("its socket %q is not an absolute path of at most %d bytes", c.Socket, maxSocketName)
	}
	if c.MaxParallelism == 0 {
		c.MaxParallelism = 4
	}
	if c.MaxUsedSpace == 0 {
		c.MaxUsedSpace = defaultMaxUsedSpace
	}
	if c.MinFreeSpace == 0 {
		c.MinFreeSpace = defaultMinFreeSpace
	}
	if c.Runc == "" {
		c.Runc = findProgram("runc")
	}
	if c.Runc == "" {
		return errors.New("runc is not installed; run: apt-get install runc")
	}
	return c.fillNetwork()
}

func (c *BuildkitdConfig) fillNetwork() error {
	if c.CNIDir == "" {
		c.CNIDir = defaultCNIDir
	}
	if c.BridgeName == "" {
		c.BridgeName = defaultBridgeName
	}
	if c.BridgeSubnet == "" {
		c.BridgeSubnet = defaultBridgeSubnet
	}
	missing := missingPlugin(c.CNIDir)
	switch c.Network {
	case NetworkHost:
	case NetworkAuto:
		c.Network = NetworkBridge
		if missing != "" {
			c.Network = NetworkHost
		}
	case NetworkBridge:
		if missing != "" {
			return fmt.Errorf("the network %q needs %s; run: apt-get install containernetworking-plugins iptables", c.Network, missing)
		}
	default:
		return fmt.Errorf("unknown network %q; use %q or %q", c.Network, NetworkBridge, NetworkHost)
	}
	return nil
}

// missingPlugin names the first part of the bridge that is not there.
func missingPlugin(dir string) string {
	for _, name := range []string{"bridge", "loopback", "host-local", "firewall"} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode().Perm()&0o111 == 0 {
			return filepath.Join(dir, name)
		}
	}
	if findProgram("iptables") == "" {
		return "iptables"
	}
	return ""
}

// findProgram looks in the directories of buildkitd's own PATH.
func findProgram(name string) string {
	for _, dir := range []string{"/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"} {
		if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return path
		}
	}
	return ""
}
