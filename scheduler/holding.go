package scheduler

// holding is what the app of a pool has on a host.
type holding struct {
	same int32 // instances of the ask's type and release that stay there
	near nearness
}

// nearness is how much of an image a host has; more is a faster start.
type nearness uint8

const (
	far     nearness = iota // nothing that is known
	related                 // another image of the app: they share layers, and the newest is sent ahead to it
	there                   // the image
)

// quarters is how finely hosts are told apart by how full they are before the
// image counts. A host that has the image is worth some more load; it is not
// worth that a host which came back, or was added, stays empty.
const quarters = 4

// holdings looks at the instances of the app. Those that will stay are to be
// spread, which makes the loss of a host a smaller one; what is to go must not
// keep a host from those that stay, or neither would move.
func (p *placer) holdings(a ask) map[string]holding {
	has := map[string]holding{}
	quantity := p.s.quantity(a.typ)
	for i := range p.s.Instances {
		in := &p.s.Instances[i]
		n := nearBy(in, &a)
		stays := !a.once && in.Type == a.typ && in.Release == a.release && p.counts(in, quantity)
		if n == far && !stays {
			continue
		}
		h := has[in.Host]
		h.near = max(h.near, n)
		if stays {
			h.same++
		}
		has[in.Host] = h
	}
	if a.image != "" && a.image == p.s.Image {
		for _, host := range p.s.Fetched {
			h := has[host]
			h.near = there
			has[host] = h
		}
	}
	return has
}

// nearBy is what an instance says about the image on its host. One that is to
// be replaced says nothing: it was marked to move, or because it is not well
// there. Nor does one that crashed, which would be tied to a host that may be
// the cause, or one that has not begun and may never have got the image.
func nearBy(in *Instance, a *ask) nearness {
	switch {
	case in.Replace || in.Image == "":
		return far
	case in.State != Starting && in.State != Up && in.State != Draining && in.State != Stopping:
		return far
	case in.Image == a.image:
		return there
	}
	return related
}

// counts says that an instance is on its host to stay.
func (p *placer) counts(in *Instance, quantity int) bool {
	if in.OneOff || in.Replace || in.Ordinal > quantity || p.odd[in.Host] != nil {
		return false
	}
	return in.State == Assigned || in.State == Starting || in.State == Up
}

// on is what the pool's app has on a host.
func (pl *pool) on(host string) holding {
	if len(pl.has) == 0 {
		return holding{}
	}
	return pl.has[host]
}

// book notes one more that stays.
func (pl *pool) book(host string) {
	h := pl.on(host)
	h.same++
	pl.has[host] = h
}

// less ranks hosts of equal spread: fewer of the same type first, then the
// emptier by quarters, then those with the image, then the emptier, then the
// name so that equal snapshots give equal plans.
func (p *placer) less(a, b *entry) bool {
	if a.disk != b.disk {
		return a.disk < b.disk
	}
	if a.same != b.same {
		return a.same < b.same
	}
	if a.near != b.near {
		if qa, qb := int(a.fill*quarters), int(b.fill*quarters); qa != qb {
			return qa < qb
		}
		return a.near > b.near
	}
	if a.fill != b.fill {
		return a.fill < b.fill
	}
	return p.s.Hosts[a.host].Name < p.s.Hosts[b.host].Name
}
