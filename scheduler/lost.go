package scheduler

import "slices"

// oddHosts are the hosts whose instances are not to stay as they are, by id:
// lost, drained, or not what the app asks for. When every host is lost there
// is none: nothing could be started anywhere, and what still runs there is
// best left for when it is heard of again.
func oddHosts(s *State) map[string]*Host {
	if !slices.ContainsFunc(s.Hosts, func(h Host) bool { return !h.Lost }) {
		return nil
	}
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
// that crashed is not: it is started elsewhere anyway. Nor is one whose data
// stays where it is.
func moving(s *State, odd map[string]*Host, in *Instance) bool {
	h := odd[in.Host]
	if h == nil || h.Lost || s.tied(in) {
		return false
	}
	return in.State == Assigned || in.State == Starting || in.State == Up
}

// mendLost starts anew, at once, what is wanted of what was on a lost host,
// and forgets the rest. That a host went is no crash: nothing waits, nothing
// is counted, and a deploy does not fail by it.
func (p *planner) mendLost(g *group, w Want) {
	taken := g.names()
	old := p.missingOld(g, w)
	for _, in := range g.lost {
		if p.floats(in) {
			continue
		}
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
