package docker

import (
	"testing"

	"github.com/docker/docker/api/types/container"
)

func TestMemoryIsWithoutIdleFileCache(t *testing.T) {
	for name, c := range map[string]struct {
		stats map[string]uint64
		want  int64
	}{
		"cgroup v1":         {map[string]uint64{"total_inactive_file": 30, "inactive_file": 1}, 70},
		"cgroup v2":         {map[string]uint64{"inactive_file": 40}, 60},
		"neither":           {nil, 100},
		"more than is used": {map[string]uint64{"inactive_file": 200}, 100},
	} {
		if got := memoryOf(container.MemoryStats{Usage: 100, Stats: c.stats}); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}
