package scheduler

import (
	"math"
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
	odd := oddHosts(&s)
	p := &planner{s: s, odd: odd, placer: newPlacer(&s, odd)}
	wanted := map[string]bool{}
	for _, w := range s.Wants {
		wanted[w.Type] = true
		if len(s.Volumes[Kind{s.Release, w.Type}]) > 0 {
			p.planSingle(w)
			continue
		}
		p.planType(w)
	}
	for i := range s.Instances {
		switch in := &s.Instances[i]; {
		case in.OneOff:
			p.planOnce(in)
		case !wanted[in.Type]:
			p.retire(in, true)
		}
	}
	return p.out
}

// planOnce gives a one-off a host. Whatever becomes of it there, it is never
// started again: how it ends is its run's to say.
func (p *planner) planOnce(in *Instance) {
	switch {
	case in.State == Pending:
		p.assign(in, Want{MilliCPU: in.MilliCPU, Memory: in.Memory})
	case lost(p.odd, in):
		p.add(Op{Kind: OpLose, Instance: in.ID})
	}
}

// assign gives a pending instance a host, or notes why there is none.
func (p *planner) assign(in *Instance, w Want) {
	a := p.ask(in.Release, in, w)
	a.grows = p.s.grown(in, p.ceilingOf(in.Type))
	host, reason := p.place(a)
	if host != "" || reason != in.Reason {
		p.add(Op{Kind: OpPlace, Instance: in.ID, Host: host, Reason: reason})
	}
}

// ask is what an instance of a release needs; in is one of that release, or
// nil when it is the target's.
func (p *planner) ask(release string, in *Instance, w Want) ask {
	a := ask{release: release, typ: w.Type, arch: p.s.Arch, image: p.s.Image, cpu: w.MilliCPU, memory: w.Memory}
	if in != nil {
		a.typ, a.once = in.Type, in.OneOff
	}
	if in != nil && (in.OneOff || release != p.s.Release) {
		a.arch, a.image = in.Arch, in.Image
	}
	p.s.bind(&a)
	return a
}

// planner makes one plan.
type planner struct {
	s      State
	odd    map[string]*Host // hosts whose instances are not to stay as they are
	placer *placer
	inUse  map[string]string // by volume: name of the instance that has it; see place
	// ceilings are by type; see ceilingOf.
	ceilings map[string]int
	out      Decision
}

func (p *planner) planType(w Want) {
	if p.s.Release == "" {
		w.Quantity = 0
	}
	g := p.group(w)
	p.mendLost(&g, w)
	p.revive(g.current, w)
	p.keepOld(&g, w)
	p.startMissing(&g, w)
	p.retireOld(&g, w)
}

// revive replaces crashed instances when their back-off is over and gives
// pending ones another chance. A crash of a release that still rolls is left
// to the deploy, which fails by it.
func (p *planner) revive(list []*Instance, w Want) {
	for _, in := range list {
		switch {
		case in.State == Pending:
			p.assign(in, w)
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
	p.replace(in, w, crashes)
}

// replace starts an instance in the place of one that is gone.
func (p *planner) replace(in *Instance, w Want, crashes int) {
	op := p.start(in.Release, in, in.Ordinal, w)
	op.Replaces, op.Crashes = in.ID, crashes
	p.add(op)
}

// start gives the operation; in is as in ask.
func (p *planner) start(release string, in *Instance, ordinal int, w Want) Op {
	a := p.ask(release, in, w)
	a.grows = in == nil && ordinal > p.ceilingOf(w.Type)
	host, reason := p.place(a)
	return Op{Kind: OpStart, Release: release, Type: w.Type, Ordinal: ordinal,
		Host: host, Reason: reason, MilliCPU: w.MilliCPU, Memory: w.Memory}
}

// missingOld is how many of the old release must be started again while the
// new one is not there yet.
func (p *planner) missingOld(g *group, w Want) int {
	if !p.s.Rolling || countUp(g.current) >= w.Quantity {
		return 0
	}
	return w.Quantity - countUp(g.current) - countAlive(g.old) - g.mended
}

// keepOld restarts what crashes of the old release while the new one is not
// there yet: a deploy must not take away what served before it.
func (p *planner) keepOld(g *group, w Want) {
	if !p.s.Rolling || countUp(g.current) >= w.Quantity {
		return
	}
	missing := p.missingOld(g, w)
	for _, in := range g.old {
		switch {
		case in.State == Pending && !in.Replace && in.Release != p.s.Release:
			p.assign(in, w)
		case in.State == Crashed && !in.Replace && missing > 0:
			p.restart(in, w)
			missing--
		}
	}
}

// startMissing starts what is missing of the target, in batches while an old
// release serves so that a host is not asked for twice the memory at once.
func (p *planner) startMissing(g *group, w Want) {
	have, inFlight := g.begun()
	beside := g.leaving(p.s.Release)
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
		op := p.start(p.s.Release, nil, n, w)
		op.Beside = beside[n]
		p.add(op)
		inFlight++
	}
}

// surge is how many instances start at once beside old ones: a quarter, at least one.
func surge(quantity int) int { return max(1, int(math.Ceil(float64(quantity)/4))) }

func (p *planner) add(op Op) { p.out.Ops = append(p.out.Ops, op) }

func (p *planner) wake(at time.Time) {
	if p.out.WakeAt.IsZero() || at.Before(p.out.WakeAt) {
		p.out.WakeAt = at
	}
}
