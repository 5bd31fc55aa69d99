package scheduler

import (
	"maps"
	"slices"
)

// Picture is an image that hosts may fetch before anything of it is to run there.
type Picture struct {
	Release string
	Arch    string
	Image   string // digest
	Size    int64  // bytes, packed; 0: nobody knows
}

const (
	mostAhead = 100 // hosts that are told of one image that comes next
	mostSpare = 3   // hosts that keep the image of an app and run nothing of it
	// unpacked is how many times the size of a packed image its host needs for
	// it: for what is fetched, and what is made of that.
	unpacked = 4
)

// Ahead are the hosts that would run the wanted instances of an image were it
// released now, without those that have it or have too little disk.
func Ahead(s State, next Picture) []string {
	s.Release, s.Arch, s.Image, s.Rolling, s.Fetched = next.Release, next.Arch, next.Image, true, nil
	on, room := s.firstPlaces()
	if !room { // then it goes where the old ones leave some
		for i := range s.Instances {
			if in := &s.Instances[i]; !in.OneOff && in.Host != "" {
				on[in.Host] = true
			}
		}
	}
	for i := range s.Instances {
		if in := &s.Instances[i]; nearBy(in, &ask{image: next.Image}) == there {
			delete(on, in.Host)
		}
	}
	for i := range s.Hosts {
		if h := &s.Hosts[i]; h.Lost || !h.takesImage(next.Size) {
			delete(on, h.ID)
		}
	}
	list := slices.Sorted(maps.Keys(on))
	return list[:min(len(list), mostAhead)]
}

// firstPlaces is where all that is wanted would be, and whether there is room
// for that beside what runs.
func (s *State) firstPlaces() (on map[string]bool, room bool) {
	on, room = map[string]bool{}, true
	p := newPlacer(s, oddHosts(s))
	for _, w := range s.Wants {
		a := ask{release: s.Release, typ: w.Type, arch: s.Arch, image: s.Image, cpu: w.MilliCPU, memory: w.Memory}
		s.bind(&a)
		for n := 0; n < w.Quantity && len(on) < mostAhead; n++ {
			host, _ := p.place(a)
			if host == "" {
				room = false
				break
			}
			on[host] = true
		}
	}
	return on, room
}

// takesImage says that a host has enough disk also with one more image.
func (h *Host) takesImage(size int64) bool {
	if h.DiskTotal == 0 {
		return true // nobody knows; its agent looks before it fetches
	}
	then := Host{DiskFree: h.DiskFree - unpacked*size, DiskTotal: h.DiskTotal}
	return then.DiskLevel() == DiskEnough
}

// Spares are hosts that run nothing of an app of two or more instances and
// would take what a lost host had: its image is to be there then. There is one;
// with a label to spread over one for each value, up to a few. Those of now
// stay as long as they may.
func Spares(s *State, size int64, now []string) []string {
	k, ok := s.seekSpares(size)
	if !ok {
		return nil
	}
	if len(now) > 0 && k.allTaken(now) {
		return now
	}
	best := map[string]spare{} // by value of the label to spread over
	for i := range s.Hosts {
		h := &s.Hosts[i]
		if !k.takes(h) {
			continue
		}
		value := ""
		if s.Placement.Spread != "" {
			value = h.Labels[s.Placement.Spread]
		}
		c := spare{id: h.ID, kept: slices.Contains(now, h.ID), quarter: int(float64(h.UsedMemory) / float64(max(h.Memory, 1)) * quarters), rank: lot(s.Release, h.ID)}
		if b, known := best[value]; !known || c.before(b) {
			best[value] = c
		}
	}
	var list []string
	for _, value := range slices.Sorted(maps.Keys(best)) {
		list = append(list, best[value].id)
	}
	return list[:min(len(list), mostSpare)]
}

// spare is a host that may be one.
type spare struct {
	id      string
	kept    bool
	quarter int // of its memory that is reserved
	rank    uint64
}

// before ranks as places are ranked, and then by lot, so that not all apps have
// the same host.
func (a spare) before(b spare) bool {
	switch {
	case a.kept != b.kept:
		return a.kept
	case a.quarter != b.quarter:
		return a.quarter < b.quarter
	}
	return a.rank < b.rank
}

// lot is the same for the same two whoever asks (FNV-1a).
func lot(release, host string) uint64 {
	const offset, prime = 14695981039346656037, 1099511628211
	h := uint64(offset)
	for i := range len(release) {
		h = (h ^ uint64(release[i])) * prime
	}
	for i := range len(host) {
		h = (h ^ uint64(host[i])) * prime
	}
	return h
}

// spareSeeker asks hosts for the largest instance of an app that may move.
type spareSeeker struct {
	s       *State
	ask     ask
	filters []filter
	used    map[string]bool
	size    int64
	scratch candidate
}

// seekSpares is false for an app that has none.
func (s *State) seekSpares(size int64) (*spareSeeker, bool) {
	all := 0
	a := ask{release: s.Release, arch: s.Arch, image: s.Image, once: true} // what is spread does not matter where nothing of it is
	for i := range s.Wants {
		w := &s.Wants[i]
		all += w.Quantity
		if w.Quantity > 0 && !s.keepsData(w.Type) && (a.typ == "" || w.Memory > a.memory) {
			a.typ, a.cpu, a.memory = w.Type, w.MilliCPU, w.Memory
		}
	}
	if s.Image == "" || all < 2 || a.typ == "" {
		return nil, false
	}
	return &spareSeeker{s: s, ask: a, filters: filters(), used: hostsOf(s.Instances), size: size}, true
}

// keepsData says that a type of the target has its data on one host.
func (s *State) keepsData(typ string) bool {
	return slices.ContainsFunc(s.Volumes[Kind{s.Release, typ}], func(v Volume) bool { return !v.Driver })
}

func (k *spareSeeker) takes(h *Host) bool {
	if k.used[h.ID] || !h.takesImage(k.size) {
		return false
	}
	k.scratch = candidate{host: h, used: load{cpu: h.UsedMilliCPU, memory: h.UsedMemory, n: h.Instances}}
	for i := range k.filters {
		if k.filters[i].refuses(&k.scratch, &k.ask, &k.s.Placement) {
			return false
		}
	}
	return true
}

// allTaken says that each of the hosts still is one that may be.
func (k *spareSeeker) allTaken(ids []string) bool {
	n := 0
	for i := range k.s.Hosts {
		if h := &k.s.Hosts[i]; slices.Contains(ids, h.ID) && k.takes(h) {
			n++
		}
	}
	return n == len(ids)
}
