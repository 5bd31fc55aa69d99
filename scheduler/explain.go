package scheduler

// Explain says of every host why it does not take an instance, in the order
// of s.Hosts; a Refusal without a Why is of a host that would. An instance
// that has a host is asked after as if it were not there yet. It is nil when
// there is no such instance.
func Explain(s State, instanceID string) []Refusal {
	odd := oddHosts(&s)
	for i := range s.Instances {
		in := &s.Instances[i]
		if in.ID != instanceID {
			continue
		}
		pr := newPlacer(&s, odd)
		pl := pr.pool(askOf(&s, in))
		if holds(in) {
			pr.forget(pl, in)
		}
		return pr.refusals(pl)
	}
	return nil
}

// Allows says that a host with these labels meets the constraints.
func (pl Placement) Allows(labels map[string]string) bool {
	return pl.broken(&Host{Labels: labels}) == nil
}

// askOf is what an instance needs: of a formation what the formation says now.
func askOf(s *State, in *Instance) ask {
	a := ask{release: in.Release, typ: in.Type, arch: in.Arch, image: in.Image, cpu: in.MilliCPU, memory: in.Memory, once: in.OneOff}
	if in.OneOff {
		return a
	}
	if in.Release == s.Release {
		a.arch, a.image = s.Arch, s.Image
	}
	s.bind(&a)
	a.grows = s.grown(in, s.ceiling(in.Type))
	for _, w := range s.Wants {
		if w.Type == in.Type {
			a.cpu, a.memory = w.MilliCPU, w.Memory
		}
	}
	return a
}

// holds says whether an instance's share of its host is reserved.
func holds(in *Instance) bool {
	return in.State != Pending && in.State != Crashed && in.Host != ""
}

// forget takes an instance off its host again.
func (p *placer) forget(pl *pool, in *Instance) {
	for i := range p.s.Hosts {
		if p.s.Hosts[i].ID == in.Host {
			p.booked[i].cpu -= in.MilliCPU
			p.booked[i].memory -= in.Memory
			p.booked[i].n--
		}
	}
	if s := pl.on(in.Host); s.same > 0 && p.counts(in, p.s.quantity(in.Type)) {
		s.same--
		pl.has[in.Host] = s
	}
}
