package docker

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/network"

	"paas/scheduler/agent"
)

// ensureNetwork makes the app's own bridge. Instances of one app reach each
// other on it, nobody else's.
func (r *Runtime) ensureNetwork(ctx context.Context, a agent.Assignment) error {
	ok, err := r.networkStands(ctx, a)
	if ok || err != nil {
		return err
	}
	select {
	case r.netting <- struct{}{}:
		defer func() { <-r.netting }()
	case <-ctx.Done():
		return ctx.Err()
	}
	// Another instance of the app may have made it meanwhile.
	if ok, err = r.networkStands(ctx, a); ok || err != nil {
		return err
	}
	return r.makeNetwork(ctx, a)
}

// networkStands is true when the network is there as it has to be. One that
// stands wrong and unused is removed.
func (r *Runtime) networkStands(ctx context.Context, a agent.Assignment) (bool, error) {
	step := "look for network " + a.Network.Name
	ctx, cancel := context.WithTimeout(ctx, r.cfg.CallTimeout)
	defer cancel()
	n, err := r.cli.NetworkInspect(ctx, a.Network.Name, network.InspectOptions{})
	if missing(err) {
		return false, nil
	}
	if err != nil {
		return false, r.fault(step, err)
	}
	if n.Labels[labelCluster] != r.cfg.Cluster {
		return false, lasting("%s: one of that name is not of this cluster; remove it: docker network rm %s", step, n.Name)
	}
	// Firewall rules go by the bridge's name. One of an earlier version is
	// replaced as soon as nobody uses it.
	if named := n.Options[bridgeOption]; named != bridgeName(r.cfg.Cluster, n.Name) && len(n.Containers) == 0 {
		return false, r.discard(ctx, n)
	}
	if a.Network.Subnet == "" || slices.ContainsFunc(n.IPAM.Config, func(c network.IPAMConfig) bool { return c.Subnet == a.Network.Subnet }) {
		return true, nil
	}
	if len(n.Containers) > 0 {
		return false, fmt.Errorf("%s: it has not subnet %s and is still used by %d containers", step, a.Network.Subnet, len(n.Containers))
	}
	return false, r.discard(ctx, n)
}

// discard removes a network that stands wrong.
func (r *Runtime) discard(ctx context.Context, n network.Inspect) error {
	if err := r.cli.NetworkRemove(ctx, n.ID); err != nil && !missing(err) {
		return r.fault("remove network "+n.Name+", which stands as an earlier version made it", err)
	}
	return nil
}

const bridgeOption = "com.docker.network.bridge.name"

func (r *Runtime) makeNetwork(ctx context.Context, a agent.Assignment) error {
	ctx, cancel := context.WithTimeout(ctx, r.cfg.StartTimeout)
	defer cancel()
	o := network.CreateOptions{
		Driver: "bridge",
		Labels: map[string]string{labelCluster: r.cfg.Cluster, labelApp: a.App, labelAppID: a.AppID},
		Options: map[string]string{
			"com.docker.network.bridge.enable_icc": "true",
			bridgeOption:                           bridgeName(r.cfg.Cluster, a.Network.Name),
		},
	}
	if a.Network.Subnet != "" {
		o.IPAM = &network.IPAM{Config: []network.IPAMConfig{{Subnet: a.Network.Subnet}}}
	}
	_, err := r.cli.NetworkCreate(ctx, a.Network.Name, o)
	step := "make network " + a.Network.Name
	switch {
	case err == nil, strings.Contains(err.Error(), "already exists"):
		return nil
	case strings.Contains(err.Error(), "Pool overlaps") && r.oursHas(ctx, a.Network.Subnet):
		// Of an app that is going: it is free as soon as its last container ended.
		return fmt.Errorf("%s: its subnet %s is still held by an app that was destroyed", step, a.Network.Subnet)
	case strings.Contains(err.Error(), "Pool overlaps"):
		return lasting("%s: its subnet %s is taken by another network of this host; see docker network ls, remove that one or move the pool of paas", step, a.Network.Subnet)
	}
	return r.fault(step, err)
}

// oursHas says whether a network of this cluster has the subnet.
func (r *Runtime) oursHas(ctx context.Context, subnet string) bool {
	list, err := r.networks(ctx)
	return err == nil && slices.ContainsFunc(list, func(n network.Summary) bool {
		return slices.ContainsFunc(n.IPAM.Config, func(c network.IPAMConfig) bool { return c.Subnet == subnet })
	})
}

// Prune removes networks of this cluster whose name is not in keep. One that
// a container still uses stays.
func (r *Runtime) Prune(ctx context.Context, keep []string) error {
	list, err := r.networks(ctx)
	if err != nil {
		return err
	}
	for _, n := range list {
		if slices.Contains(keep, n.Name) {
			continue
		}
		if err := r.removeNetwork(ctx, n); err != nil {
			return err
		}
	}
	return nil
}

func (r *Runtime) networks(ctx context.Context) ([]network.Summary, error) {
	ctx, cancel := context.WithTimeout(ctx, r.cfg.CallTimeout)
	defer cancel()
	list, err := r.cli.NetworkList(ctx, network.ListOptions{
		Filters: filters.NewArgs(filters.Arg("label", labelCluster+"="+r.cfg.Cluster)),
	})
	if err != nil {
		return nil, r.fault("list networks", err)
	}
	return list, nil
}

func (r *Runtime) removeNetwork(ctx context.Context, n network.Summary) error {
	ctx, cancel := context.WithTimeout(ctx, r.cfg.StartTimeout)
	defer cancel()
	err := r.cli.NetworkRemove(ctx, n.ID)
	if err == nil || missing(err) || strings.Contains(err.Error(), "active endpoints") {
		return nil
	}
	return r.fault("remove network "+n.Name, err)
}
