package scheduler

import (
	"fmt"
	"math"
)

// An engine with a full disk fails what runs, too. So hosts with little free
// rank last, and below the floor none takes more than it had. It takes what is
// started anew: not to run at all is worse than a disk that may fill up.
const (
	diskFloor = 1 << 30  // bytes
	mostKept  = 10 << 30 // bytes; a twentieth of a large disk would be more than anybody needs
)

// DiskLevel is how far a host's disk is used up.
type DiskLevel int8

// The levels of disks, the better first.
const (
	DiskEnough DiskLevel = iota
	DiskLow              // others are taken first
	DiskFull             // nothing grows there
)

// DiskLevel says how far the disk is used up; enough when nobody knows.
func (h *Host) DiskLevel() DiskLevel {
	switch {
	case h.DiskTotal == 0:
		return DiskEnough
	case h.DiskFree < diskFloor:
		return DiskFull
	case h.DiskFree < min(h.DiskTotal/20, mostKept):
		return DiskLow
	}
	return DiskEnough
}

func diskFilter() filter {
	return filter{
		refuses: func(c *candidate, a *ask, _ *Placement) bool { return a.grows && c.host.DiskLevel() == DiskFull },
		why: func(c *candidate, _ *ask, _ *Placement) string {
			const gb = 1 << 30
			return fmt.Sprintf("has %.1f GB of %.1f GB of disk free, too little for more dynos than there were", float64(c.host.DiskFree)/gb, float64(c.host.DiskTotal)/gb)
		},
		many: "with too little disk free",
	}
}

// ceiling is up to which ordinal instances of a type are no growth: as many
// were there already. There is none where a full disk may not refuse: when
// there is but one host to run on, and for what has its data somewhere.
func (s *State) ceiling(typ string) int {
	live, full := 0, false
	for i := range s.Hosts {
		if h := &s.Hosts[i]; !h.Lost {
			live++
			full = full || h.DiskLevel() == DiskFull
		}
	}
	if live < 2 || !full || len(s.Volumes[Kind{s.Release, typ}]) > 0 {
		return math.MaxInt
	}
	n, highest, before := 0, 0, false
	for i := range s.Instances {
		in := &s.Instances[i]
		switch {
		case in.Type != typ || in.OneOff:
		case in.State == Pending:
			before = before || in.Release != s.Release
		default:
			n, highest = n+1, max(highest, in.Ordinal)
		}
	}
	if n == 0 && (before || !s.Rolling) { // all of it was lost or stopped: it comes back
		return math.MaxInt
	}
	return max(n, highest)
}

// grown says of an instance that waits whether it is growth.
func (s *State) grown(in *Instance, ceiling int) bool {
	return !in.OneOff && in.State == Pending && in.Release == s.Release && in.Crashes == 0 && in.Ordinal > ceiling
}

// ceilingOf is looked up once in a plan, and only when something is to be placed.
func (p *planner) ceilingOf(typ string) int {
	n, known := p.ceilings[typ]
	if !known {
		if p.ceilings == nil {
			p.ceilings = map[string]int{}
		}
		n = p.s.ceiling(typ)
		p.ceilings[typ] = n
	}
	return n
}
