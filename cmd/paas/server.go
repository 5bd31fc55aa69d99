package main

import (
	"errors"
	"fmt"
	"net"

	"github.com/spf13/cobra"
)

func serverCommand() *cobra.Command {
	s := settings{serverOnly: true}
	cmd := &cobra.Command{
		Use:   "server",
		Short: "run one of several control planes on this machine",
		Long: `Run the API, the dashboard, git over SSH, builds and planning, without a router
and an agent. Any number of servers share one Postgres and one registry; one of
them leads, and another takes over within seconds when it dies. All have the
same master.key in their data directory. SIGTERM stops cleanly.`,
		Args:         cobra.NoArgs,
		SilenceUsage: true,
		RunE:         func(cmd *cobra.Command, _ []string) error { return s.run(cmd) },
	}
	s.shared(cmd)
	f := cmd.Flags()
	f.StringVar(&s.postgres, "postgres", "", "connection string of the Postgres that all servers share; needed")
	f.StringVar(&s.externalRegistry, "external-registry", "", "host:port of the registry that all servers share; needed")
	f.StringVar(&s.name, "name", "", "name of this server (default: the machine's)")
	f.StringVar(&s.dashboard, "dashboard", ":8080", "address of the dashboard; TLS when a certificate is given")
	f.StringVar(&s.http, "router-http", ":80", "the routers' address for HTTP: its port is in the URLs of apps")
	f.StringVar(&s.https, "router-https", "", "the routers' address for HTTPS, if they have one: URLs of apps begin with https then")
	return cmd
}

// checkServer looks at what only `paas server` needs.
func (s *settings) checkServer() error {
	if !s.serverOnly {
		return nil
	}
	for _, f := range []struct{ flag, value, what string }{
		{"--postgres", s.postgres, "the Postgres that all servers share"},
		{"--external-registry", s.externalRegistry, "the registry that all servers share"},
		{"--fleet", s.fleet.addr, "the address for agents, routers and other servers"},
	} {
		if f.value == "" {
			return fmt.Errorf("%s is needed: %s. One machine by itself needs neither: paas standalone", f.flag, f.what)
		}
	}
	host, port, err := net.SplitHostPort(s.fleet.addr)
	if err != nil {
		return fmt.Errorf("--fleet %s: must be an address like :8443", s.fleet.addr)
	}
	// Each server is found by an address of its own: the domain leads anywhere.
	if ip := net.ParseIP(host); s.fleet.name == "" && (host == "" || port == "0" || ip != nil && ip.IsUnspecified()) {
		return errors.New("--fleet-name is needed: HOST:PORT at which agents, routers and other servers reach this one")
	}
	return nil
}
