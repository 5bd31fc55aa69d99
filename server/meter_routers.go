package server

import (
	"math/rand/v2"
	"time"

	"paas/router"
)

// Add counts what routers elsewhere have counted, each only once. What is of a
// minute that this process has stored already gets a row of its own.
func (m *Meter) Add(list []router.Count) {
	now := m.now()
	var late []TrafficRow
	source := rand.Int64N(1<<62) + 1
	for i := range list {
		c := &list[i]
		if c.At.After(now) || c.At.Before(now.Add(-meterBacklog)) {
			c.At = now // of a clock that is wrong, or nobody wants it to the minute
		}
		c.At = c.At.UTC().Truncate(time.Minute)
		if !m.tally.Merge(*c) {
			row := m.row(c)
			row.Source = source
			late = append(late, row)
		}
	}
	if len(late) == 0 {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.late = append(m.late, late[:min(len(late), max(meterRows-len(m.late), 0))]...) // a router that tells more is out of its mind
}
