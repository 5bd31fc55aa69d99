package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/spf13/cobra"

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
		Long: "Checks the Docker Engine, the versions that matter for safety, the disk, the ports and a running paas; on a machine\n" +
			"that has joined as a host, what matters there, and its clock against the control plane's.\n" +
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
	f.StringVar(&cfg.DataDir, "data-dir", "/var/lib/paas", "data directory of standalone, or of the agent")
	f.StringVar(&cfg.Docker, "docker", "/var/run/docker.sock", "socket of the Docker Engine")
	f.StringVar(&cfg.Buildkitd, "buildkitd", "", "path of buildkitd (default: next to paas)")
	f.StringSliceVar(&cfg.Listen, "listen", []string{":8080", ":2222", "127.0.0.1:8081", "127.0.0.1:5500"},
		"addresses standalone listens on")
	return cmd
}

// examined looks at a server's machine, or at a host's: which of the two it is
// its data directory says.
func examined(cmd *cobra.Command, cfg doctor.Config) doctor.Report {
	dir := cfg.DataDir
	if _, err := os.Stat(dir); err != nil && !cmd.Flags().Changed("data-dir") {
		dir = agentDir
	}
	id, err := fleet.ReadIdentity(dir)
	if err != nil {
		return doctor.Run(cmd.Context(), cfg)
	}
	s := agentSettings{dataDir: dir, docker: cfg.Docker}
	return s.examine(cmd.Context(), id.Server, id.CA)
}
