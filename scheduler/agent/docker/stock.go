package docker

import (
	"context"
	"io/fs"
	"path/filepath"
	"syscall"

	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/volume"

	"paas/scheduler/agent"
)

const (
	maxVolumes = 1000    // of one host that are told
	maxWalked  = 200_000 // files of all volumes that are looked at in one round
)

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
	list, err := r.cli.VolumeList(ctx, volume.ListOptions{Filters: filters.NewArgs(filters.Arg("label", labelCluster+"="+r.cfg.Cluster))})
	if err != nil {
		return s, r.fault("list volumes", err)
	}
	left := maxWalked
	for _, v := range list.Volumes {
		id := v.Labels[labelVolume]
		if id == "" || v.Name != volumeName(id) || len(s.Volumes) == maxVolumes {
			continue
		}
		s.Volumes = append(s.Volumes, agent.VolumeStock{ID: id, Used: used(ctx, v.Mountpoint, &left)})
	}
	return s, nil
}

// used is the bytes that a directory takes on disk; -1 when they cannot be
// counted. What apps name their files can lead nowhere else: links are not
// followed.
func used(ctx context.Context, dir string, left *int) int64 {
	var sum int64
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if *left--; *left < 0 || ctx.Err() != nil {
			return fs.SkipAll
		}
		info, err := d.Info()
		if err != nil {
			return nil // gone since
		}
		if st, ok := info.Sys().(*syscall.Stat_t); ok {
			sum += st.Blocks * 512
		}
		return nil
	})
	if err != nil || *left < 0 || ctx.Err() != nil {
		return -1
	}
	return sum
}
