package docker

import (
	"net"
	"net/netip"
	"strconv"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/go-connections/nat"

	"paas/scheduler/agent"
)

// publish lets the instance's port be reached from other machines, on the
// host's private address and a port that the engine chooses. An address that
// stands for all of them would open it to the world and is never passed on.
func (s *spec) publish(on netip.Addr, a agent.Assignment) error {
	if !on.IsValid() || a.Port == 0 {
		return nil
	}
	if on.IsUnspecified() || on.IsMulticast() {
		return lasting("publish %s on %s: apps are published on one address of the host, not on all", a.Name, on)
	}
	port := nat.Port(strconv.Itoa(a.Port) + "/tcp")
	s.config.ExposedPorts = nat.PortSet{port: {}}
	s.host.PortBindings = nat.PortMap{port: {{HostIP: on.String(), HostPort: ""}}}
	return nil
}

// published is where other machines reach the container, "" when nowhere. It
// has one port at most; publish sees to that.
func published(n *container.NetworkSettings) string {
	for _, bindings := range n.Ports {
		for _, b := range bindings {
			if b.HostIP != "" && b.HostPort != "" {
				return net.JoinHostPort(b.HostIP, b.HostPort)
			}
		}
	}
	return ""
}
