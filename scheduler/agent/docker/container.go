package docker

import (
	"context"
	"fmt"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"

	"paas/scheduler/agent"
)

// List gives all containers of this cluster, running or not. The list of the
// engine only tells which there are: it was seen to call one running that had
// ended. So each is inspected.
func (r *Runtime) List(ctx context.Context) ([]agent.Container, error) {
	kept := r.files.kept()
	found, err := r.summaries(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]agent.Container, 0, len(found))
	for _, s := range found {
		c, _, err := r.inspect(ctx, s.ID)
		if missing(err) {
			continue // removed since
		}
		if err != nil {
			return nil, err
		}
		out = append(out, c)
	}
	r.sweepFiles(ctx, kept, out)
	r.wall.ensure(ctx, false)
	return out, nil
}

func (r *Runtime) summaries(ctx context.Context, more ...filters.KeyValuePair) ([]container.Summary, error) {
	ctx, cancel := context.WithTimeout(ctx, r.cfg.CallTimeout)
	defer cancel()
	// The first call of every operation goes through here.
	if err := r.negotiate(ctx); err != nil {
		return nil, r.fault("list containers", err)
	}
	args := filters.NewArgs(append(more, filters.Arg("label", labelCluster+"="+r.cfg.Cluster))...)
	list, err := r.cli.ContainerList(ctx, container.ListOptions{All: true, Filters: args})
	if err != nil {
		return nil, r.fault("list containers", err)
	}
	return list, nil
}

// find gives the engine's id of an instance's container.
func (r *Runtime) find(ctx context.Context, instance string) (string, error) {
	list, err := r.summaries(ctx, filters.Arg("label", labelInstance+"="+instance))
	if err != nil {
		return "", err
	}
	if len(list) == 0 {
		return "", fmt.Errorf("instance %s: %w", instance, agent.ErrNoContainer)
	}
	return list[0].ID, nil
}

// inspect tells the state of a container and whether its process ever ran.
func (r *Runtime) inspect(ctx context.Context, id string) (c agent.Container, ran bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, r.cfg.CallTimeout)
	defer cancel()
	in, err := r.cli.ContainerInspect(ctx, id)
	if err != nil {
		return c, false, r.fault("inspect container "+id, err)
	}
	if in.Config != nil {
		c.Instance = in.Config.Labels[labelInstance]
	}
	if in.NetworkSettings != nil {
		c.Addr = published(in.NetworkSettings)
		for _, n := range in.NetworkSettings.Networks {
			if n != nil && n.IPAddress != "" {
				c.IP = n.IPAddress
			}
		}
	}
	if in.State == nil {
		return c, false, nil
	}
	c.Running, c.ExitCode, c.OOM = in.State.Running, in.State.ExitCode, in.State.OOMKilled
	if t, err := time.Parse(time.RFC3339Nano, in.State.StartedAt); err == nil && t.Year() > 1 {
		c.Started, ran = t, true
	}
	return c, ran, nil
}
