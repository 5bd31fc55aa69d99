package docker

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"syscall"

	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/volume"

	"paas/scheduler/agent"
)

const (
	maxVolumes = 1000    // of one host that are told
	maxWalked  = 200_000 // files of all volumes that are looked at in one round
)

// weights is what the volumes took on disk when they were weighed last, by id.
type weights struct {
	mu   sync.Mutex
	used map[string]int64 // bytes; below 0: could not be counted
}

// of is -1 for what was not weighed yet.
func (s *weights) of(id string) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n, ok := s.used[id]; ok {
		return n
	}
	return -1
}

func (s *weights) set(used map[string]int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.used = used
}

// Stock is agent.Keeper. What it cannot see, as in a container of its own, it
// does not tell: the engine would count all it has each time it is asked.
func (r *Runtime) Stock(ctx context.Context) (agent.Stock, error) {
	if err := r.negotiate(ctx); err != nil {
		return agent.Stock{}, r.fault("look at the disk", err)
	}
	info, err := r.cli.Info(ctx)
	if err != nil {
		return agent.Stock{}, r.fault("look at the disk", err)
	}
	var s agent.Stock
	var disk syscall.Statfs_t
	if syscall.Statfs(info.DockerRootDir, &disk) == nil {
		s.DiskFree, s.DiskTotal = int64(disk.Bavail)*disk.Bsize, int64(disk.Blocks)*disk.Bsize
	}
	list, more, err := r.ownVolumes(ctx)
	if err != nil {
		return s, err
	}
	s.More = more
	for _, v := range list {
		id := v.Labels[labelVolume]
		s.Volumes = append(s.Volumes, agent.VolumeStock{ID: id, Used: r.weights.of(id)})
	}
	return s, nil
}

// Weigh is agent.Keeper.
func (r *Runtime) Weigh(ctx context.Context) error {
	if err := r.negotiate(ctx); err != nil {
		return r.fault("weigh volumes", err)
	}
	list, _, err := r.ownVolumes(ctx)
	if err != nil {
		return err
	}
	used, left := map[string]int64{}, maxWalked
	for i, v := range list { // what one leaves of its share the next ones may use
		share := left / (len(list) - i)
		rest := share
		used[v.Labels[labelVolume]] = diskUse(ctx, v.Mountpoint, &rest)
		left -= share - max(rest, 0)
	}
	r.weights.set(used)
	return nil
}

// ownVolumes are those of this cluster, in a lasting order; more says that
// there are others.
func (r *Runtime) ownVolumes(ctx context.Context) (list []*volume.Volume, more bool, err error) {
	all, err := r.cli.VolumeList(ctx, volume.ListOptions{Filters: filters.NewArgs(filters.Arg("label", labelCluster+"="+r.cfg.Cluster))})
	if err != nil {
		return nil, false, r.fault("list volumes", err)
	}
	for _, v := range all.Volumes {
		if id := v.Labels[labelVolume]; id != "" && v.Name == volumeName(id) {
			list = append(list, v)
		}
	}
	slices.SortFunc(list, func(a, b *volume.Volume) int { return cmp.Compare(a.Name, b.Name) })
	if len(list) > maxVolumes {
		return list[:maxVolumes], true, nil
	}
	return list, false, nil
}
