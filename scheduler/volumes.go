package scheduler

import (
	"fmt"
	"slices"
)

// Volume is a disk of an app that instances keep their data on. One instance
// at a time writes to it.
type Volume struct {
	ID   string
	Name string
	// Driver says that a volume driver brings the data to whichever host asks
	// for it. Else it is on Host alone.
	Driver   bool
	Host     string // id; empty: that host was removed
	HostName string
}

// Kind is the instances of one type of a release.
type Kind struct{ Release, Type string }

// volumesOf are those that an instance has.
func (s *State) volumesOf(in *Instance) []Volume {
	if in.OneOff || len(s.Volumes) == 0 {
		return nil
	}
	return s.Volumes[Kind{in.Release, in.Type}]
}

// tied says that an instance's data is on its host alone: it does not move.
func (s *State) tied(in *Instance) bool {
	for _, v := range s.volumesOf(in) {
		if !v.Driver {
			return true
		}
	}
	return false
}

// bind adds to an ask where its volumes let it be.
func (s *State) bind(a *ask) {
	if a.once || len(s.Volumes) == 0 {
		return
	}
	for _, v := range s.Volumes[Kind{a.release, a.typ}] {
		if !v.Driver {
			a.volume, a.bound, a.home, a.homeName = v.Name, true, v.Host, v.HostName
		}
	}
}

func volumeFilter() filter {
	return filter{
		refuses: func(c *candidate, a *ask, _ *Placement) bool { return a.bound && a.home != c.host.ID },
		why: func(_ *candidate, a *ask, _ *Placement) string {
			if a.home == "" {
				return fmt.Sprintf("has not the data of volume %s, whose host was removed", a.volume)
			}
			return fmt.Sprintf("has not the data of volume %s, which is on %s", a.volume, a.homeName)
		},
		many: "without the volume's data",
	}
}

// boundReason says why the one host that an ask may be on does not take it.
func (p *placer) boundReason(pl *pool) string {
	for i := range p.s.Hosts {
		if p.s.Hosts[i].ID != pl.ask.home {
			continue
		}
		on := pl.on(pl.ask.home)
		if n := p.refuser(pl, i, on); n >= 0 {
			return fmt.Sprintf("the data of volume %s is on %s, and that host %s", pl.ask.volume, pl.ask.homeName, p.filters[n].why(p.candidate(i, on), &pl.ask, &p.s.Placement))
		}
	}
	return fmt.Sprintf("the data of volume %s was on a host that was removed", pl.ask.volume)
}

// place finds a host for one that has no volume in use elsewhere.
func (p *planner) place(a ask) (host, reason string) {
	var vols []Volume
	if len(p.s.Volumes) > 0 && !a.once {
		vols = p.s.Volumes[Kind{a.release, a.typ}]
	}
	if len(vols) == 0 {
		return p.placer.place(a)
	}
	if p.inUse == nil {
		p.inUse = p.usedVolumes()
	}
	for _, v := range vols {
		if by := p.inUse[v.ID]; by != "" {
			return "", fmt.Sprintf("volume %s is still in use by %s", v.Name, by)
		}
	}
	if host, reason = p.placer.place(a); host != "" {
		for _, v := range vols {
			p.inUse[v.ID] = "another " + a.typ
		}
	}
	return host, reason
}

// usedVolumes are those that some instance has, by what it is called.
func (p *planner) usedVolumes() map[string]string {
	used := map[string]string{}
	for i := range p.s.Instances {
		in := &p.s.Instances[i]
		if in.State == Pending || in.State == Crashed || lost(p.odd, in) && !p.floats(in) {
			continue
		}
		for _, v := range p.s.volumesOf(in) {
			used[v.ID] = fmt.Sprintf("%s.%d", in.Type, in.Ordinal)
		}
	}
	return used
}

// planSingle brings a type whose instance has volumes to the target. One
// instance at a time has them: the old one is stopped and gone before the new
// one starts, and only once there is a place for the new one.
func (p *planner) planSingle(w Want) {
	w.Quantity = min(w.Quantity, 1)
	if p.s.Release == "" {
		w.Quantity = 0
	}
	g := p.group(w)
	p.mendSingle(&g, w)
	holders := p.holders(w)
	switch {
	case w.Quantity == 0 || g.started[1]:
	case len(holders) > 0:
		p.handOver(&g, w, holders)
	default:
		p.revive(g.current, w)
		p.startMissing(&g, w)
	}
	p.retireRest(&g, w, holders)
}

// mendSingle forgets what was on a lost host. Its successor waits there, for
// the data; one whose data a driver brings may still be writing, cut off, and
// is waited for itself.
func (p *planner) mendSingle(g *group, w Want) {
	for _, in := range g.lost {
		gone := in.State == Draining || in.State == Stopping
		switch {
		case p.floats(in):
		case in.Release == p.s.Release && in.Ordinal <= w.Quantity && len(g.current) == 0 && !gone && !in.Replace && !g.started[1]:
			p.replace(in, w, in.Crashes)
			g.started[1] = true
		default:
			p.add(Op{Kind: OpDrop, Instance: in.ID})
		}
	}
}

// floats says that an instance may write to what a driver brings anywhere.
func (p *planner) floats(in *Instance) bool {
	vols := p.s.volumesOf(in)
	return len(vols) > 0 && !p.s.tied(in) && in.State != Pending && in.State != Crashed
}

