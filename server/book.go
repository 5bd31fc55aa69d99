package server

import (
	"context"
	"maps"
	"slices"
	"sort"
	"time"

	"paas/scheduler"
)

// book is the hosts as the leader keeps them in memory: read once, then anew
// one by one as notices tell of them, with what it promises itself booked at
// once. It may be behind: a commit looks at the hosts it places on once more.
type book struct {
	store ReconcileStore
	hosts []scheduler.Host // by name; shared with plans, which only read
	index map[string]int   // by id
	// settled is when a host that settles takes new instances.
	settled map[string]time.Time
	stale   map[string]bool
	whole   bool // all have been read
	next    int  // of the round of checks
}

func newBook(store ReconcileStore) *book {
	return &book{store: store, index: map[string]int{}, settled: map[string]time.Time{}, stale: map[string]bool{}}
}

// bookChange is what a refresh has found.
type bookChange struct {
	hosts map[string]bool // that are otherwise than they were, apart from what they have promised
	all   bool            // every app is concerned
}

// mark has a host read anew before the next plan.
func (b *book) mark(id string) { b.stale[id] = true }

// refresh reads what may have changed.
func (b *book) refresh(ctx context.Context) (bookChange, error) {
	now := time.Now()
	for id, at := range b.settled {
		if !at.After(now) {
			b.stale[id] = true
		}
	}
	var ids []string
	if b.whole {
		if len(b.stale) == 0 {
			return bookChange{}, nil
		}
		ids = slices.Sorted(maps.Keys(b.stale))
	}
	list, err := b.store.HostEntries(ctx, ids)
	if err != nil {
		return bookChange{}, err
	}
	alive := b.anyAlive()
	ch := b.take(list, ids)
	ch.all = !b.whole || alive != b.anyAlive()
	b.whole, b.stale = true, map[string]bool{}
	return ch, nil
}

// anyAlive: while every host is lost, plans leave what is there alone.
func (b *book) anyAlive() bool {
	return slices.ContainsFunc(b.hosts, func(h scheduler.Host) bool { return !h.Lost })
}

// take enters hosts as they were read; ids is what was asked for, nil: all.
func (b *book) take(list []HostEntry, ids []string) bookChange {
	ch := bookChange{hosts: map[string]bool{}}
	now := time.Now()
	there := make(map[string]bool, len(list))
	sorted := true
	for _, e := range list {
		there[e.ID] = true
		delete(b.settled, e.ID)
		if e.Settled > 0 {
			b.settled[e.ID] = now.Add(e.Settled)
		}
		i, known := b.index[e.ID]
		switch {
		case !known:
			b.hosts, sorted = append(b.hosts, e.Host), false
			ch.hosts[e.ID] = true
		case !sameHost(&b.hosts[i], &e.Host):
			ch.hosts[e.ID] = true
			sorted = sorted && b.hosts[i].Name == e.Name
			fallthrough
		default:
			b.hosts[i] = e.Host
		}
	}
	gone := ids
	if ids == nil {
		gone = slices.Collect(maps.Keys(b.index))
	}
	for _, id := range gone {
		if i, known := b.index[id]; known && !there[id] {
			b.hosts[i].ID, sorted = "", false
			delete(b.settled, id)
			ch.hosts[id] = true
		}
	}
	if !sorted {
		b.reindex()
	}
	return ch
}

func (b *book) reindex() {
	b.hosts = slices.DeleteFunc(b.hosts, func(h scheduler.Host) bool { return h.ID == "" })
	sort.Slice(b.hosts, func(i, j int) bool { return b.hosts[i].Name < b.hosts[j].Name })
	clear(b.index)
	for i := range b.hosts {
		b.index[b.hosts[i].ID] = i
	}
}

// sameHost says that plans made before hold for who is on the host already.
func sameHost(a, b *scheduler.Host) bool {
	return a.Name == b.Name && a.Arch == b.Arch && a.MilliCPU == b.MilliCPU && a.Memory == b.Memory && a.Lost == b.Lost &&
		a.DiskTotal == b.DiskTotal && a.DiskLevel() == b.DiskLevel() &&
		a.Cordoned == b.Cordoned && a.Draining == b.Draining && a.Settling == b.Settling && maps.Equal(a.Labels, b.Labels)
}

// settles is how long until the next of the hosts that settle takes new
// instances; 0: none does.
func (b *book) settles() time.Duration {
	var first time.Time
	for _, at := range b.settled {
		if first.IsZero() || at.Before(first) {
			first = at
		}
	}
	if first.IsZero() {
		return 0
	}
	return max(time.Until(first), time.Millisecond)
}

// promise books what a plan places.
func (b *book) promise(instances []scheduler.Instance, ops []scheduler.Op) {
	for _, op := range ops {
		i, ok := b.index[op.Host]
		if !ok || op.Kind != scheduler.OpStart && op.Kind != scheduler.OpPlace {
			continue
		}
		cpu, memory := op.MilliCPU, op.Memory
		if op.Kind == scheduler.OpPlace {
			cpu, memory = needOf(instances, op.Instance)
		}
		h := &b.hosts[i]
		h.UsedMilliCPU, h.UsedMemory, h.Instances = h.UsedMilliCPU+cpu, h.UsedMemory+memory, h.Instances+1
	}
}

func needOf(list []scheduler.Instance, id string) (cpu, memory int64) {
	for i := range list {
		if list[i].ID == id {
			return list[i].MilliCPU, list[i].Memory
		}
	}
	return 0, 0
}

// doubt has the hosts that a plan places on read anew.
func (b *book) doubt(ops []scheduler.Op) {
	for _, op := range ops {
		if op.Host != "" {
			b.mark(op.Host)
		}
	}
}

// check has the next few hosts read anew, in turn: should a notice ever be
// lost, the book is right again after a while.
func (b *book) check(n int) {
	for range min(n, len(b.hosts)) {
		b.next = (b.next + 1) % len(b.hosts)
		b.mark(b.hosts[b.next].ID)
	}
}
