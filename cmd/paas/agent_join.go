package main

import (
	"bufio"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"

	"github.com/spf13/cobra"

	"paas/scheduler/agent/docker"
	"paas/server/doctor"
	"paas/server/fleet"
)

// agentJoinCommand makes this machine a host. It may be run again.
func agentJoinCommand() *cobra.Command {
	var (
		s          agentSettings
		ca, former string
	)
	cmd := &cobra.Command{
		Use:   "join HOST:PORT TOKEN --ca FINGERPRINT",
		Short: "make this machine a host of a control plane",
		Long: `Make this machine a host. paas hosts:add NAME prints the command with its token,
which is good once, and with the fingerprint by which the control plane is known.
To run it twice does no harm. With - for the token it is read from standard input:
other users of the machine see what stands on a command line.`,
		Args:         takes(2, 2),
		SilenceUsage: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			if _, err := s.check(cmd); err != nil {
				return err
			}
			fingerprint, err := checkJoin(cmd, args[0], ca, "paas hosts:add")
			if err != nil {
				return err
			}
			token, err := joinToken(cmd, args[1])
			if err != nil {
				return err
			}
			j := fleet.Joining{Dir: s.dataDir, Server: args[0], Token: token, CA: fingerprint, Found: s.addr == ""}
			if j.Cluster, err = formerCluster(former); err != nil {
				return err
			}
			return s.join(cmd, j)
		},
	}
	s.flags(cmd)
	cmd.Flags().StringVar(&ca, "ca", "", "fingerprint of the control plane's certificate")
	cmd.Flags().StringVar(&former, "standalone", "", "data directory of the paas standalone that ran here: the machine is to be the host that it was, with its volumes")
	return cmd
}

// formerCluster reads what paas standalone's on this engine is named by.
func formerCluster(dir string) (string, error) {
	if dir == "" {
		return "", nil
	}
	id, err := (&dataDir{path: dir}).secret("cluster-id", 6, false)
	if err != nil {
		return "", fmt.Errorf("--standalone %s is no data directory of paas standalone: %w; nothing was changed", printable(dir), err)
	}
	return hex.EncodeToString(id), nil
}

// checkJoin reads what the command of an invitation says of the control plane.
func checkJoin(cmd *cobra.Command, addr, ca, printedBy string) (fingerprint string, err error) {
	ca = strings.ToLower(strings.ReplaceAll(ca, ":", ""))
	if raw, err := hex.DecodeString(ca); err != nil || len(raw) != 32 {
		return "", usagef(cmd, "--ca must be the fingerprint that %s printed, 64 hex digits", printedBy)
	}
	if _, port, err := net.SplitHostPort(addr); err != nil || port == "" {
		return "", usagef(cmd, "%s is no address: it is HOST:PORT of the control plane, as %s printed it", printable(addr), printedBy)
	}
	return ca, nil
}

// joinToken is the token of an invitation as it was given, "-" being the first
// line of standard input.
func joinToken(cmd *cobra.Command, given string) (string, error) {
	if given != "-" {
		return given, nil
	}
	const most = 1 << 10 // bytes
	line, err := bufio.NewReader(io.LimitReader(cmd.InOrStdin(), most)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("read the token from standard input: %w; nothing was changed", err)
	}
	if line = strings.TrimSpace(line); line == "" {
		return "", usagef(cmd, "Standard input has no token. Nothing was changed.")
	}
	return line, nil
}

func (s *agentSettings) join(cmd *cobra.Command, j fleet.Joining) error {
	ctx, out := cmd.Context(), cmd.ErrOrStderr()
	report := s.examine(ctx, j.Server, j.CA, nil)
	tellReport(out, report)
	m, err := s.look(ctx, j.Server, report)
	if err != nil {
		return err
	}
	before, _ := fleet.ReadIdentity(s.dataDir) // member says what is wrong with it
	member, err := s.member(ctx, j, m)
	if err != nil {
		return err
	}
	if member.Joined() {
		fmt.Fprintf(out, "This machine is the host %s of %s already. Nothing was changed.\n", printable(member.Name), printable(member.Server))
		return s.next(cmd)
	}
	fmt.Fprintf(out, "Joining %s as a host with the address %s... ", printable(j.Server), m.Addr)
	id, err := fleet.Join(ctx, j, m)
	if err != nil {
		fmt.Fprintln(out, "failed")
		return explainJoin(err, j)
	}
	fmt.Fprintf(out, "done, %s\n", printable(id.Name))
	if before.Joined() {
		fmt.Fprintln(out, "An agent that still runs here goes on as this host by itself.")
	}
	return s.next(cmd)
}

// look checks the machine before anything is said to anybody.
func (s *agentSettings) look(ctx context.Context, server string, report doctor.Report) (fleet.Machine, error) {
	rt, err := docker.New(docker.Config{Socket: "unix://" + s.docker, Cluster: "join"}, slog.New(slog.DiscardHandler))
	if err != nil {
		return fleet.Machine{}, err
	}
	defer rt.Close()
	var addr netip.Addr
	if s.addr != "" {
		addr, err = netip.ParseAddr(s.addr)
	} else if addr, err = localAddress(ctx, server); err != nil {
		err = fmt.Errorf("find the way to %s: %w; nothing was changed", server, err)
	}
	if err != nil {
		return fleet.Machine{}, err
	}
	m, err := machine(ctx, rt, addr, report)
	if err != nil {
		return m, fmt.Errorf("%w; nothing was changed.\nSee what this machine lacks with: paas doctor", err)
	}
	return m, nil
}

// member gives who this machine is already, for the same control plane; one
// that was removed there may join anew.
func (s *agentSettings) member(ctx context.Context, j fleet.Joining, m fleet.Machine) (fleet.Identity, error) {
	id, err := fleet.ReadIdentity(s.dataDir)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !id.Joined() {
		return fleet.Identity{}, nil
	}
	if err != nil {
		return id, err
	}
	if id.CA != j.CA {
		return id, fmt.Errorf("this machine is a host of another control plane, %s. Nothing was changed.\nTo leave it, remove the host there, stop paas agent and remove %s", printable(id.Server), s.dataDir)
	}
	err = fleet.Member(ctx, id, m)
	var refused *fleet.Refusal
	if errors.As(err, &refused) && (refused.Status == http.StatusForbidden || refused.Status == http.StatusUnauthorized) {
		return fleet.Identity{}, fleet.Rejoin(id, s.dataDir)
	}
	return id, err
}

func explainJoin(err error, j fleet.Joining) error {
	var refused *fleet.Refusal
	switch {
	case errors.As(err, &refused):
		return err // it says what to do
	case errors.Is(err, fleet.ErrImpostor):
		return fmt.Errorf("join %s: %w; nothing was sent to it", printable(j.Server), err)
	}
	return fmt.Errorf("join %s: %w; run the command again once it answers: its token is still good", printable(j.Server), err)
}

// next prints what to run now.
func (s *agentSettings) next(cmd *cobra.Command) error {
	line := "paas agent"
	for _, f := range []string{"data-dir", "docker"} {
		if flag := cmd.Flags().Lookup(f); flag.Changed {
			line += " --" + f + " " + flag.Value.String()
		}
	}
	_, err := fmt.Fprintf(cmd.ErrOrStderr(), "Now run the agent: %s\n", line)
	return err
}
