package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"regexp"
	"time"

	"github.com/spf13/cobra"

	"paas/server"
)

// settings are the flags of `paas standalone` and `paas server`.
type settings struct {
	// serverOnly is `paas server`: no router, no agent, no registry, no Postgres.
	serverOnly bool
	name       string // of the server, for people
	dashboard  string // address of the dashboard, where no router leads to it

	dataDir  string
	domain   string
	http     string
	https    string
	tlsCert  string
	tlsKey   string
	ssh      string
	api      string
	apiURL   string
	registry string
	postgres string
	buildkit string

	externalRegistry     string
	externalRegistryAuth string

	docker    string
	buildkitd string
	mirror    bool
	subnets   string
	buildNet  string
	logLevel  string
	failpoint string

	bootTimeout  time.Duration
	drainTimeout time.Duration
	stopTimeout  time.Duration
	buildTimeout time.Duration
	maxBuilds    int
	ownSizes     []string
	drainAllow   []string
	logDays      int
	logMB        int
	logTotalMB   int
	logRate      int

	pool      netip.Prefix
	sizes     []server.Size
	drainNets []netip.Prefix
	oidc      provider
	fleet     fleetSettings
}

// subnetBits is the size of one app's network: 62 instances on a host.
const subnetBits = 26

func standaloneCommand() *cobra.Command {
	var s settings
	cmd := &cobra.Command{
		Use:   "standalone",
		Short: "run the whole platform on this machine",
		Long: `Run server, router, agent and registry in one process, with a private
Postgres and buildkitd unless --postgres or --buildkit name others. Everything
is kept below the data directory. SIGTERM stops cleanly; apps go on running.`,
		Args:         cobra.NoArgs,
		SilenceUsage: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return s.run(cmd)
		},
	}
	s.flags(cmd)
	return cmd
}

// run is the whole life of the process.
func (s *settings) run(cmd *cobra.Command) error {
	if err := s.check(); err != nil {
		return err
	}
	level := slog.LevelInfo
	if err := level.UnmarshalText([]byte(s.logLevel)); err != nil {
		return fmt.Errorf("--log-level %s: must be debug, info, warn or error", s.logLevel)
	}
	return live(cmd.Context(), *s, slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), &slog.HandlerOptions{Level: level})))
}

func (s *settings) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&s.http, "http", ":8080", "address of the router for HTTP")
	f.StringVar(&s.https, "https", "", "address of the router for HTTPS; needs --tls-cert and --tls-key")
	f.StringVar(&s.registry, "registry", "127.0.0.1:5500", "loopback address of the embedded image registry")
	f.StringVar(&s.postgres, "postgres", "", "connection string of a Postgres to use instead of a private one")
	f.StringVar(&s.externalRegistry, "external-registry", "", "host:port of a registry to use instead of the embedded one")
	f.StringVar(&s.docker, "docker", "/var/run/docker.sock", "unix socket of the Docker Engine")
	f.StringVar(&s.fleet.publish, "addr", "", "private address of this machine on which other machines reach its dynos: their apps that are linked with them, and routers (default: none does)")
	f.BoolVar(&s.mirror, "mirror", false, "let builds take docker.io images from the embedded registry first")
	s.shared(cmd)
}

