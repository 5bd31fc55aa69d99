package router

import (
	"math/rand/v2"
	"slices"
	"time"
)

// acquire picks an instance for a request to host and counts the request on
// it; the caller must release it. Instances in tried are not picked again.
// Without an instance, code says why: "" means that the host is unknown, "all"
// that there is none besides the tried ones.
func (f *fleet) acquire(host string, tried []*instance, tunnel bool) (in *instance, code string) {
	full := tried
	for {
		rt := f.view.Load().lookup(host)
		if rt == nil {
			return nil, ""
		}
		if code = rt.closed(); code != "" {
			return nil, code
		}
		in = rt.pick(full, f.now())
		if in == nil && len(full) > len(tried) {
			return nil, "H11"
		}
		if in == nil {
			return nil, "all"
		}
		in.busy.Add(1)
		switch {
		case in.gone.Load(): // the table was swapped under us: take the new one
			f.release(in)
		case f.isFull(in, tunnel):
			f.release(in)
			full = append(slices.Clip(full), in)
		default:
			return in, ""
		}
	}
}

// isFull asks after this request was counted.
func (f *fleet) isFull(in *instance, tunnel bool) bool {
	if tunnel && in.tunneld.Load() >= int64(f.limits.MaxTunnels) {
		return true
	}
	return in.requests() > int64(f.limits.MaxInFlight)
}

// closed is the code of the page to show instead of asking an instance, or "".
func (rt *route) closed() string {
	switch {
	case rt.empty == "H80":
		return "H80"
	case len(rt.targets) > 0:
		return ""
	case rt.empty == "":
		return "H14"
	default:
		return rt.empty
	}
}

// pick takes the less busy of two instances chosen at random: nearly as even as
// the least busy of all, without every request running to the same one. Those
// in quarantine are taken only when there is nothing else.
func (rt *route) pick(tried []*instance, now int64) *instance {
	n := len(rt.targets)
	i := rand.IntN(n)
	a, b := rt.targets[i], rt.targets[i]
	if n > 1 {
		b = rt.targets[(i+1+rand.IntN(n-1))%n]
	}
	aOK, bOK := usable(a, tried, now), usable(b, tried, now)
	switch {
	case aOK && bOK && b.requests() < a.requests(), bOK && !aOK:
		return b
	case aOK:
		return a
	}
	var last *instance
	for k := range n {
		in := rt.targets[(i+k)%n]
		if usable(in, tried, now) {
			return in
		}
		if last == nil && !slices.Contains(tried, in) {
			last = in
		}
	}
	return last
}

func usable(in *instance, tried []*instance, now int64) bool {
	return in.shunned.Load() <= now && !slices.Contains(tried, in)
}

func (f *fleet) now() int64 { return int64(time.Since(f.clock)) }

// shun keeps requests away from an instance that did not take a connection.
func (f *fleet) shun(in *instance) {
	in.shunned.Store(f.now() + int64(f.limits.Quarantine))
}
