package server

import (
	"cmp"
	"context"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"paas/router"
	"paas/scheduler/agent"
)

// The bounds of what the Meter keeps while the database is away; then the
// oldest goes first.
const (
	meterBacklog = time.Hour
	meterRows    = 100_000 // of each kind
	meterChunk   = 5_000   // rows of each kind in one transaction
	meterTypes   = 32      // process types of one app in one minute; more are not counted
)

// Meter gathers the figures of this process: requests from its routers, usage
// from its agents. It brings each minute that has ended to the database and
// answers for those that are not there yet. Neither router nor agent ever
// waits for it.
type Meter struct {
	log    *slog.Logger
	source int64 // this process, in rows of traffic
	tally  *router.Tally
	now    func() time.Time

	flushing sync.Mutex // one flush at a time

	mu       sync.Mutex
	late     []TrafficRow // of ended minutes, oldest first, not in the database yet
	usage    map[usageKey]*UsageSum
	writing  []UsageRow // on their way to the database
	types    map[typeKey]*typeState
	hosts    map[string]hostState // as measured last
	told     bool                 // that rows were dropped
	rolledAt time.Time
}

type usageKey struct {
	at             time.Time
	app, typ, host string
}

// NewMeter makes one that has counted nothing.
func NewMeter(log *slog.Logger) *Meter {
	return &Meter{log: log, source: rand.Int64N(1<<62) + 1, tally: router.NewTally(), now: time.Now,
		usage: map[usageKey]*UsageSum{}, types: map[typeKey]*typeState{}, hosts: map[string]hostState{}}
}

// Observe is router.Config's: it counts one request.
func (m *Meter) Observe(o router.Observation) { m.tally.Observe(o) }

// Run flushes each minute once it has ended, and rolls up what is a day old,
// until ctx ends. What is left then is for Flush.
func (m *Meter) Run(ctx context.Context, store MeterStore) error {
	const after = 2 * time.Second // of a minute's end: requests that end with it are counted by then
	for {
		now := m.now()
		timer := time.NewTimer(now.Truncate(time.Minute).Add(time.Minute + after).Sub(now))
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-timer.C:
		}
		limited, cancel := context.WithTimeout(ctx, 50*time.Second)
		err := m.flush(limited, store, m.now())
		if err == nil {
			err = m.tend(limited, store)
		}
		cancel()
		if err != nil && ctx.Err() == nil {
			m.log.Warn("keep figures of apps; trying again in a minute", "err", err)
		}
	}
}

// Flush stores everything that was counted, the minute that has not ended as
// well. It is for the end of the process: the minute is not gone on with.
func (m *Meter) Flush(ctx context.Context, store MeterStore) error {
	return m.flush(ctx, store, m.now().Add(time.Minute))
}

// flush stores the minutes before that of a time.
func (m *Meter) flush(ctx context.Context, store MeterStore, before time.Time) error {
	m.flushing.Lock()
	defer m.flushing.Unlock()
	m.collect(before)
	for {
		m.mu.Lock()
		rows := m.late[:min(len(m.late), meterChunk)]
		f := Figures{Traffic: slices.Clone(rows), Usage: m.takeUsage(before)}
		m.writing = f.Usage
		m.mu.Unlock()
		if len(f.Traffic)+len(f.Usage) == 0 {
			return nil
		}
		err := store.WriteFigures(ctx, f)
		m.mu.Lock()
		m.writing = nil
		if err == nil {
			m.late = slices.Clone(m.late[len(f.Traffic):])
		} else {
			m.addUsage(f.Usage)
		}
		m.mu.Unlock()
		if err != nil {
			return err
		}
	}
}

// collect moves ended minutes from the tally to late, and forgets the oldest
// when there are too many.
func (m *Meter) collect(before time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	counts := m.tally.Take(before)
	slices.SortFunc(counts, func(a, b *router.Count) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.AppID, b.AppID)) })
	for _, c := range counts {
		m.late = append(m.late, m.row(c))
	}
	oldest := m.now().Add(-meterBacklog)
	drop := max(0, len(m.late)-meterRows)
	for drop < len(m.late) && m.late[drop].At.Before(oldest) {
		drop++
	}
	m.late = slices.Clone(m.late[drop:])
	lost := m.trimUsage(oldest)
	if drop > 0 || lost {
		if !m.told {
			m.log.Error("the database is away: figures of apps are lost, the oldest first", "kept", meterBacklog)
		}
		m.told = true
		return
	}
	m.told = false
}

func (m *Meter) row(c *router.Count) TrafficRow {
	latency, _ := c.Latency.AppendBinary([]byte{}) // it never fails
	return TrafficRow{AppID: c.AppID, At: c.At, Span: time.Minute, Release: c.Release, Source: m.source,
		Status: c.Status, Bytes: c.Bytes, Latency: latency}
}

// tend rolls up, drops what is too old and forgets apps that are gone.
func (m *Meter) tend(ctx context.Context, store MeterStore) error {
	ids, err := store.AppIDs(ctx)
	if err != nil {
		return err
	}
	there := make(map[string]bool, len(ids))
	for _, id := range ids {
		there[id] = true
	}
	m.tally.Keep(there)
	m.forgetTypes(there)
	now := m.now()
	if now.Sub(m.rolledAt) < metricsCoarse {
		return nil
	}
	for more := true; more; {
		if more, err = store.RollUp(ctx, now.Add(-MetricsFine), FoldFigures); err != nil {
			return err
		}
	}
	m.rolledAt = now
	return store.DropFigures(ctx, now.Add(-MetricsKept))
}

// unflushed gives what is not in the database yet of one app, of all when app
// is empty, and how to leave out of the database's answer what may get there
// meanwhile. So it is asked first, the database second.
func (m *Meter) unflushed(app string) (f Figures, u Unflushed) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, r := range m.late {
		if (app == "" || r.AppID == app) && r.Source == m.source { // others are told once they are stored
			f.Traffic = append(f.Traffic, r)
		}
	}
	for _, c := range m.tally.Look(app) {
		f.Traffic = append(f.Traffic, m.row(&c))
	}
	for k, sum := range m.usage {
		if app == "" || k.app == app {
			f.Usage = append(f.Usage, k.row(*sum))
		}
	}
	for _, r := range m.writing {
		if app == "" || r.AppID == app {
			f.Usage = append(f.Usage, r)
		}
	}
	u.Source = m.source
	for _, r := range f.Traffic {
		if u.From.IsZero() || r.At.Before(u.From) {
			u.From = r.At
		}
	}
	return f, u
}

// Usage takes one measurement of a host: what its instances use now.
func (m *Meter) Usage(host string, at time.Time, list []agent.Usage) {
	sums := map[typeKey]*UsageSum{}
	for _, u := range list {
		k := typeKey{u.AppID, typeOfName(u.Name)}
		s := sums[k]
		if s == nil {
			s = &UsageSum{Rounds: 1}
			sums[k] = s
		}
		s.Instances++
		s.MilliCPU += float64(u.MilliCPU)
		s.Memory += float64(u.Memory)
		s.MemoryLimit += float64(u.MemoryLimit)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.noteHost(host, at, sums)
	m.noteTypes(host, at, list, sums)
	for k, s := range sums {
		m.addUsage([]UsageRow{{AppID: k.app, At: at.UTC().Truncate(time.Minute), Span: time.Minute, Type: k.typ, Host: host, UsageSum: *s}})
	}
}
