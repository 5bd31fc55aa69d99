package scheduler

import (
	"math"
	"sort"
	"time"
)

const (
	// steadyAfter is how long an instance is up until its crashes are forgiven.
	steadyAfter = 10 * time.Minute
	backoffBase = time.Second
	backoffMax  = 5 * time.Minute
)

// Backoff is how long a process that crashed n times in a row waits: the
// first restart comes at once (Heroku), then 1 s doubling up to 5 min.
func Backoff(n int) time.Duration {
	if n <= 1 {
		return 0
	}
	if n > 20 {
		return backoffMax
	}
	return min(backoffBase<<(n-2), backoffMax)
}

// Plan says the next safe steps towards the target: start first, drain what
// is surplus, stop what is drained. It never lowers the number of instances
// that are up below what is wanted as long as it has a choice.
func Plan(s State) Decision {
	p := &planner{s: s, placer: newPlacer(s)}
	wanted := map[string]bool{}
	for _, w := range s.Wants {
		wanted[w.Type] = true
		p.planType(w)
	}
	for i := range s.Instances {
		switch in := &s.Instances[i]; {
		case in.OneOff:
			p.placeOnce(in)
		case !wanted[in.Type]:
			p.retire(in, true)
		}
	}
	return p.out
}

// placeOnce gives a one-off a host. Whatever becomes of it there, it is never
// started again: how it ends is its run's to say.
func (p *planner) placeOnce(in *Instance) {
	if in.State == Pending {
		p.assign(in, in.Arch, Want{Type: in.Type, MilliCPU: in.MilliCPU, Memory: in.Memory})
	}
}

// assign gives a pending instance a host, or notes why there is none.
func (p *planner) assign(in *Instance, arch string, w Want) {
	host, reason := p.placer.place(arch, w)
	if host != "" || reason != in.Reason {
		p.add(Op{Kind: OpPlace, Instance: in.ID, Host: host, Reason: reason})
	}
}

type planner struct {
	s      State
	placer *placer
	out    Decision
}

// group is the instances of one type, told apart by what shall become of them.
type group struct {
	current []*Instance // of the target, staying
	old     []*Instance // of another release, to be replaced, or beyond the quantity
}

func (p *planner) group(w Want) group {
	var g group
	for i := range p.s.Instances {
		in := &p.s.Instances[i]
		if in.Type != w.Type || in.OneOff {
			continue
		}
		switch {
		case in.State == Draining || in.State == Stopping:
			p.retire(in, w.Routed)
		case in.Release == p.s.Release && !in.Replace && in.Ordinal <= w.Quantity:
			g.current = append(g.current, in)
		default:
			g.old = append(g.old, in)
		}
	}
	byOrdinal := func(l []*Instance) {
		sort.Slice(l, func(i, j int) bool { return l[i].Ordinal < l[j].Ordinal })
	}
	byOrdinal(g.current)
	byOrdinal(g.old)
	return g
}

func (p *planner) planType(w Want) {
	if p.s.Release == "" {
		w.Quantity = 0
	}
	g := p.group(w)
	p.revive(g.current, w)
	p.keepOld(g, w)
	p.startMissing(g, w)
	p.retireOld(g, w)
}

// revive replaces crashed instances when their back-off is over and gives
// pending ones another chance. A crash of a release that still rolls is left
// to the deploy, which fails by it.
func (p *planner) revive(list []*Instance, w Want) {
	for _, in := range list {
		switch {
		case in.State == Pending:
			p.assign(in, p.s.Arch, w)
		case in.State == Crashed && !(p.s.Rolling && in.Release == p.s.Release):
			p.restart(in, w)
		}
	}
}

func (p *planner) restart(in *Instance, w Want) {
	crashes := in.Crashes + 1
	if !in.UpAt.IsZero() && in.Since.Sub(in.UpAt) >= steadyAfter {
		crashes = 1
	}
	at := in.Since.Add(Backoff(crashes))
	if at.After(p.s.Now) {
		p.wake(at)
		return
	}
	host, reason := p.placer.place(p.s.Arch, w)
	p.add(Op{Kind: OpStart, Replaces: in.ID, Release: in.Release, Type: in.Type, Ordinal: in.Ordinal,
		Host: host, Reason: reason, MilliCPU: w.MilliCPU, Memory: w.Memory, Crashes: crashes})
}

