package server

import (
	"context"
	"time"
)

const (
	metricsPoints     = 120  // when the query does not say
	metricsMostPoints = 1500 // one a minute for a day
)

// stepNumber is the i-th of the lengths that a step may have; from a day on,
// each is a day longer.
func stepNumber(i int) time.Duration {
	minutes := []int{1, 2, 5, 10, 20, 30, 60, 120, 180, 360, 720}
	if i < len(minutes) {
		return time.Duration(minutes[i]) * time.Minute
	}
	return time.Duration(i-len(minutes)+1) * 24 * time.Hour
}

// frame says which steps a query is answered in: as many as are asked for at
// most, none finer than what is kept of that time.
func (q MetricsQuery) frame(now time.Time) (Metrics, error) {
	if q.Until.IsZero() || q.Until.After(now) {
		q.Until = now
	}
	if q.Since.IsZero() {
		q.Since = q.Until.Add(-time.Hour)
	}
	if oldest := now.Add(-MetricsKept); q.Since.Before(oldest) {
		q.Since = oldest
	}
	if q.Points == 0 {
		q.Points = metricsPoints
	}
	switch {
	case !q.Since.Before(q.Until):
		return Metrics{}, Errorf(ErrInvalid, "The time asked for must begin before it ends, and within the last 30 days: that is how long figures are kept.")
	case q.Points < 1 || q.Points > metricsMostPoints:
		return Metrics{}, Errorf(ErrInvalid, "Points must be 1 to %d.", metricsMostPoints)
	}
	for i := 0; ; i++ {
		step := stepNumber(i)
		if step < metricsCoarse && q.Since.Before(now.Add(time.Hour-MetricsFine)) {
			continue
		}
		m := Metrics{Since: q.Since.UTC().Truncate(step), Until: q.Until.UTC().Add(step - 1).Truncate(step), Step: step}
		if int(m.Until.Sub(m.Since)/step) <= q.Points || step > 12*MetricsKept {
			return m, nil
		}
	}
}

// Metrics returns what an app did in a stretch of time, up to this moment:
// what is not in the database yet is added.
func (s *Service) Metrics(ctx context.Context, actor Actor, name string, q MetricsQuery) (Metrics, error) {
	app, err := s.App(ctx, actor, name)
	if err != nil {
		return Metrics{}, err
	}
	m, err := q.frame(time.Now())
	if err != nil {
		return Metrics{}, err
	}
	// First what is only here: it may get into the database meanwhile.
	fresh, unless := s.cfg.Meter.unflushed(app.ID)
	f, err := s.store.ReadFigures(ctx, FiguresQuery{AppID: app.ID, Since: m.Since, Until: m.Until, Unless: unless})
	if err != nil {
		return Metrics{}, err
	}
	f.Traffic, f.Usage = append(f.Traffic, fresh.Traffic...), append(f.Usage, fresh.Usage...)
	if err := m.chart(f); err != nil {
		return Metrics{}, err
	}
	m.Deploys, err = s.store.LiveReleases(ctx, app.ID, m.Since, m.Until)
	return m, err
}

// Sparks returns the last hour of every app the actor sees, by app id.
func (s *Service) Sparks(ctx context.Context, actor Actor) (map[string]Spark, error) {
	if err := allowAccount(actor, ScopeRead, ScopeWrite); err != nil {
		return nil, err
	}
	owner := actor.ID
	if actor.Admin {
		owner = ""
	}
	since := time.Now().UTC().Truncate(time.Minute).Add(-59 * time.Minute)
	fresh, unless := s.cfg.Meter.unflushed("")
	sparks, err := s.store.Sparks(ctx, owner, since, unless)
	if err != nil {
		return nil, err
	}
	for _, r := range fresh.Traffic {
		spark, seen := sparks[r.AppID]
		i := int(r.At.Sub(since) / time.Minute)
		if !seen || i < 0 || i >= len(spark.Requests) {
			continue
		}
		for _, n := range r.Status {
			spark.Requests[i] += n
		}
		spark.Errors[i] += r.Status[5]
		sparks[r.AppID] = spark
	}
	return sparks, nil
}