// holders are the instances, of any type and release, that have a volume which
// the target's instance of a type is to have, and are not that instance.
func (p *planner) holders(w Want) (list []*Instance) {
	wanted := map[string]bool{}
	for _, v := range p.s.Volumes[Kind{p.s.Release, w.Type}] {
		wanted[v.ID] = true
	}
	for i := range p.s.Instances {
		in := &p.s.Instances[i]
		if in.State == Pending || in.State == Crashed || lost(p.odd, in) && !p.floats(in) {
			continue
		}
		if in.Type == w.Type && p.stays(in, w) && !lost(p.odd, in) && in.State != Draining && in.State != Stopping {
			continue
		}
		for _, v := range p.s.volumesOf(in) {
			if wanted[v.ID] {
				list = append(list, in)
				break
			}
		}
	}
	return list
}

// handOver has those that hold the volumes stop, if the successor has a place
// then; else it waits, and says why, and they go on.
func (p *planner) handOver(g *group, w Want, holders []*Instance) {
	if reason := p.blocked(w, holders); reason != "" {
		p.waitFor(g, w, reason)
		return
	}
	for _, in := range holders {
		going := in.State == Draining || in.State == Stopping
		if in.Type == w.Type && !going { // another type lets go by a plan of its own
			p.retire(in, w.Routed)
		}
	}
}

func (p *planner) blocked(w Want, holders []*Instance) string {
	for _, in := range holders {
		if lost(p.odd, in) {
			return fmt.Sprintf("%s.%d on the lost host %s may still write to its volume; when that host is gone for good, remove it: paas hosts:remove %s --force",
				in.Type, in.Ordinal, p.odd[in.Host].Name, p.odd[in.Host].Name)
		}
	}
	return p.placer.without(p.ask(p.s.Release, nil, w), holders)
}

// waitFor has the successor wait for a reason.
func (p *planner) waitFor(g *group, w Want, reason string) {
	if len(g.current) > 0 {
		if in := g.current[0]; in.State == Pending && in.Reason != reason {
			p.add(Op{Kind: OpPlace, Instance: in.ID, Reason: reason})
		}
		return
	}
	p.add(Op{Kind: OpStart, Release: p.s.Release, Type: w.Type, Ordinal: 1, Beside: g.nameHolder(p.s.Release), Reason: reason, MilliCPU: w.MilliCPU, Memory: w.Memory})
}

// nameHolder is who still has the name that the successor gets.
func (g *group) nameHolder(release string) string {
	for _, in := range append(append([]*Instance{}, g.old...), g.lost...) {
		if in.Release == release && in.Ordinal == 1 && !in.Replace && in.State != Draining && in.State != Stopping {
			return in.ID
		}
	}
	return ""
}

// retireRest does to those that hold nothing what is done to all old ones.
func (p *planner) retireRest(g *group, w Want, holders []*Instance) {
	if w.Quantity > 0 {
		held := map[*Instance]bool{}
		for _, in := range holders {
			held[in] = true
		}
		old := g.old
		g.old = nil
		for _, in := range old {
			if !held[in] {
				g.old = append(g.old, in)
			}
		}
	}
	p.retireOld(g, w)
}

// without says why no host would take an ask once some instances are gone; ""
// means that one would.
func (p *placer) without(a ask, gone []*Instance) string {
	p.begin()
	give := func(sign int64) {
		for _, in := range gone {
			for i := range p.s.Hosts {
				if p.s.Hosts[i].ID == in.Host {
					p.booked[i].cpu -= sign * in.MilliCPU
					p.booked[i].memory -= sign * in.Memory
				}
			}
		}
	}
	give(1)
	defer give(-1)
	pl := p.fresh(a)
	for _, g := range pl.spread {
		if len(g.entries) > 0 {
			return ""
		}
	}
	return p.reason(pl)
}

// Home is the host that a new volume of so many bytes is best made on: one that
// takes an instance of the target, where the app has volumes already, else the
// one with the most disk free. only, a name or id, leaves no other choice; empty
// leaves all. Its refusals are as Explain's.
func Home(s State, size int64, only string) (host *Host, refusals []Refusal) {
	if only != "" {
		s.Hosts = slices.DeleteFunc(slices.Clone(s.Hosts), func(h Host) bool { return h.Name != only && h.ID != only })
	}
	p := newPlacer(&s, oddHosts(&s))
	refusals = p.refusals(p.pool(ask{arch: s.Arch, once: true}))
	near := map[string]bool{}
	for _, list := range s.Volumes {
		for _, v := range list {
			near[v.Host] = near[v.Host] || !v.Driver
		}
	}
	for i := range s.Hosts {
		h := &s.Hosts[i]
		if refusals[i].Why == "" {
			refusals[i].Why = h.keeps(size)
		}
		if refusals[i].Why != "" {
			continue
		}
		if host == nil || near[h.ID] && !near[host.ID] || near[h.ID] == near[host.ID] && h.DiskFree > host.DiskFree {
			host = h
		}
	}
	return host, refusals
}

// keeps says why a host cannot keep a volume of a size; "" means that it can.
func (h *Host) keeps(size int64) string {
	switch {
	case !h.Stocked:
		return "has not told what disk it has"
	case h.DiskLevel() == DiskFull:
		return fmt.Sprintf("has %d MB of disk free, too little for a volume", h.DiskFree>>20)
	case h.DiskTotal > 0 && h.DiskFree < size:
		return fmt.Sprintf("has %d MB of disk free, needs %d MB", h.DiskFree>>20, size>>20)
	}
	return ""
}
