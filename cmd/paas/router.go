package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"paas/router"
	"paas/server"
	"paas/server/doctor"
	"paas/server/fleet"
)

// routerSettings are the flags of `paas router`.
type routerSettings struct {
	dataDir      string
	http         string
	https        string
	tlsCert      string
	tlsKey       string
	logLevel     string
	drainTimeout time.Duration
}

// routerCommand runs a router. It joins first.
func routerCommand() *cobra.Command {
	var s routerSettings
	cmd := &cobra.Command{
		Use:   "router",
		Short: "take the apps' requests on this machine, for a control plane elsewhere",
		Long: `Take requests and pass them on to the apps' dynos, wherever they run. The router
joins first, by the command that paas routers:add prints. It keeps the routing
table on disk: while the control plane is away, and after a restart meanwhile,
it serves from the one it had. SIGTERM lets requests finish, then stops it.`,
		Args:         takes(0, 0),
		SilenceUsage: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			log, err := s.check(cmd)
			if err != nil {
				return err
			}
			return runRouter(cmd.Context(), s, log)
		},
	}
	f := cmd.Flags()
	f.StringVar(&s.dataDir, "data-dir", routerDataDir, "directory that holds who this router is, and its table")
	f.StringVar(&s.http, "http", ":8080", "address for HTTP")
	f.StringVar(&s.https, "https", "", "address for HTTPS; needs --tls-cert and --tls-key")
	f.StringVar(&s.tlsCert, "tls-cert", "", "PEM file with the certificate chain")
	f.StringVar(&s.tlsKey, "tls-key", "", "PEM file with its key")
	f.StringVar(&s.logLevel, "log-level", "info", "debug, info, warn or error")
	f.DurationVar(&s.drainTimeout, "drain-timeout", 30*time.Second, "how long requests to an old instance may go on; as the control plane has it")
	cmd.AddCommand(routerJoinCommand())
	return cmd
}

const routerDataDir = "/var/lib/paas-router"

func routerTableFile(dir string) string { return filepath.Join(dir, "table.json") }

func (s *routerSettings) check(cmd *cobra.Command) (*slog.Logger, error) {
	if (s.tlsCert == "") != (s.tlsKey == "") || (s.https == "") != (s.tlsCert == "") {
		return nil, usagef(cmd, "--https, --tls-cert and --tls-key belong together")
	}
	if s.drainTimeout <= 0 || s.drainTimeout > 24*time.Hour {
		return nil, usagef(cmd, "--drain-timeout %s: must be more than nothing and at most a day", s.drainTimeout)
	}
	level := slog.LevelInfo
	if level.UnmarshalText([]byte(s.logLevel)) != nil {
		return nil, usagef(cmd, "--log-level %s: must be debug, info, warn or error", printable(s.logLevel))
	}
	return slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), &slog.HandlerOptions{Level: level})), nil
}

func runRouter(ctx context.Context, s routerSettings, log *slog.Logger) error {
	if _, err := fleet.ReadIdentity(s.dataDir); errors.Is(err, fs.ErrNotExist) {
		return errors.New("this router has not joined a control plane: nothing was started.\nGet the command for it, where paas is logged in, with: paas routers:add NAME")
	}
	unlock, err := lockRole(s.dataDir, "paas router")
	if err != nil {
		return err
	}
	defer unlock()
	var r *router.Router
	client, err := fleet.NewEdgeClient(fleet.EdgeConfig{Dir: s.dataDir, Program: buildVersion(),
		Examine: func(ctx context.Context) []server.Finding { return s.examine(ctx, log) },
		Addr:    func() string { return r.Addr().String() }}, log)
	if err != nil {
		return fmt.Errorf("%w; nothing was started", err)
	}
	domain, platform := client.Domain()
	r, err = router.New(router.Config{ID: client.Identity().Host, HTTPAddr: s.http, HTTPSAddr: s.https, CertFile: s.tlsCert, KeyFile: s.tlsKey,
		SnapshotFile: routerTableFile(s.dataDir), Domain: domain, PlatformHost: platform, Fallback: client.Front(),
		Log: client.Log, Observe: client.Observe, Limits: router.Limits{DrainTimeout: s.drainTimeout}}, client, log)
	if err != nil {
		return portHint(err, "--http", s.http)
	}
	// The router stops first: what it says last is that it serves nothing any more.
	edge, line := newFloor(ctx), newFloor(context.WithoutCancel(ctx))
	line.run("control plane", client.Run)
	edge.run("router", r.Run)
	id := client.Identity()
	if err := (started{Listen: []string{s.http, s.https}}).note(s.dataDir); err != nil {
		log.Warn("keep for paas doctor how the router was started", "err", err)
	}
	log.Info("ready", "router", id.Name, "id", id.Host, "server", id.Server, "http", r.Addr().String(), "pid", os.Getpid())
	edge.wg.Wait()
	line.cancel(nil)
	line.wg.Wait()
	return errors.Join(edge.failure(), line.failure())
}

// examine is what paas doctor finds on this machine, without what only matters
// from outside.
func (s *routerSettings) examine(ctx context.Context, log *slog.Logger) []server.Finding {
	id, err := fleet.ReadIdentity(s.dataDir)
	if err != nil {
		return nil
	}
	report := doctor.RunRouter(ctx, doctor.RouterConfig{DataDir: s.dataDir,
		Clock: func(ctx context.Context) (time.Duration, error) { return fleet.Clock(ctx, id.Server, id.CA) }})
	logReport(log, report)
	return findingsOf(report)
}
