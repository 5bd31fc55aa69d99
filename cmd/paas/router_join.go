package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"

	"github.com/spf13/cobra"

	"paas/server/fleet"
)

// routerJoinCommand makes this machine a router. It may be run again.
func routerJoinCommand() *cobra.Command {
	var dataDir, ca string
	cmd := &cobra.Command{
		Use:   "join HOST:PORT TOKEN --ca FINGERPRINT",
		Short: "make this machine a router of a control plane",
		Long: `Make this machine a router. paas routers:add NAME prints the command with its
token, which is good once, and with the fingerprint by which the control plane
is known. To run it twice does no harm. With - for the token it is read from
standard input: other users of the machine see what stands on a command line.`,
		Args:         takes(2, 2),
		SilenceUsage: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			fingerprint, err := checkJoin(cmd, args[0], ca, "paas routers:add")
			if err != nil {
				return err
			}
			token, err := joinToken(cmd, args[1])
			if err != nil {
				return err
			}
			return joinRouter(cmd, fleet.Joining{Dir: dataDir, Server: args[0], Token: token, CA: fingerprint})
		},
	}
	cmd.Flags().StringVar(&dataDir, "data-dir", routerDataDir, "directory that holds who this router is")
	cmd.Flags().StringVar(&ca, "ca", "", "fingerprint of the control plane's certificate")
	return cmd
}

func joinRouter(cmd *cobra.Command, j fleet.Joining) error {
	out := cmd.ErrOrStderr()
	member, err := routerMember(cmd.Context(), j)
	if err != nil {
		return err
	}
	if member.Joined() {
		fmt.Fprintf(out, "This machine is the router %s of %s already. Nothing was changed.\n", printable(member.Name), printable(member.Server))
		return nextRouter(cmd)
	}
	fmt.Fprintf(out, "Joining %s as a router... ", printable(j.Server))
	id, err := fleet.JoinRouter(cmd.Context(), j, buildVersion())
	if err != nil {
		fmt.Fprintln(out, "failed")
		return explainJoin(err, j)
	}
	fmt.Fprintf(out, "done, %s\n", printable(id.Name))
	return nextRouter(cmd)
}

// routerMember gives who this machine is already, for the same control plane;
// one that was removed there may join anew.
func routerMember(ctx context.Context, j fleet.Joining) (fleet.Identity, error) {
	id, err := fleet.ReadIdentity(j.Dir)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !id.Joined() {
		return fleet.Identity{}, nil
	}
	switch {
	case err != nil:
		return id, err
	case id.Edge == nil:
		return id, fmt.Errorf("%s is the data directory of a host. Nothing was changed.\nGive the router one of its own with --data-dir", j.Dir)
	case id.CA != j.CA:
		return id, fmt.Errorf("this machine is a router of another control plane, %s. Nothing was changed.\nTo leave it, remove the router there, stop paas router and remove %s", printable(id.Server), j.Dir)
	}
	_, err = fleet.Greet(ctx, id)
	var refused *fleet.Refusal
	if errors.As(err, &refused) && (refused.Status == http.StatusForbidden || refused.Status == http.StatusUnauthorized) {
		return fleet.Identity{}, fleet.Rejoin(id, j.Dir)
	}
	return id, err
}

// nextRouter prints what to run now.
func nextRouter(cmd *cobra.Command) error {
	line := "paas router"
	if flag := cmd.Flags().Lookup("data-dir"); flag.Changed {
		line += " --data-dir " + flag.Value.String()
	}
	_, err := fmt.Fprintf(cmd.ErrOrStderr(), "Now run the router: %s --http :80\n", line)
	return err
}
