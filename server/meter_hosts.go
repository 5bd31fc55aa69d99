package server

import "time"

// hostNow is when a host was measured last and, unless that is too long ago,
// what its dynos used then.
func (m *Meter) hostNow(host string) (at time.Time, use *HostUse) {
	m.mu.Lock()
	defer m.mu.Unlock()
	h, ok := m.hosts[host]
	if !ok || m.now().Sub(h.at) >= usageStale {
		return h.at, nil
	}
	return h.at, &HostUse{MilliCPU: int64(h.sum.MilliCPU), Memory: int64(h.sum.Memory)}
}

// noteHost keeps what a host uses in all; m.mu is held.
func (m *Meter) noteHost(host string, at time.Time, sums map[typeKey]*UsageSum) {
	all := hostState{at: at}
	for _, s := range sums {
		all.sum.add(*s)
	}
	m.hosts[host] = all
}
