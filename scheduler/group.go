package scheduler

import (
	"maps"
	"sort"
)

// group is the instances of one type, told apart by what shall become of them.
type group struct {
	current []*Instance  // of the target, staying
	old     []*Instance  // of another release, to be replaced or moved, or beyond the quantity
	lost    []*Instance  // on a lost host
	started map[int]bool // ordinals of the target that were started in place of lost ones
	mended  int          // old ones started in place of lost ones
}

func (p *planner) group(w Want) group {
	g := group{started: map[int]bool{}}
	for i := range p.s.Instances {
		in := &p.s.Instances[i]
		if in.Type != w.Type || in.OneOff {
			continue
		}
		switch {
		case lost(p.odd, in):
			g.lost = append(g.lost, in)
		case in.State == Draining || in.State == Stopping:
			p.retire(in, w.Routed)
		case p.stays(in, w):
			g.current = append(g.current, in)
		default:
			g.old = append(g.old, in)
		}
	}
	byOrdinal(g.current)
	if p.s.Placement.Unique {
		g.part()
	}
	byOrdinal(g.old)
	g.sortLost()
	return g
}

func byOrdinal(l []*Instance) {
	sort.SliceStable(l, func(i, j int) bool { return l[i].Ordinal < l[j].Ordinal })
}

// stays says that an instance is of the target, as wanted, where it may be.
func (p *planner) stays(in *Instance, w Want) bool {
	return in.Release == p.s.Release && !in.Replace && in.Ordinal <= w.Quantity && !moving(&p.s, p.odd, in)
}

// part leaves one instance on each host and lets the others move.
func (g *group) part() {
	var staying []*Instance
	seen := map[string]bool{}
	for _, in := range g.current {
		has := in.State == Assigned || in.State == Starting || in.State == Up
		if has && seen[in.Host] {
			g.old = append(g.old, in)
			continue
		}
		seen[in.Host] = seen[in.Host] || has
		staying = append(staying, in)
	}
	g.current = staying
}

// begun is which ordinals of the target are there, and how many of them are
// on their way up.
func (g *group) begun() (have map[int]bool, inFlight int) {
	have = maps.Clone(g.started)
	inFlight = len(have)
	for _, in := range g.current {
		have[in.Ordinal] = true
		if in.State == Assigned || in.State == Starting || in.State == Pending {
			inFlight++
		}
	}
	return have, inFlight
}

// leaving is by ordinal who still holds a name of the target and moves away.
func (g *group) leaving(release string) map[int]string {
	ids := map[int]string{}
	for _, in := range g.old {
		if in.Release == release && !in.Replace {
			ids[in.Ordinal] = in.ID
		}
	}
	return ids
}

func countUp(list []*Instance) int {
	n := 0
	for _, in := range list {
		if in.State == Up {
			n++
		}
	}
	return n
}

func countAlive(list []*Instance) int {
	n := 0
	for _, in := range list {
		switch in.State {
		case Up, Assigned, Starting, Pending:
			n++
		}
	}
	return n
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
