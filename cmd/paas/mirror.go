package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"paas/server/registry"
)

// mirrorFlags say which registry a mirror command talks to.
type mirrorFlags struct {
	addr     string
	authFile string
}

func (f *mirrorFlags) bind(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.addr, "registry", "127.0.0.1:5500", "address of the registry")
	cmd.Flags().StringVar(&f.authFile, "auth-file", "/var/lib/paas/registry/auth.json",
		"the registry's credentials, a JSON file with user and password")
}

func (f *mirrorFlags) target() (registry.Target, error) {
	auth, err := registry.ReadAuth(f.authFile)
	if errors.Is(err, fs.ErrNotExist) {
		return registry.Target{}, fmt.Errorf("%w\nNothing was changed. Point --auth-file at registry/auth.json in the "+
			"data directory of `paas standalone`", err)
	}
	return registry.Target{Addr: f.addr, Auth: auth}, err
}

// mirrorCommands handle the stand-ins of Docker Hub's official images. The
// embedded registry is BuildKit's mirror for docker.io: an image imported here
// is what `FROM debian:bookworm-slim` means; what is not here comes from there.
func mirrorCommands() []*cobra.Command {
	return []*cobra.Command{mirrorImportCommand(), mirrorListCommand()}
}

func mirrorImportCommand() *cobra.Command {
	var (
		to  mirrorFlags
		cfg registry.ImageConfig
	)
	cmd := &cobra.Command{
		Use:     "mirror:import IMAGE ROOTFS.TAR",
		Short:   "store a root filesystem as the stand-in of a Docker Hub image (operator)",
		Example: "  paas mirror:import debian:bookworm-slim rootfs.tar --cmd bash",
		Args:    cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			target, err := to.target()
			if err != nil {
				return err
			}
			digest, err := registry.Import(cmd.Context(), target, args[0], args[1], cfg)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "Importing %s... done, %s\n", args[0], digest)
			return err
		},
	}
	to.bind(cmd)
	f := cmd.Flags()
	f.StringArrayVar(&cfg.Env, "env", nil, "environment of the image, KEY=value (may be repeated)")
	f.StringArrayVar(&cfg.Entrypoint, "entrypoint", nil, "one word of the entrypoint (may be repeated)")
	f.StringArrayVar(&cfg.Cmd, "cmd", nil, "one word of the command (may be repeated)")
	f.StringVar(&cfg.WorkingDir, "workdir", "", "working directory")
	f.StringVar(&cfg.User, "user", "", "user the image runs as")
	f.StringVar(&cfg.Arch, "arch", "", "architecture, as Go names it (default: this machine's)")
	return cmd
}

func mirrorListCommand() *cobra.Command {
	var (
		from   mirrorFlags
		asJSON bool
	)
	cmd := &cobra.Command{
		Use:   "mirror:list",
		Short: "list the stand-ins",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			target, err := from.target()
			if err != nil {
				return err
			}
			list, err := registry.List(cmd.Context(), target)
			if err != nil {
				return err
			}
			if asJSON {
				return printStandInsJSON(cmd, list)
			}
			return printStandIns(cmd, list)
		},
	}
	from.bind(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func printStandInsJSON(cmd *cobra.Command, list []registry.StandIn) error {
	if list == nil {
		list = []registry.StandIn{}
	}
	enc := json.NewEncoder(cmd.OutOrStdout())
	enc.SetIndent("", "  ")
	return enc.Encode(list)
}

func printStandIns(cmd *cobra.Command, list []registry.StandIn) error {
	if len(list) == 0 {
		_, err := fmt.Fprintln(os.Stderr, "No stand-ins; builds get their base images from Docker Hub.")
		return err
	}
	tw := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
	for _, s := range list {
		if _, err := fmt.Fprintf(tw, "%s\t%.1f MB\t%s\n", s.Ref, float64(s.Size)/1e6, s.Digest); err != nil {
			return err
		}
	}
	return tw.Flush()
}
