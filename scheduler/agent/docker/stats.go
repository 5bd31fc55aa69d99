package docker

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/docker/docker/api/types/container"

	"paas/scheduler/agent"
)

// maxStats is far more than the engine says about one container.
const maxStats = 1 << 20

// Stats asks the engine for one measurement, without the second one it would
// wait for to tell a rate.
func (r *Runtime) Stats(ctx context.Context, instance string) (agent.Stats, error) {
	id, err := r.find(ctx, instance)
	if err != nil {
		return agent.Stats{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, r.cfg.CallTimeout)
	defer cancel()
	step := "measure instance " + instance
	resp, err := r.cli.ContainerStatsOneShot(ctx, id)
	if missing(err) {
		return agent.Stats{}, fmt.Errorf("instance %s: %w", instance, agent.ErrNoContainer)
	}
	if err != nil {
		return agent.Stats{}, r.fault(step, err)
	}
	defer resp.Body.Close()
	var s container.StatsResponse
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxStats)).Decode(&s); err != nil {
		return agent.Stats{}, r.fault(step, err)
	}
	if s.MemoryStats.Usage == 0 && s.CPUStats.CPUUsage.TotalUsage == 0 {
		return agent.Stats{}, fmt.Errorf("instance %s has ended: %w", instance, agent.ErrNoContainer)
	}
	if s.Read.Year() <= 1 {
		s.Read = time.Now()
	}
	return agent.Stats{At: s.Read, CPU: time.Duration(s.CPUStats.CPUUsage.TotalUsage), Memory: memoryOf(s.MemoryStats)}, nil
}

// memoryOf is what the engine's own client shows: without the part of the file
// cache that was not used of late, which the kernel takes back when it needs
// to. It has one name in each version of cgroups.
func memoryOf(m container.MemoryStats) int64 {
	inactive, ok := m.Stats["total_inactive_file"] // version 1
	if !ok {
		inactive = m.Stats["inactive_file"]
	}
	if inactive < m.Usage {
		return int64(m.Usage - inactive)
	}
	return int64(m.Usage)
}
