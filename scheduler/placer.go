package scheduler

import "container/heap"

// placer books instances onto hosts within one plan. It looks at the hosts
// only when something is to be placed: most plans have nothing to do.
type placer struct {
	s       *State
	odd     map[string]*Host
	filters []filter
	booked  []load // by index in s.Hosts
	pools   map[ask]*pool
	round   int // grows with each booking
	scratch candidate
}

// pool is the hosts that may take what one ask asks for. Within a plan hosts
// only get fuller, so a host that refused once is out for good, and an entry
// that was the best and got worse is found out when it comes up.
type pool struct {
	ask    ask
	has    map[string]holding // by host id
	spread []*spreadGroup     // one for each value of the label to spread over
	// reason is why no host took it, as of round.
	reason string
	round  int
}

// spreadGroup is the hosts with one value of the label to spread over.
type spreadGroup struct {
	placer  *placer
	count   int // instances of the type there
	entries []entry
}

// entry is a host with its rank as it was when it was last looked at.
type entry struct {
	host int32 // index in s.Hosts; a plan has hosts by the thousand, and sorts these
	holding
	disk DiskLevel
	fill float64
}

func newPlacer(s *State, odd map[string]*Host) *placer {
	return &placer{s: s, odd: odd, pools: map[ask]*pool{}}
}

// place gives the best host and books it, or why each refused.
func (p *placer) place(a ask) (host, reason string) {
	pl := p.pool(a)
	var best *spreadGroup
	for _, g := range pl.spread {
		if g.refresh(pl) && (best == nil || p.before(g, best)) {
			best = g
		}
	}
	if best == nil {
		return "", p.reason(pl)
	}
	i := int(best.entries[0].host)
	p.booked[i].cpu += a.cpu
	p.booked[i].memory += a.memory
	p.booked[i].n++
	p.round++
	id := p.s.Hosts[i].ID
	pl.book(id)
	best.count++
	return id, ""
}

// before ranks groups that have a host: with disk first, then the less used.
func (p *placer) before(g, o *spreadGroup) bool {
	a, b := &g.entries[0], &o.entries[0]
	if a.disk == b.disk && g.count != o.count {
		return g.count < o.count
	}
	return p.less(a, b)
}

// pool is made when it is first asked for.
func (p *placer) pool(a ask) *pool {
	if pl := p.pools[a]; pl != nil {
		return pl
	}
	p.begin()
	pl := p.fresh(a)
	p.pools[a] = pl
	return pl
}

// begin makes ready to look at the hosts.
func (p *placer) begin() {
	if p.booked == nil {
		p.filters = filters()
		p.booked = make([]load, len(p.s.Hosts))
	}
}

// fresh is a pool of the hosts as they are booked now.
func (p *placer) fresh(a ask) *pool {
	pl := &pool{ask: a, has: p.holdings(a), round: -1}
	group := p.grouping(pl)
	for i := range p.s.Hosts {
		g := group(i)
		on := pl.on(p.s.Hosts[i].ID)
		g.count += int(on.same)
		if p.refuser(pl, i, on) < 0 {
			g.entries = append(g.entries, entry{host: int32(i), holding: on, disk: p.s.Hosts[i].DiskLevel(), fill: p.fill(i)})
		}
	}
	for _, g := range pl.spread {
		heap.Init(g)
	}
	return pl
}

// grouping gives a host's group in a pool. Without a label to spread over all
// hosts are one, and so are those that do not have it.
func (p *placer) grouping(pl *pool) func(host int) *spreadGroup {
	byValue := map[string]*spreadGroup{}
	var without *spreadGroup
	add := func() *spreadGroup {
		g := &spreadGroup{placer: p}
		if p.s.Placement.Spread == "" {
			g.entries = make([]entry, 0, len(p.s.Hosts))
		}
		pl.spread = append(pl.spread, g)
		return g
	}
	return func(i int) *spreadGroup {
		v, ok := p.spreadValue(i)
		switch {
		case !ok && without == nil:
			without = add()
		case ok && byValue[v] == nil:
			byValue[v] = add()
		}
		if !ok {
			return without
		}
		return byValue[v]
	}
}

