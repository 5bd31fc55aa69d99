package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"paas/scheduler/agent"
	"paas/scheduler/agent/docker"
	"paas/server"
	"paas/server/doctor"
	"paas/server/fleet"
)

// agentDir is where an agent keeps who its host is, unless it is told.
const agentDir = "/var/lib/paas-agent"

// agentSettings are the flags of `paas agent` and `paas agent join`.
type agentSettings struct {
	dataDir  string
	docker   string
	addr     string
	registry string
	egress   []string
	logLevel string
	logRate  int

	egressNets []netip.Prefix
}

// agentCommand runs a host. Its machine joins first.
func agentCommand() *cobra.Command {
	var s agentSettings
	cmd := &cobra.Command{
		Use:   "agent",
		Short: "run the apps' dynos on this machine, for a control plane elsewhere",
		Long: `Run on this machine what the control plane assigns to it, with the local Docker
Engine. The machine joins first, by the command that paas hosts:add prints.
The agent dials out and opens no port towards the world. While the control
plane is away everything goes on running. SIGTERM stops the agent; apps go on.`,
		Args:         takes(0, 0),
		SilenceUsage: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			log, err := s.check(cmd)
			if err != nil {
				return err
			}
			return runAgent(cmd.Context(), s, log)
		},
	}
	s.flags(cmd)
	f := cmd.Flags()
	f.StringVar(&s.registry, "registry", "127.0.0.1:5500", "loopback address where the engine finds the apps' images")
	f.StringArrayVar(&s.egress, "egress-allow", nil, "private network (CIDR) that apps may reach; may be repeated")
	f.StringVar(&s.logLevel, "log-level", "info", "debug, info, warn or error")
	f.IntVar(&s.logRate, "log-rate", 1024, "kilobytes per second that one dyno may print for long; more is dropped and counted")
	cmd.AddCommand(agentJoinCommand())
	return cmd
}

// flags are those that joining has too.
func (s *agentSettings) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&s.dataDir, "data-dir", agentDir, "directory that holds who this host is")
	f.StringVar(&s.docker, "docker", "/var/run/docker.sock", "unix socket of the Docker Engine")
	f.StringVar(&s.addr, "addr", "", "private address of this machine to publish dynos on (default: the one that reaches the control plane)")
}

func (s *agentSettings) check(cmd *cobra.Command) (*slog.Logger, error) {
	if s.addr != "" {
		if _, err := netip.ParseAddr(s.addr); err != nil {
			return nil, usagef(cmd, "--addr %s: must be an IP address of this machine", printable(s.addr))
		}
	}
	for _, c := range s.egress {
		p, err := netip.ParsePrefix(c)
		if err != nil {
			return nil, usagef(cmd, "--egress-allow %s: must be a network like 10.1.2.0/24", printable(c))
		}
		s.egressNets = append(s.egressNets, p.Masked())
	}
	if s.logRate < 0 || s.logRate > 1<<20 {
		return nil, usagef(cmd, "--log-rate must be 1 to 1048576 kilobytes per second")
	}
	level := slog.LevelInfo
	if s.logLevel != "" && level.UnmarshalText([]byte(s.logLevel)) != nil {
		return nil, usagef(cmd, "--log-level %s: must be debug, info, warn or error", printable(s.logLevel))
	}
	return slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), &slog.HandlerOptions{Level: level})), nil
}

func runAgent(ctx context.Context, s agentSettings, log *slog.Logger) error {
	unlock, err := lockRole(s.dataDir, "paas agent")
	if err != nil {
		return err
	}
	defer unlock()
	for {
		err := s.work(ctx, log)
		if !errors.Is(err, fleet.ErrRejoined) {
			return err
		}
		log.Info("this machine has joined anew; the agent goes on as the host it is now")
	}
}

// work is an agent as the host that this machine is, until ctx ends or it is
// another one.
func (s *agentSettings) work(ctx context.Context, log *slog.Logger) error {
	id, err := fleet.ReadIdentity(s.dataDir)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !id.Joined() {
		err = errors.New("this machine has not joined a control plane: nothing was started.\nGet the command for it, where paas is logged in, with: paas hosts:add NAME")
	}
	if err != nil {
		return err
	}
	addr, err := s.address(ctx, id, log)
	if err != nil {
		return err
	}
	if !closedToTheWorld(addr) {
		log.Warn("dynos are published on an address that is not private: who reaches it reaches them, past the router. Give a private one with --addr, or close it to all but the control plane", "addr", addr)
	}
	rt, err := docker.New(docker.Config{Socket: "unix://" + s.docker, Cluster: id.Cluster, FilesDir: filesDir(id.Cluster), Publish: addr, EgressAllow: s.egressNets, Doors: doorPorts(),
		RegistryAuth: map[string]docker.Credentials{s.registry: {User: fleet.ProxyUser, Password: id.Password}}}, log)
	if err != nil {
		return err
	}
	defer rt.Close()
	what := fleet.ClientConfig{Dir: s.dataDir, Registry: s.registry,
		Machine: func(ctx context.Context) (fleet.Machine, error) { return machine(ctx, rt, addr, doctor.Report{}) },
		// Examined beside the rest: a host that starts again is to be heard at once.
		Findings: func() []server.Finding {
			r := s.examine(ctx, id.Server, id.CA, nil)
			logReport(log, r)
			return findingsOf(r)
		}}
	parts, err := s.open(id, rt, newFloor(ctx), what, log)
	if err != nil {
		return err
	}
	log.Info("ready", "host", id.Name, "id", id.Host, "server", id.Server, "addr", addr, "registry", s.registry, "pid", os.Getpid())
	parts.wg.Wait()
	return parts.failure()
}

