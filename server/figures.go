package server

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"paas/router"
)

// FoldFigures makes of the rows of one span of ten minutes one row for each
// release and one for each process type. Nothing of traffic is lost: sums and
// histograms add up. Usage becomes the sum over minutes of what each minute's
// instances used on the mean.
func FoldFigures(f Figures) (Figures, error) {
	traffic, err := foldTraffic(f.Traffic)
	return Figures{Traffic: traffic, Usage: foldUsage(f.Usage)}, err
}

func foldTraffic(rows []TrafficRow) ([]TrafficRow, error) {
	type key struct {
		app     string
		at      time.Time
		release int
	}
	type sum struct {
		TrafficRow
		latency router.Histogram
	}
	sums := map[key]*sum{}
	for _, r := range rows {
		k := key{r.AppID, r.At.UTC().Truncate(metricsCoarse), r.Release}
		s := sums[k]
		if s == nil {
			s = &sum{TrafficRow: TrafficRow{AppID: k.app, At: k.at, Span: metricsCoarse, Release: k.release}}
			sums[k] = s
		}
		for c, n := range r.Status {
			s.Status[c] += n
		}
		s.Bytes += r.Bytes
		if err := s.latency.AddBinary(r.Latency); err != nil {
			return nil, fmt.Errorf("figures of app %s at %s: %w", r.AppID, r.At, err)
		}
	}
	out := make([]TrafficRow, 0, len(sums))
	for _, s := range sums {
		s.Latency, _ = s.latency.AppendBinary([]byte{}) // it never fails
		out = append(out, s.TrafficRow)
	}
	return out, nil
}

func foldUsage(rows []UsageRow) []UsageRow {
	type key struct{ app, typ string }
	sums := map[key]*UsageRow{}
	for _, m := range momentsOf(rows) {
		k := key{m.app, m.typ}
		s := sums[k]
		if s == nil {
			s = &UsageRow{AppID: m.app, At: m.at.Truncate(metricsCoarse), Span: metricsCoarse, Type: m.typ}
			sums[k] = s
		}
		s.UsageSum.add(m.weighed())
	}
	out := make([]UsageRow, 0, len(sums))
	for _, s := range sums {
		out = append(out, *s)
	}
	return out
}

// moment is what all instances of a process type used in one span of time, on
// the mean over it.
type moment struct {
	app, typ string
	at       time.Time
	minutes  int // of the span in which there were any
	UsageSum     // of one round
}

// weighed is the sum over the minutes of the moment.
func (m moment) weighed() UsageSum {
	n := float64(m.minutes)
	return UsageSum{Rounds: m.minutes, Instances: n * m.Instances, MilliCPU: n * m.MilliCPU, Memory: n * m.Memory, MemoryLimit: n * m.MemoryLimit}
}

// momentsOf adds up rows: of one host the measurements, then over hosts the
// means.
func momentsOf(rows []UsageRow) []moment {
	hosts := map[usageKey]*UsageRow{}
	for _, r := range rows {
		k := usageKey{at: r.At.UTC(), app: r.AppID, typ: r.Type, host: r.Host}
		if s := hosts[k]; s != nil {
			s.UsageSum.add(r.UsageSum)
			continue
		}
		hosts[k] = &r
	}
	moments := map[usageKey]*moment{}
	for k, r := range hosts {
		k.host = ""
		m := moments[k]
		if m == nil {
			m = &moment{app: k.app, typ: k.typ, at: k.at}
			moments[k] = m
		}
		mean := r.mean()
		m.UsageSum.add(mean)
		m.minutes = max(m.minutes, 1)
		if r.Span > time.Minute {
			m.minutes = r.Rounds
		}
	}
	out := make([]moment, 0, len(moments))
	for _, m := range slices.SortedFunc(maps.Values(moments), func(a, b *moment) int {
		return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.typ, b.typ))
	}) {
		m.Rounds = 1
		out = append(out, *m)
	}
	return out
}

// chart lays rows of one app out in the steps of m, which has Since, Until and
// Step.
func (m *Metrics) chart(f Figures) error {
	steps := int(m.Until.Sub(m.Since) / m.Step)
	m.Traffic, m.Usage = make([]TrafficPoint, steps), map[string][]UsagePoint{}
	for i := range m.Traffic {
		m.Traffic[i] = TrafficPoint{At: m.at(i), Release: map[int]int64{}}
	}
	if err := m.chartTraffic(f.Traffic); err != nil {
		return err
	}
	m.chartUsage(momentsOf(f.Usage))
	return nil
}

func (m *Metrics) at(step int) time.Time { return m.Since.Add(time.Duration(step) * m.Step) }

// step is where a time falls; false when it is outside.
func (m *Metrics) step(at time.Time) (int, bool) {
	return int(at.Sub(m.Since) / m.Step), !at.Before(m.Since) && at.Before(m.Until)
}

func (m *Metrics) chartTraffic(rows []TrafficRow) error {
	var all router.Histogram
	m.Total = TrafficPoint{At: m.Since, Release: map[int]int64{}}
	latency := make([]*router.Histogram, len(m.Traffic))
	for _, r := range rows {
		i, ok := m.step(r.At)
		if !ok {
			continue
		}
		m.Traffic[i].add(r)
		m.Total.add(r)
		if latency[i] == nil {
			latency[i] = &router.Histogram{}
		}
		if err := latency[i].AddBinary(r.Latency); err != nil {
			return fmt.Errorf("figures at %s: %w", r.At, err)
		}
	}
	for i, h := range latency {
		if h != nil {
			m.Traffic[i].quantiles(h)
			all.Add(h)
		}
	}
	m.Total.quantiles(&all)
	return nil
}

func (p *TrafficPoint) add(r TrafficRow) {
	requests := int64(0)
	for c, n := range r.Status {
		p.Status[c] += n
		requests += n
	}
	p.Requests += requests
	p.Errors += r.Status[5]
	p.Release[r.Release] += requests
}

func (p *TrafficPoint) quantiles(h *router.Histogram) {
	p.P50, p.P95, p.P99 = h.Quantile(0.5), h.Quantile(0.95), h.Quantile(0.99)
}

func (m *Metrics) chartUsage(moments []moment) {
	sums := map[string][]UsageSum{}
	for _, mo := range moments {
		i, ok := m.step(mo.at)
		if !ok {
			continue
		}
		if sums[mo.typ] == nil {
			sums[mo.typ] = make([]UsageSum, len(m.Traffic))
		}
		sums[mo.typ][i].add(mo.weighed())
	}
	for typ, list := range sums {
		points := make([]UsagePoint, len(list))
		for i, s := range list {
			mean := s.mean()
			points[i] = UsagePoint{At: m.at(i), Instances: round(mean.Instances), MilliCPU: int64(mean.MilliCPU + 0.5),
				Memory: int64(mean.Memory + 0.5), MemoryLimit: int64(mean.MemoryLimit + 0.5)}
		}
		m.Usage[typ] = points
	}
}

// round is the nearest number of instances, 1 when there were any at all.
func round(n float64) int {
	if n > 0 && n < 1 {
		return 1
	}
	return int(n + 0.5)
}