// keepOld restarts what crashes of the old release while the new one is not
// there yet: a deploy must not take away what served before it.
func (p *planner) keepOld(g group, w Want) {
	if !p.s.Rolling || countUp(g.current) >= w.Quantity {
		return
	}
	missing := w.Quantity - countUp(g.current) - countAlive(g.old)
	for _, in := range g.old {
		if missing <= 0 {
			return
		}
		if in.State == Crashed && !in.Replace {
			p.restart(in, w)
			missing--
		}
	}
}

// startMissing starts what is missing of the target, in batches while an old
// release serves so that a host is not asked for twice the memory at once.
func (p *planner) startMissing(g group, w Want) {
	have := map[int]bool{}
	inFlight := 0
	for _, in := range g.current {
		have[in.Ordinal] = true
		if in.State == Assigned || in.State == Starting || in.State == Pending {
			inFlight++
		}
	}
	budget := w.Quantity
	if len(g.old) > 0 {
		budget = surge(w.Quantity)
	}
	for n := 1; n <= w.Quantity; n++ {
		if have[n] {
			continue
		}
		if inFlight >= budget {
			return
		}
		host, reason := p.placer.place(p.s.Arch, w)
		p.add(Op{Kind: OpStart, Release: p.s.Release, Type: w.Type, Ordinal: n,
			Host: host, Reason: reason, MilliCPU: w.MilliCPU, Memory: w.Memory})
		inFlight++
	}
}

// surge is how many instances start at once beside old ones: a quarter, at least one.
func surge(quantity int) int { return max(1, int(math.Ceil(float64(quantity)/4))) }

// retireOld drains as many old instances as there are new ones up in their
// stead; those that serve nobody go at once.
func (p *planner) retireOld(g group, w Want) {
	spare := countUp(g.current) + countUp(g.old) - w.Quantity
	done := countUp(g.current) >= w.Quantity
	for i := len(g.old) - 1; i >= 0; i-- {
		in := g.old[i]
		switch {
		case in.State == Up && spare > 0:
			p.retire(in, w.Routed)
			spare--
		case in.State == Up:
		case in.State == Crashed && p.s.Rolling && !done:
			// kept for keepOld
		case p.s.Rolling && !done && in.Release != p.s.Release && !in.Replace:
			// a restarted old one on its way up
		default:
			p.retire(in, w.Routed)
		}
	}
}

// retire takes an instance one step further out.
func (p *planner) retire(in *Instance, routed bool) {
	switch in.State {
	case Pending, Crashed:
		p.add(Op{Kind: OpDrop, Instance: in.ID})
	case Assigned, Starting:
		p.add(Op{Kind: OpStop, Instance: in.ID})
	case Up:
		if routed {
			p.add(Op{Kind: OpDrain, Instance: in.ID})
			return
		}
		p.add(Op{Kind: OpStop, Instance: in.ID})
	case Draining:
		limit := in.Since.Add(p.s.DrainLimit)
		if in.Quiet || !limit.After(p.s.Now) {
			p.add(Op{Kind: OpStop, Instance: in.ID})
			return
		}
		p.wake(limit)
	case Stopping:
	}
}

func (p *planner) add(op Op) { p.out.Ops = append(p.out.Ops, op) }

func (p *planner) wake(at time.Time) {
	if p.out.WakeAt.IsZero() || at.Before(p.out.WakeAt) {
		p.out.WakeAt = at
	}
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

// Progress is how far a rollout of a release has come.
type Progress struct {
	Want, Up int
	Crashed  []string // ids of instances of the release that crashed
	Pending  []string // reasons of those that no host takes
}

// Measure counts the target's instances; Up instances that are being replaced do not count.
func Measure(s State) Progress {
	var pr Progress
	want := map[string]int{}
	for _, w := range s.Wants {
		pr.Want += w.Quantity
		want[w.Type] = w.Quantity
	}
	for _, in := range s.Instances {
		if in.Release != s.Release || in.Replace || in.OneOff || in.Ordinal > want[in.Type] {
			continue
		}
		switch in.State {
		case Up:
			pr.Up++
		case Crashed:
			pr.Crashed = append(pr.Crashed, in.ID)
		case Pending:
			pr.Pending = append(pr.Pending, in.Reason)
		}
	}
	return pr
}
