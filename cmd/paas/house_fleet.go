package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"sync/atomic"

	"github.com/spf13/cobra"

	"paas/server"
	"paas/server/fleet"
	"paas/server/httpd"
)

// fleetSettings are the flags of `paas standalone` about other machines.
type fleetSettings struct {
	addr   string
	name   string
	egress []string
	floors bool // are required

	drivers []string // for volumes

	publish    string // where other machines reach this one's dynos
	egressNets []netip.Prefix
	published  netip.Addr
}

func (s *fleetSettings) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&s.addr, "fleet", "", "address for agents on other machines, like :8443; without it no other machine can join")
	f.StringVar(&s.name, "fleet-name", "", "HOST:PORT as agents reach it (default: the domain and the port of --fleet)")
	f.BoolVar(&s.floors, "require-floors", false, "take no machine with a version of the engine, its parts, the kernel or paas that has a known hole")
	f.StringArrayVar(&s.drivers, "volume-driver", nil, "volume driver of Docker on the hosts that apps may have volumes by; may be repeated")
	f.StringArrayVar(&s.egress, "egress-allow", nil, "private network (CIDR) that apps may reach; may be repeated")
}

func (s *fleetSettings) check() error {
	for _, d := range s.drivers {
		if err := server.CheckVolumeDriver(d); err != nil {
			return fmt.Errorf("--volume-driver: %w", err)
		}
	}
	for _, c := range s.egress {
		p, err := netip.ParsePrefix(c)
		if err != nil {
			return fmt.Errorf("--egress-allow %s: must be a network like 10.1.2.0/24", c)
		}
		s.egressNets = append(s.egressNets, p.Masked())
	}
	if s.publish != "" {
		a, err := netip.ParseAddr(s.publish)
		if err != nil || a.IsUnspecified() || a.IsMulticast() {
			return fmt.Errorf("--addr %s: must be an IP address of this machine, one that only other hosts and routers reach", s.publish)
		}
		s.published = a
	}
	if s.name == "" {
		return nil
	}
	if s.addr == "" {
		return errors.New("--fleet-name goes with --fleet")
	}
	if host, port, err := net.SplitHostPort(s.name); err != nil || host == "" || port == "" {
		return fmt.Errorf("--fleet-name %s: must be HOST:PORT as agents reach it", s.name)
	}
	return nil
}

// reach is where others find the address that this process listens on.
func (s *fleetSettings) reach(listens, domain string) string {
	if s.name != "" || listens == "" {
		return s.name
	}
	host, port, _ := net.SplitHostPort(listens)
	if ip := net.ParseIP(host); ip == nil || ip.IsUnspecified() {
		host = domain
	}
	return net.JoinHostPort(host, port)
}

// fleetParts are what the platform has for hosts that are other machines.
type fleetParts struct {
	leader *server.Leader
	auth   *fleet.Authority
	server *fleet.Server
	hosts  *server.Fleet
	parts  []func(context.Context) error // run while this process leads

	api     atomic.Pointer[httpd.Server] // once it is there
	logDoor http.Handler                 // this server's own logs, for the others
	forward *fleet.Forward               // nil: there are no other servers
	routers *server.Routers
}

// leading adds a part that runs while this process leads.
func (h *house) leading(parts ...func(context.Context) error) {
	h.fleet.parts = append(h.fleet.parts, parts...)
}

// competeToLead comes when all parts are there that need it.
func (h *house) competeToLead(context.Context) error {
	h.services.run("leader", func(ctx context.Context) error { return h.fleet.leader.Run(ctx, h.fleet.parts...) })
	return nil
}

// where are the servers that hosts may go to.
func (h *house) where() (p fleet.Where) {
	for _, e := range h.servers.List() {
		if e.Addr == "" || !e.Alive() {
			continue
		}
		p.Servers = append(p.Servers, e.Addr)
		if e.Leads {
			p.Leader = e.Addr
		}
	}
	return p
}

// openLeader makes this process one that may lead.
func (h *house) openLeader(ctx context.Context) error {
	h.openRouters()
	h.fleet.leader = server.NewLeader(server.LeaderConfig{Owner: h.servers.Self()}, h.store, h.log)
	if h.s.fleet.addr == "" {
		return nil
	}
	text, err := h.keyring.Shared(ctx, h.store, "fleet-authority", h.before("fleet/authority.pem", fleet.NewAuthority, fleet.CheckAuthority))
	if err != nil {
		return err
	}
	h.fleet.auth, err = fleet.OpenAuthority(text)
	return err
}

// openFleet opens the door for agents. What they say of hosts goes the same way
// as what the agent in this process says.
func (h *house) openFleet(control *server.Control) (err error) {
	h.fleet.hosts = server.NewFleet(server.FleetConfig{Epoch: h.fleet.leader.Epoch, RequireFloors: h.s.fleet.floors}, h.store, control, h.bell, h.log)
	h.leading(h.fleet.hosts.Run)
	if h.s.fleet.addr == "" {
		return nil
	}
	h.fleet.server, err = fleet.New(fleet.Config{Addr: h.s.fleet.addr, Epoch: h.fleet.leader.Epoch, Behind: h.behind(), Where: h.where, Links: h.traffic,
		Registry: fleet.Registry{URL: registryURL(h.images.addr), User: h.images.auth.User, Password: h.images.auth.Password}, Edge: h.edge()},
		h.fleet.auth, control, h.fleet.hosts, h.log)
	if err != nil {
		return portHint(err, "--fleet", h.s.fleet.addr)
	}
	h.services.run("agents", h.fleet.server.Run)
	h.leading(h.fleet.server.Lead)
	h.log.Info("agents may come", "fleet", h.fleetAddress().Addr, "ca", h.fleet.auth.Fingerprint())
	return nil
}

// fleetAddress is where join commands send new machines to.
func (h *house) fleetAddress() server.FleetAddress {
	if h.fleet.server == nil {
		return server.FleetAddress{}
	}
	return server.FleetAddress{Addr: h.s.fleet.reach(h.fleet.server.Addr().String(), h.s.domain), CA: h.fleet.auth.Fingerprint()}
}

// registryURL is what engines make of a registry's address: plain HTTP on
// loopback, HTTPS elsewhere.
func registryURL(addr string) string {
	host, _, err := net.SplitHostPort(addr)
	if ip := net.ParseIP(host); err == nil && (host == "localhost" || ip != nil && ip.IsLoopback()) {
		return "http://" + addr
	}
	return "https://" + addr
}
