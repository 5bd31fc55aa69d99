package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"paas/router"
	"paas/server"
	"paas/server/doctor"
	"paas/server/fleet"
)

// doctorCommand is `paas doctor`: run on the server's machine, it looks and
// changes nothing.
func doctorCommand() *cobra.Command {
	var (
		cfg    doctor.Config
		asJSON bool
	)
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "check the machine that paas runs on",
		Long: "Says what this machine is – a control plane, a host or a router – and checks what matters there: the Docker Engine, versions\n" +
			"that matter for safety, the disk, the ports, the running paas and the machines it knows; on hosts and routers their way to the\n" +
			"control plane, the clock against its, their certificate, a router's table and its ways to hosts.\n" +
			"Ends with status 1 when something is missing that paas cannot work without.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			program, err := os.Executable()
			if err != nil {
				return fmt.Errorf("find the running program: %w", err)
			}
			cfg.Program = program
			report := examined(cmd, cfg)
			if asJSON {
				enc := json.NewEncoder(cmd.OutOrStdout())
				enc.SetIndent("", "  ")
				err = enc.Encode(report)
			} else {
				err = report.Write(cmd.OutOrStdout())
			}
			if err == nil && report.Failures > 0 {
				cmd.SilenceUsage = true
				err = fmt.Errorf("%d of %d checks failed", report.Failures, len(report.Results))
			}
			return err
		},
	}
	f := cmd.Flags()
	f.BoolVar(&asJSON, "json", false, "print the results as JSON")
	f.StringVar(&cfg.DataDir, "data-dir", "/var/lib/paas", "data directory of standalone, server, the agent or the router")
	f.StringVar(&cfg.Docker, "docker", "/var/run/docker.sock", "socket of the Docker Engine")
	f.StringVar(&cfg.Buildkitd, "buildkitd", "", "path of buildkitd (default: next to paas)")
	f.StringSliceVar(&cfg.Listen, "listen", []string{":8080", ":2222", "127.0.0.1:8081", "127.0.0.1:5500"},
		"addresses paas listens on (default: those it was started with last)")
	return cmd
}

// examined looks at a control plane's machine, a host's or a router's: which of
// them it is its data directory says.
func examined(cmd *cobra.Command, cfg doctor.Config) doctor.Report {
	if !cmd.Flags().Changed("data-dir") {
		cfg.DataDir = roleDir(cfg.DataDir, agentDir, routerDataDir)
	}
	was := readStarted(cfg.DataDir)
	if !cmd.Flags().Changed("listen") && len(was.Listen) > 0 {
		cfg.Listen = was.Listen
	}
	id, err := fleet.ReadIdentity(cfg.DataDir)
	switch {
	case err == nil && id.Edge != nil:
		return examineRouter(cmd.Context(), cfg, id)
	case err == nil:
		s := agentSettings{dataDir: cfg.DataDir, docker: cfg.Docker}
		return s.examine(cmd.Context(), id.Server, id.CA, joined(cfg.DataDir, "host", "paas agent", id))
	}
	cfg.ServerOnly = was.Role == roleServer
	if was.CA != "" {
		cfg.Clock = func(ctx context.Context, addr string) (time.Duration, error) { return fleet.Clock(ctx, addr, was.CA) }
	}
	return doctor.Run(cmd.Context(), cfg)
}

// roleDir is the first of the directories that there is, the first of all when
// there is none.
func roleDir(dirs ...string) string {
	for _, dir := range dirs {
		if _, err := os.Stat(dir); err == nil {
			return dir
		}
	}
	return dirs[0]
}

// joined is what a machine that has joined is asked besides; nil before it has.
func joined(dir, role, start string, id fleet.Identity) *doctor.Joined {
	from, until, ok := id.Life()
	if !ok || !id.Joined() {
		return nil
	}
	return &doctor.Joined{Role: role, Name: printable(id.Name), Server: printable(id.Server), Start: start, Lock: filepath.Join(dir, "lock"), From: from, Until: until,
		Known: func(ctx context.Context) (removed bool, err error) {
			_, err = fleet.Greet(ctx, id)
			var refused *fleet.Refusal
			return errors.As(err, &refused) && (refused.Status == http.StatusForbidden || refused.Status == http.StatusUnauthorized), err
		}}
}

// examineRouter looks at a router's machine.
func examineRouter(ctx context.Context, cfg doctor.Config, id fleet.Identity) doctor.Report {
	return doctor.RunRouter(ctx, doctor.RouterConfig{DataDir: cfg.DataDir, Joined: joined(cfg.DataDir, "router", "paas router", id), Listen: readStarted(cfg.DataDir).Listen,
		Clock: func(ctx context.Context) (time.Duration, error) { return fleet.Clock(ctx, id.Server, id.CA) },
		Table: func(ctx context.Context) (doctor.Table, error) { return routerTable(ctx, cfg.DataDir, id) }})
}

// routerTable is the table that a router has on disk, beside the newest one.
func routerTable(ctx context.Context, dir string, id fleet.Identity) (doctor.Table, error) {
	var kept router.Table
	var t doctor.Table
	ok, err := router.ReadSnapshot(routerTableFile(dir), &kept)
	if !ok || err != nil {
		return t, err
	}
	t.Have, t.Dynos = server.TableName(kept.Version), oneOfEach(kept)
	hello, err := fleet.Greet(ctx, id)
	if err == nil && hello.Newest > 0 {
		t.Newest = server.TableName(hello.Newest)
	}
	return t, err
}

// oneOfEach gives the address of one dyno on each machine of a table.
func oneOfEach(t router.Table) []string {
	byHost := map[string]string{}
	for _, r := range t.Routes {
		for _, target := range r.Targets {
			if host, _, err := net.SplitHostPort(target.Addr); err == nil {
				byHost[host] = target.Addr
			}
		}
	}
	return slices.Sorted(maps.Values(byHost))
}
