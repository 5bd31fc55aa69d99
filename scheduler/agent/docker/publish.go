package docker

import (
	"math/rand/v2"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/go-connections/nat"

	"paas/scheduler/agent"
)

// The ports that instances are published on: below those that kernels use for
// connections of their own.
const (
	firstPort = 20000
	portCount = 12000
	portTries = 20
)

// anyPort is a port that was hardly another instance's a moment ago. The engine
// gives the lowest again after its restart, one after the other: for as long as
// the router has not heard of it, an app's requests would reach another app.
func anyPort() int { return firstPort + rand.IntN(portCount) }

// portTaken says that a container did not start because of its published port.
func portTaken(err error) bool {
	if err == nil {
		return false
	}
	text := err.Error()
	return strings.Contains(text, "port is already allocated") || strings.Contains(text, "address already in use")
}

// publish lets the instance's port be reached from other machines, on the
// host's private address and a port of the host. An address that stands for all
// of them would open it to the world and is never passed on.
func (s *spec) publish(on netip.Addr, hostPort int, a agent.Assignment) error {
	if !on.IsValid() || a.Port == 0 {
		return nil
	}
	if on.IsUnspecified() || on.IsMulticast() {
		return lasting("publish %s on %s: apps are published on one address of the host, not on all", a.Name, on)
	}
	port := nat.Port(strconv.Itoa(a.Port) + "/tcp")
	s.config.ExposedPorts = nat.PortSet{port: {}}
	s.host.PortBindings = nat.PortMap{port: {{HostIP: on.String(), HostPort: strconv.Itoa(hostPort)}}}
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
