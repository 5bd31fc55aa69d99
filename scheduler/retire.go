package scheduler

// retireOld drains as many old instances as there are new ones up in their
// stead; those that serve nobody go at once.
func (p *planner) retireOld(g *group, w Want) {
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
		case spare < 0 && moving(&p.s, p.odd, in):
			// it may be up before the one that is started elsewhere
		default:
			p.retire(in, w.Routed)
		}
	}
}

// retire takes an instance one step further out.
func (p *planner) retire(in *Instance, routed bool) {
	if lost(p.odd, in) {
		if p.floats(in) {
			return
		}
		p.add(Op{Kind: OpDrop, Instance: in.ID})
		return
	}
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
