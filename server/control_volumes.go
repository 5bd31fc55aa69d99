package server

import (
	"context"
	"slices"
	"sync"
	"time"

	"paas/scheduler/agent"
)

// discards are the volumes that hosts are to delete, read every now and then:
// there are few, and each host is told of its own with all that it runs.
type discards struct {
	mu   sync.Mutex
	at   time.Time
	list []Volume
}

const readDiscards = 2 * time.Second

func (d *discards) of(ctx context.Context, store HostStore, host string) ([]agent.Assignment, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if time.Since(d.at) > readDiscards {
		list, err := store.DestroyedVolumes(ctx)
		if err != nil {
			return nil, err
		}
		d.list, d.at = list, time.Now()
	}
	var out []agent.Assignment
	for _, v := range d.list {
		if v.HostID == host || v.HostID == "" && v.Driver != "" {
			// Stop is for agents that do not know of volumes: there is nothing to start.
			out = append(out, agent.Assignment{ID: "discard-" + v.ID, Discard: v.ID, Stop: true})
		}
	}
	return out, nil
}

// mountsOf are what an instance gets. A volume that is no more is that of an
// instance on its way out.
func mountsOf(pl Placed) (list []agent.Mount) {
	for _, m := range pl.Release.MountsOf(pl.Instance) {
		i := slices.IndexFunc(pl.Volumes, func(v Volume) bool { return v.ID == m.Volume })
		if i >= 0 {
			v := pl.Volumes[i]
			list = append(list, agent.Mount{Volume: v.ID, Name: v.Name, Path: m.Path, Driver: v.Driver, Made: v.Made})
		}
	}
	return list
}
