package server

import (
	"context"
	"slices"
	"time"

	"paas/scheduler"
	"paas/scheduler/agent"
)

const (
	maxStockVolumes = 1000
	mostDisk        = 1 << 60          // bytes
	restock         = 10 * time.Minute // what did not change is written this often
)

// shelved is what a host has said that was written.
type shelved struct {
	at    time.Time
	stock agent.Stock
}

// stocked keeps what a host says it has until it is written. An agent that was
// broken into tells nothing that does harm.
func (f *Fleet) stocked(hostID string, s *agent.Stock) {
	if s == nil || len(s.Volumes) > maxStockVolumes || s.DiskFree < 0 || s.DiskTotal < s.DiskFree || s.DiskTotal > mostDisk {
		return
	}
	for _, v := range s.Volumes {
		if v.Used > mostDisk {
			return
		}
	}
	if last, ok := f.shelf[hostID]; ok && time.Since(last.at) < restock && sameStock(last.stock, *s) {
		return
	}
	f.stocks[hostID] = *s
}

// sameStock says that nothing is worth writing: free disk moves all the time.
func sameStock(a, b agent.Stock) bool {
	moved := a.DiskFree - b.DiskFree
	return a.DiskTotal == b.DiskTotal && a.More == b.More && level(a) == level(b) && max(moved, -moved) <= a.DiskTotal/100 && slices.Equal(a.Volumes, b.Volumes)
}

// putStock writes what hosts have said since the last round. What could not be
// written is said again.
func (f *Fleet) putStock(ctx context.Context) {
	f.mu.Lock()
	taken := f.stocks
	f.stocks = map[string]agent.Stock{}
	f.mu.Unlock()
	if len(taken) == 0 {
		return
	}
	err := f.store.TakeStock(ctx, taken)
	if err != nil {
		f.log.Warn("note what hosts have of disk and volumes; they say it again", "err", err)
		return
	}
	f.mu.Lock()
	var fuller []string
	for h, s := range taken {
		last, known := f.shelf[h]
		if !known || last.stock.DiskTotal != s.DiskTotal || level(last.stock) != level(s) {
			fuller = append(fuller, h)
		}
		f.shelf[h] = shelved{time.Now(), s}
	}
	f.mu.Unlock()
	for _, h := range fuller { // it may take what it did not, or the other way round
		f.bell.Ring(HostTopic(h))
	}
}

func level(s agent.Stock) scheduler.DiskLevel {
	h := scheduler.Host{DiskFree: s.DiskFree, DiskTotal: s.DiskTotal}
	return h.DiskLevel()
}
