package main

import (
	"context"
	"log/slog"
	"net/netip"

	"paas/router"
	"paas/router/door"
	"paas/scheduler/agent"
	"paas/scheduler/agent/docker"
)

// The ports of a host, on its own address in each app's network, behind which
// linked apps are: below those that kernels give to connections, above those that
// dynos are published on.
const (
	doorHTTP  = 32080
	doorNames = 32053
)

func doorPorts() docker.DoorPorts { return docker.DoorPorts{HTTP: doorHTTP, Names: doorNames} }

// newDoors makes the doors of a host. The networks they are on follow from what
// is assigned to it.
func newDoors(host, snapshot string, source router.LinkSource, log *slog.Logger) (*door.Doors, error) {
	return door.New(door.Config{Host: host, HTTPPort: doorHTTP, NamePort: doorNames, SnapshotFile: snapshot}, source, log)
}

// doored is a control plane whose sets of assignments the doors hear of as well.
type doored struct {
	agent.Control
	doors *door.Doors
}

// Watch is agent.Control.
func (d doored) Watch(ctx context.Context, host string) <-chan []agent.Assignment {
	in, out := d.Control.Watch(ctx, host), make(chan []agent.Assignment)
	go func() {
		defer close(out)
		for set := range in {
			d.doors.Networks(networksOf(set))
			select {
			case out <- set:
			case <-ctx.Done():
			}
		}
	}()
	return out
}

// networksOf are the networks that a set needs, each once.
func networksOf(set []agent.Assignment) []door.Network {
	var list []door.Network
	seen := map[string]bool{}
	for _, a := range set {
		subnet, err := netip.ParsePrefix(a.Network.Subnet)
		if err == nil && !seen[a.AppID] {
			seen[a.AppID] = true
			list = append(list, door.Network{AppID: a.AppID, Subnet: subnet})
		}
	}
	return list
}
