package scheduler

import (
	"fmt"
	"slices"
)

// Move is an instance that would be better on another host.
type Move struct {
	State    int // index of its app's state
	Instance string
	From, To string // ids of hosts
	Why      string
}

const (
	// worthMoving is by how much of its memory the host that an instance leaves
	// must stay fuller than the one it comes to: less is not worth a restart.
	worthMoving = 0.05
	// mostTried bounds the instances that places are sought for in one plan.
	mostTried = 2000
)

// Balance says which instances to move so that those of a type are spread and
// hosts are evenly full, at most so many, those first that help most. Each
// goes where a plan would put it that starts it anew, so to mark it for replacement is to
// move it there. Every move makes the whole more even: plans come to an end.
// Apps that are not at rest are left alone. It begins with the app at first; cut
// says that it was enough for one plan before all were looked at.
func Balance(states []State, hosts []Host, first, most int) (moves []Move, cut bool) {
	b := &balance{hosts: slices.Clone(hosts), at: map[string]int{}}
	for i := range b.hosts {
		b.at[b.hosts[i].ID] = i
	}
	for n := range states {
		i := (first + n) % len(states)
		if states[i].atRest() {
			st := states[i]
			st.Instances = slices.Clone(st.Instances)
			b.apps = append(b.apps, balanced{index: i, State: st})
		}
	}
	for len(moves) < most && b.tried < mostTried {
		m, ok := b.next()
		if !ok {
			break
		}
		moves = append(moves, m)
	}
	return moves, b.tried >= mostTried
}

// atRest says that nothing of an app is on its way.
func (s *State) atRest() bool {
	if s.Rolling || s.Release == "" {
		return false
	}
	return !slices.ContainsFunc(s.Instances, func(in Instance) bool {
		return !in.OneOff && (in.State != Up || in.Replace || in.Release != s.Release)
	})
}

// balance is the plan so far: what moved is where it moves to.
type balance struct {
	hosts []Host
	at    map[string]int // by id
	apps  []balanced
	tried int
}

type balanced struct {
	State
	index int
}

// next gives the best move of the fullest host's, or of an app that is badly
// spread; false when there is none.
func (b *balance) next() (best Move, ok bool) {
	var gain float64
	var from, app int
	emptiest := b.emptiest()
	for i := range b.apps {
		a := &b.apps[i]
		for n := range a.Instances {
			if !b.mayGain(a, &a.Instances[n], emptiest) || b.tried >= mostTried {
				continue
			}
			b.tried++
			m, g := b.move(a, n)
			if g > gain {
				best, gain, from, app, ok = m, g, n, i, true
			}
		}
	}
	if ok {
		b.take(&b.apps[app].Instances[from], best)
	}
	return best, ok
}

// mayGain is a cheap look whether to seek a place at all: the host is fuller
// than the emptiest, others of the type are on it, or there are zones.
func (b *balance) mayGain(a *balanced, in *Instance, emptiest float64) bool {
	i, known := b.at[in.Host]
	if in.OneOff || !known || !b.hosts[i].open() || len(a.volumesOf(in)) > 0 { // to move what has a volume is to stop it
		return false
	}
	return b.fill(i, 0)-emptiest >= worthMoving || a.Placement.Spread != "" || countOn(a, in, in.Host) >= 2
}

// emptiest is the least that is reserved of a host that takes instances.
func (b *balance) emptiest() float64 {
	least := 1.0
	for i := range b.hosts {
		if b.hosts[i].open() {
			least = min(least, b.fill(i, 0))
		}
	}
	return least
}

// open says that a host takes instances.
func (h *Host) open() bool { return !h.Lost && !h.Cordoned && !h.Draining && !h.Settling }

func (b *balance) fill(host int, more int64) float64 {
	h := &b.hosts[host]
	return float64(h.UsedMemory+more) / float64(max(h.Memory, 1))
}

// move is where a plan would start an instance anew, and what that gains; 0:
// nothing. Spread counts for more than any fullness.
func (b *balance) move(a *balanced, n int) (Move, float64) {
	st := a.State
	st.Hosts = b.hosts
	st.Instances = slices.Clone(st.Instances)
	in := &st.Instances[n]
	in.Replace = true
	w := Want{Type: in.Type, MilliCPU: in.MilliCPU, Memory: in.Memory}
	p := &planner{s: st, placer: newPlacer(&st, oddHosts(&st))}
	to, _ := p.placer.place(p.ask(st.Release, nil, w))
	if to == "" || to == in.Host || b.hosts[b.at[to]].DiskLevel() != DiskEnough {
		return Move{}, 0
	}
	m := Move{State: a.index, Instance: in.ID, From: in.Host, To: to}
	from, there := b.at[in.Host], b.at[to]
	zones := b.zone(a, in, from) - b.zone(a, in, there)
	same := countOn(a, in, in.Host) - countOn(a, in, to)
	lighter := b.fill(from, 0) - b.fill(there, in.Memory)
	switch {
	case zones >= 2:
		m.Why = fmt.Sprintf("%d %s dynos have its %s, %d that of %s", b.zone(a, in, from), in.Type, a.Placement.Spread, b.zone(a, in, there), b.hosts[there].Name)
		return m, 20 + float64(zones)
	case zones < 1 && !b.oneZone(a, from, there):
		return m, 0
	case same >= 2:
		m.Why = fmt.Sprintf("%d %s dynos are on %s, %d on %s", countOn(a, in, in.Host), in.Type, b.hosts[from].Name, countOn(a, in, to), b.hosts[there].Name)
		return m, 10 + float64(same)
	case same == 1 && lighter >= worthMoving:
		m.Why = fmt.Sprintf("%s has %d %% of its memory reserved, %s %d %%", b.hosts[from].Name, percent(b.fill(from, 0)), b.hosts[there].Name, percent(b.fill(there, 0)))
		return m, lighter
	}
	return m, 0
}

func percent(f float64) int { return int(f*100 + 0.5) }

// zone is how many of an instance's type are on hosts with the same value of
// the label to spread over.
func (b *balance) zone(a *balanced, in *Instance, host int) (n int) {
	if a.Placement.Spread == "" {
		return 0
	}
	for i := range a.Instances {
		o := &a.Instances[i]
		if j, known := b.at[o.Host]; known && !o.OneOff && o.Type == in.Type && b.oneZone(a, host, j) {
			n++
		}
	}
	return n
}

// oneZone says that two hosts have the same value of the label to spread over.
func (b *balance) oneZone(a *balanced, i, j int) bool {
	if a.Placement.Spread == "" {
		return true
	}
	v, has := b.hosts[i].Labels[a.Placement.Spread]
	w, had := b.hosts[j].Labels[a.Placement.Spread]
	return has == had && v == w
}

// countOn is how many of an instance's type are on a host.
func countOn(a *balanced, in *Instance, host string) (n int) {
	for i := range a.Instances {
		if o := &a.Instances[i]; !o.OneOff && o.Type == in.Type && o.Host == host {
			n++
		}
	}
	return n
}

// take books a move.
func (b *balance) take(in *Instance, m Move) {
	from, to := &b.hosts[b.at[m.From]], &b.hosts[b.at[m.To]]
	from.UsedMemory, from.UsedMilliCPU = from.UsedMemory-in.Memory, from.UsedMilliCPU-in.MilliCPU
	to.UsedMemory, to.UsedMilliCPU = to.UsedMemory+in.Memory, to.UsedMilliCPU+in.MilliCPU
	in.Host = m.To
}
