package httpd

import (
	"net/netip"
	"sync"
	"time"
)

// limiter counts tries per address in fixed windows of time. Its table is
// bounded: while it is full of addresses that tried in this window, others are
// refused, and nobody is let off by filling it.
type limiter struct {
	most   int
	window time.Duration

	mu   sync.Mutex
	seen map[netip.Prefix]*tries
	full time.Time // until then none of a full table can be forgotten
}

type tries struct {
	began time.Time
	n     int
}

const maxLimited = 10000 // addresses

func newLimiter(most int, window time.Duration) *limiter {
	return &limiter{most: most, window: window, seen: map[netip.Prefix]*tries{}}
}

// allow counts one more try; false says that it is one too many. Neighbours
// share a count: a /24 of IPv4 and a /64 of IPv6 usually belong to one person.
// An address that is none (a unix socket) is not limited.
func (l *limiter) allow(address string, now time.Time) bool {
	addr, err := netip.ParseAddr(address)
	if err != nil {
		return true
	}
	addr = addr.Unmap().WithZone("")
	bits := 64
	if addr.Is4() {
		bits = 24
	}
	of, err := addr.Prefix(bits)
	if err != nil {
		return true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	t := l.seen[of]
	if t == nil || now.Sub(t.began) >= l.window {
		if t == nil && !l.room(now) {
			return false
		}
		t = &tries{began: now}
		l.seen[of] = t
	}
	t.n++
	return t.n <= l.most
}

// room says whether one more address fits, forgetting those whose window has
// ended. A full table is looked through only when one has: who fills it must
// not be able to keep us busy with that.
func (l *limiter) room(now time.Time) bool {
	if len(l.seen) < maxLimited {
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
	return len(l.seen) < maxLimited
}
