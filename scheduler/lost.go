package scheduler

import "sort"

// oddHosts are the hosts whose instances are not to stay as they are, by id:
// lost, drained, or not what the app asks for.
func oddHosts(s *State) map[string]*Host {
	var ours map[string]bool
	odd := map[string]*Host{}
	for i := range s.Hosts {
		h := &s.Hosts[i]
		if !h.Lost && !h.Draining && len(s.Placement.Constraints) == 0 {
			continue
		}
		if ours == nil {
			ours = hostsOf(s.Instances)
		}
		if ours[h.ID] && (h.Lost || h.Draining || s.Placement.broken(h) != nil) {
			odd[h.ID] = h
		}
	}
	return odd
}

func hostsOf(list []Instance) map[string]bool {
	ids := map[string]bool{}
	for i := range list {
		ids[list[i].Host] = true
	}
	return ids
}

// lost says that an instance's host is lost, and it with it.
func lost(odd map[string]*Host, in *Instance) bool {
	h := odd[in.Host]
	return h != nil && h.Lost && in.State != Pending
}

// moving says that an instance is to be replaced because of where it is. One
// that crashed is not: it is started elsewhere anyway.
func moving(odd map[string]*Host, in *Instance) bool {
	h := odd[in.Host]
	if h == nil || h.Lost {
		return false
	}
	return in.State == Assigned || in.State == Starting || in.State == Up
}

// overdue says that the time to move off a drained host is over.
func (p *planner) overdue(in *Instance) bool {
	h := p.odd[in.Host]
	if !moving(p.odd, in) || !h.Draining || h.DrainUntil.IsZero() {
		return false
	}
	if h.DrainUntil.After(p.s.Now) {
		p.wake(h.DrainUntil)
		return false
	}
	return true
}

// mendLost starts anew, at once, what is wanted of what was on a lost host,
// and forgets the rest. That a host went is no crash: nothing waits, nothing
// is counted, and a deploy does not fail by it.
func (p *planner) mendLost(g *group, w Want) {
	taken := g.names()
	old := p.missingOld(g, w)
	for _, in := range g.lost {
		n := name{in.Release, in.Ordinal}
		current := in.Release == p.s.Release && in.Ordinal <= w.Quantity
		wanted := current || in.Release != p.s.Release && old > 0
		if !wanted || taken[n] || in.State == Draining || in.State == Stopping {
			p.add(Op{Kind: OpDrop, Instance: in.ID})
			continue
		}
		taken[n] = true
		p.replace(in, w, in.Crashes)
		if current {
			g.started[in.Ordinal] = true
		} else {
			old--
			g.mended++
		}
	}
}

// name is what only one instance of a type may hold that is not on its way out.
type name struct {
	release string
	ordinal int
}

// names are those that living instances hold.
func (g *group) names() map[name]bool {
	taken := map[name]bool{}
	for _, in := range append(append([]*Instance{}, g.current...), g.old...) {
		if !in.Replace {
			taken[name{in.Release, in.Ordinal}] = true
		}
	}
	return taken
}

// sortLost puts those first that hold their name: of two the other is surplus.
func (g *group) sortLost() {
	sort.SliceStable(g.lost, func(i, j int) bool {
		a, b := g.lost[i], g.lost[j]
		if a.Replace != b.Replace {
			return b.Replace
		}
		return a.Ordinal < b.Ordinal
	})
}