// open starts the parts of an agent.
func (s *agentSettings) open(id fleet.Identity, rt *docker.Runtime, parts *floor, what fleet.ClientConfig, log *slog.Logger) (*floor, error) {
	client, err := fleet.NewClient(what, log)
	if err != nil {
		return nil, err
	}
	proxy, err := fleet.NewProxy(client, log)
	if err != nil {
		return nil, portHint(err, "--registry", s.registry)
	}
	doors, err := newDoors(id.Host, filepath.Join(s.dataDir, "links.json"), client, log)
	if err != nil {
		return nil, err
	}
	a, err := agent.New(agent.Config{Host: id.Host, LogRate: s.logRate << 10, LogBurst: 2 * s.logRate << 10}, doored{client, doors}, rt, log)
	if err != nil {
		return nil, err
	}
	parts.run("control plane", client.Run)
	parts.run("registry", proxy.Run)
	parts.run("linked apps", doors.Run)
	parts.run("agent", a.Run)
	parts.run("image sweep", func(ctx context.Context) error {
		if !pause(ctx, 10*time.Minute) { // which images are in use is known by then
			return nil
		}
		return agent.SweepImages(ctx, 10*time.Minute, client.KeptImages, rt, log)
	})
	return parts, nil
}

// pause waits; false when ctx ended first.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

// machine is what this one has for dynos: a tenth of the memory is left to
// itself.
func machine(ctx context.Context, rt *docker.Runtime, addr netip.Addr, report doctor.Report) (fleet.Machine, error) {
	c, err := rt.Capacity(ctx)
	if err != nil {
		return fleet.Machine{}, err
	}
	return fleet.Machine{Arch: c.Arch, MilliCPU: int64(c.CPUs) * 1000, Memory: c.Memory / 10 * 9, Addr: addr, Agent: buildVersion(), Engine: c.Engine,
		Boot: bootID(), Findings: findingsOf(report)}, nil
}

// address is where dynos are published: as told now, as told when it joined, as
// it is found now, or as it was found then, in case nothing is found.
func (s *agentSettings) address(ctx context.Context, id fleet.Identity, log *slog.Logger) (netip.Addr, error) {
	if s.addr != "" {
		return netip.ParseAddr(s.addr)
	}
	if !id.Found && id.Addr.IsValid() {
		return id.Addr, nil
	}
	found, err := localAddress(ctx, id.Server)
	if err == nil {
		return found, nil
	}
	if !id.Addr.IsValid() {
		return found, fmt.Errorf("find the address of this machine: %w; nothing was started.\nGive it with --addr", err)
	}
	log.Warn("cannot find the address of this machine; publishing on the one it had", "addr", id.Addr, "err", err)
	return id.Addr, nil
}

// closedToTheWorld says whether an address is of a private network.
func closedToTheWorld(a netip.Addr) bool {
	return a.IsPrivate() || a.IsLoopback() || netip.PrefixFrom(netip.AddrFrom4([4]byte{100, 64}), 10).Contains(a) // of carriers and overlays
}

// localAddress is the one that this machine reaches the server from. Nothing
// is sent.
func localAddress(ctx context.Context, server string) (netip.Addr, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	c, err := new(net.Dialer).DialContext(ctx, "udp", server)
	if err != nil {
		return netip.Addr{}, err
	}
	defer c.Close()
	a, err := netip.ParseAddrPort(c.LocalAddr().String())
	return a.Addr().Unmap(), err
}

// lockRole lets one process of a role, "paas agent", run on a data directory. The
// kernel frees the lock with the process.
func lockRole(dir, role string) (unlock func(), err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the directory of %s: %w", role, err)
	}
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the directory of %s: %w", role, err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("another %s runs on %s; nothing was started", role, dir)
	}
	if err := f.Truncate(0); err == nil {
		_, _ = f.WriteString(strconv.Itoa(os.Getpid()) + "\n") // for people
	}
	return func() { _ = f.Close() }, nil
}