func (p *placer) spreadValue(i int) (string, bool) {
	if p.s.Placement.Spread == "" {
		return "", false
	}
	v, ok := p.s.Hosts[i].Labels[p.s.Placement.Spread]
	return v, ok
}

// quantity is how many instances of a type are wanted.
func (s *State) quantity(typ string) int {
	for i := range s.Wants {
		if s.Wants[i].Type == typ {
			return s.Wants[i].Quantity
		}
	}
	return 0
}

// refuser is which filter refuses a host; -1: none.
func (p *placer) refuser(pl *pool, i int, on holding) int {
	c := p.candidate(i, on)
	for n := range p.filters {
		if p.filters[n].refuses(c, &pl.ask, &p.s.Placement) {
			return n
		}
	}
	return -1
}

// candidate is good until the next one is asked for.
func (p *placer) candidate(i int, on holding) *candidate {
	h, b := &p.s.Hosts[i], p.booked[i]
	p.scratch = candidate{host: h, used: load{cpu: h.UsedMilliCPU + b.cpu, memory: h.UsedMemory + b.memory, n: h.Instances + b.n}, same: int(on.same)}
	return &p.scratch
}

// reason is in words why no host of a pool takes it.
func (p *placer) reason(pl *pool) string {
	if pl.round == p.round {
		return pl.reason
	}
	pl.round = p.round
	if pl.ask.bound {
		pl.reason = p.boundReason(pl)
		return pl.reason
	}
	if len(p.s.Hosts) <= fewHosts {
		pl.reason = noRoom(p.refusals(pl))
		return pl.reason
	}
	tally := make([]int, len(p.filters))
	for i := range p.s.Hosts {
		if n := p.refuser(pl, i, pl.on(p.s.Hosts[i].ID)); n >= 0 {
			tally[n]++
		}
	}
	pl.reason = noRoomOf(len(p.s.Hosts), tally, p.filters)
	return pl.reason
}

// refusals are of every host, in their order.
func (p *placer) refusals(pl *pool) []Refusal {
	list := make([]Refusal, 0, len(p.s.Hosts))
	for i := range p.s.Hosts {
		r := Refusal{HostID: p.s.Hosts[i].ID, Host: p.s.Hosts[i].Name}
		on := pl.on(p.s.Hosts[i].ID)
		if n := p.refuser(pl, i, on); n >= 0 {
			r.Why = p.filters[n].why(p.candidate(i, on), &pl.ask, &p.s.Placement)
		}
		list = append(list, r)
	}
	return list
}

func (p *placer) fill(i int) float64 {
	h := &p.s.Hosts[i]
	return float64(h.UsedMemory+p.booked[i].memory) / float64(max(h.Memory, 1))
}

// refresh brings the best host to the top; false when none is left.
func (g *spreadGroup) refresh(pl *pool) bool {
	p := g.placer
	for len(g.entries) > 0 {
		top := &g.entries[0]
		now := entry{host: top.host, disk: top.disk, holding: pl.on(p.s.Hosts[top.host].ID), fill: p.fill(int(top.host))}
		switch {
		case p.refuser(pl, int(now.host), now.holding) >= 0:
			heap.Pop(g)
		case now != *top:
			*top = now
			heap.Fix(g, 0)
		default:
			return true
		}
	}
	return false
}

// Len, Less, Swap, Push and Pop are heap.Interface.
func (g *spreadGroup) Len() int { return len(g.entries) }

// Less says whether host i ranks before host j.
func (g *spreadGroup) Less(i, j int) bool { return g.placer.less(&g.entries[i], &g.entries[j]) }

// Swap exchanges two hosts.
func (g *spreadGroup) Swap(i, j int) { g.entries[i], g.entries[j] = g.entries[j], g.entries[i] }

// Push is never used: hosts only leave.
func (g *spreadGroup) Push(any) {}

// Pop takes the last host out.
func (g *spreadGroup) Pop() any {
	g.entries = g.entries[:len(g.entries)-1]
	return nil
}