// shared are the flags that `paas server` has, too.
func (s *settings) shared(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&s.dataDir, "data-dir", "/var/lib/paas", "directory that holds everything")
	f.StringVar(&s.domain, "domain", "localhost", "apps are served at APP.DOMAIN")
	f.StringVar(&s.tlsCert, "tls-cert", "", "PEM file with the certificate chain")
	f.StringVar(&s.tlsKey, "tls-key", "", "PEM file with its key")
	f.StringVar(&s.ssh, "ssh", ":2222", "address for git push and login")
	f.StringVar(&s.api, "api", "127.0.0.1:8081", "address of the HTTP API; TLS when a certificate is given")
	f.StringVar(&s.apiURL, "api-url", "", "URL of the API as clients reach it (default: from --api)")
	f.StringVar(&s.externalRegistryAuth, "external-registry-auth", "", "its credentials: a JSON file {\"user\":…,\"password\":…}, mode 0600")
	f.StringVar(&s.buildkit, "buildkit", "", "address of a buildkitd to use instead of a private one (unix:///…)")
	f.StringVar(&s.buildkitd, "buildkitd", "", "buildkitd program (default: next to paas, else from PATH)")
	f.StringVar(&s.subnets, "subnets", "10.210.0.0/16", "pool of the apps' networks, a /26 each")
	f.StringVar(&s.buildNet, "build-subnet", "10.254.240.0/22", "network of build steps")
	f.StringVar(&s.logLevel, "log-level", "info", "debug, info, warn or error")
	f.StringVar(&s.failpoint, "failpoint", "", "test builds only: name=kill")
	_ = f.MarkHidden("failpoint")
	f.DurationVar(&s.bootTimeout, "boot-timeout", 60*time.Second, "how long a process may take to answer on $PORT (R10)")
	f.DurationVar(&s.drainTimeout, "drain-timeout", 30*time.Second, "how long requests to an old instance may go on")
	f.DurationVar(&s.stopTimeout, "stop-timeout", 30*time.Second, "from SIGTERM to SIGKILL (R12)")
	f.DurationVar(&s.buildTimeout, "build-timeout", 15*time.Minute, "how long a build may take")
	f.StringArrayVar(&s.ownSizes, "size", nil, "a size that dynos may have, NAME=MEMORY,CPU[,RESERVED], as in Large=4G,4,1; may be repeated")
	f.IntVar(&s.maxBuilds, "max-builds", 2, "builds at once; others wait in a queue")
	f.StringArrayVar(&s.drainAllow, "drain-allow", nil, "network (CIDR) that log drains may send to although it is not public; may be repeated")
	f.IntVar(&s.logDays, "log-days", 7, "days that log lines are kept; apps may have their own")
	f.IntVar(&s.logMB, "log-mb", 100, "megabytes of log lines that are kept of an app; apps may have their own")
	f.IntVar(&s.logRate, "log-rate", 1024, "kilobytes per second that one dyno may print for long; more is dropped and counted")
	s.oidc.flags(cmd)
	s.fleet.flags(cmd)
	f.IntVar(&s.logTotalMB, "log-total-mb", 10<<10, "megabytes of log lines that are kept of all apps together")
}

var domainForm = regexp.MustCompile(`^([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]*[a-z0-9])?$`)

func (s *settings) check() error {
	if !domainForm.MatchString(s.domain) || len(s.domain) > 200 {
		return fmt.Errorf("--domain %q: must be a host name like example.com", s.domain)
	}
	for flag, d := range map[string]time.Duration{"--boot-timeout": s.bootTimeout, "--drain-timeout": s.drainTimeout,
		"--stop-timeout": s.stopTimeout, "--build-timeout": s.buildTimeout} {
		if d <= 0 || d > 24*time.Hour {
			return fmt.Errorf("%s %s: must be more than nothing and at most a day", flag, d)
		}
	}
	if (s.tlsCert == "") != (s.tlsKey == "") || s.https != "" && s.tlsCert == "" && !s.serverOnly {
		return errors.New("--https, --tls-cert and --tls-key belong together")
	}
	if s.maxBuilds < 1 || s.maxBuilds > 64 {
		return errors.New("--max-builds must be 1 to 64")
	}
	pool, err := netip.ParsePrefix(s.subnets)
	if err != nil || !pool.Addr().Is4() || !pool.Addr().IsPrivate() || pool.Bits() > subnetBits {
		return fmt.Errorf("--subnets %s: must be a private IPv4 network of /%d or larger", s.subnets, subnetBits)
	}
	s.pool = pool
	if s.sizes, err = server.Sizes(s.ownSizes); err != nil {
		return fmt.Errorf("--size: %w", err)
	}
	if err := s.oidc.check(); err != nil {
		return err
	}
	if err := s.fleet.check(); err != nil {
		return err
	}
	if err := s.checkServer(); err != nil {
		return err
	}
	return s.checkLogs()
}

// live runs the house from the first lock to the last.
func live(ctx context.Context, s settings, log *slog.Logger) error {
	began := time.Now()
	data, err := openDataDir(s.dataDir)
	if err != nil {
		return err
	}
	defer data.Close()
	h := newHouse(ctx, s, data, log)
	slog.SetDefault(log) // what libraries say through package log goes the same way
	if h.open() == nil {
		at := []any{"dashboard", s.dashboardURL(), "api", h.api.Addr().String(), "ssh", h.ssh.Addr().String(),
			"registry", h.images.addr, "pid", os.Getpid(), "took", time.Since(began).Round(time.Millisecond)}
		if h.router != nil {
			at = append([]any{"http", h.router.Addr().String()}, at...)
		}
		log.Info("ready", at...)
		if err := h.started().note(data.path); err != nil {
			log.Warn("keep for paas doctor how paas was started", "err", err)
		}
	}
	return h.wait() // with what made open fail
}
