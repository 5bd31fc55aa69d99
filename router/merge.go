package router

// Merge counts what another Tally counted, in the same minute; false when that
// minute was taken already.
func (t *Tally) Merge(c Count) bool {
	t.mu.RLock()
	a, late := t.apps[c.AppID], minuteOf(c.At) < t.floor
	t.mu.RUnlock()
	if late {
		return false
	}
	if a == nil {
		if a = t.enter(c.AppID); a == nil {
			return true // there is no room for the app, as for requests here
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if minuteOf(c.At) < a.floor {
		return false
	}
	a.total.merge(c)
	a.count(c.AppID, minuteOf(c.At), c.Release).merge(c)
	return true
}

func (c *Count) merge(o Count) {
	for i, n := range o.Status {
		c.Status[i] += n
	}
	c.Bytes += o.Bytes
	c.Latency.Add(&o.Latency)
}

// Drain gives at most that many counts and forgets them; what comes later of the
// same minute is a new count. It is for one who adds them up elsewhere.
func (t *Tally) Drain(most int) []*Count {
	var out []*Count
	for _, a := range t.some("") {
		if len(out) >= most {
			break
		}
		a.mu.Lock()
		n := min(len(a.counts), most-len(out))
		out = append(out, a.counts[:n]...)
		a.counts = append([]*Count(nil), a.counts[n:]...)
		a.mu.Unlock()
	}
	return out
}
