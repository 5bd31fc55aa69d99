package server

import (
	"net/netip"
	"sync"
	"time"
)

// Tries counts tries per address in fixed windows of time. Its table is
// bounded: while it is full of addresses that tried in this window, others are
// refused, and nobody is let off by filling it.
type Tries struct {
	most   int
	window time.Duration

	mu   sync.Mutex
	seen map[netip.Prefix]*tried
	full time.Time // until then none of a full table can be forgotten
}

type tried struct {
	began time.Time
	n     int
}

const maxTriers = 10000 // addresses

// NewTries allows an address so many tries in each window.
func NewTries(most int, window time.Duration) *Tries {
	return &Tries{most: most, window: window, seen: map[netip.Prefix]*tried{}}
}

// neighbours are the addresses that share a count: a /24 of IPv4 and a /64 of
// IPv6 usually belong to one person. An address that is none (a unix socket)
// has no count.
func neighbours(address string) (netip.Prefix, bool) {
	addr, err := netip.ParseAddr(address)
	if err != nil {
		return netip.Prefix{}, false
	}
	addr = addr.Unmap().WithZone("")
	bits := 64
	if addr.Is4() {
		bits = 24
	}
	of, err := addr.Prefix(bits)
	return of, err == nil
}

// Allow counts one more try; false says that it is one too many.
func (l *Tries) Allow(address string, now time.Time) bool {
	of, ok := neighbours(address)
	if !ok {
		return true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	t := l.seen[of]
	if t == nil || now.Sub(t.began) >= l.window {
		if t == nil && !l.room(now) {
			return false
		}
		t = &tried{began: now}
		l.seen[of] = t
	}
	t.n++
	return t.n <= l.most
}

// Spent says whether an address has no try left, and counts none. Whoever
// counts only what failed asks it first: an address that is not known, because
// others fill the table, is not kept out.
func (l *Tries) Spent(address string, now time.Time) bool {
	of, ok := neighbours(address)
	if !ok {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	t := l.seen[of]
	return t != nil && now.Sub(t.began) < l.window && t.n >= l.most
}

// room says whether one more address fits, forgetting those whose window has
// ended. A full table is looked through only when one has: who fills it must
// not be able to keep us busy with that.
func (l *Tries) room(now time.Time) bool {
	if len(l.seen) < maxTriers {
		return true
	}
	if now.Before(l.full) {
		return false
	}
	l.full = now.Add(l.window)
	for of, t := range l.seen {
		ends := t.began.Add(l.window)
		switch {
		case !now.Before(ends):
			delete(l.seen, of)
		case ends.Before(l.full):
			l.full = ends
		}
	}
	return len(l.seen) < maxTriers
}
