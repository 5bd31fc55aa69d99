package httpdtest

import (
	"context"
	"time"

	"paas/router"
	"paas/server"
)

// Metrics gives the same figures of every app, laid out from q.Since on.
func (f *Fake) Metrics(ctx context.Context, actor server.Actor, name string, q server.MetricsQuery) (server.Metrics, error) {
	if _, err := f.App(ctx, actor, name); err != nil {
		return server.Metrics{}, err
	}
	at := q.Since.UTC().Truncate(time.Minute)
	p := server.TrafficPoint{At: at, Requests: 7, Status: [6]int64{0: 1, 2: 4, 5: 2}, Errors: 2, P50: 12 * time.Millisecond, P95: time.Second,
		P99: 2500 * time.Microsecond, Release: map[int]int64{0: 2, 3: 5}}
	return server.Metrics{Since: at, Until: at.Add(time.Minute), Step: time.Minute, Total: p, Traffic: []server.TrafficPoint{p},
		Usage:   map[string][]server.UsagePoint{"web": {{At: at, Instances: 2, MilliCPU: 150, Memory: 64 << 20, MemoryLimit: 1 << 30}}},
		Deploys: []server.DeployMark{{At: at, Version: 3, Description: "Deploy cafe", User: "ann@example.com"}}}, nil
}

// Gauges gives figures of two apps, one of which never did anything.
func (f *Fake) Gauges(_ context.Context, actor server.Actor) ([]server.AppGauges, error) {
	if !actor.Admin {
		return nil, server.Errorf(server.ErrForbidden, "Only an admin may read the metrics of the whole installation.")
	}
	var h router.Histogram
	h.Observe(3 * time.Millisecond)
	h.Observe(2 * time.Second)
	return []server.AppGauges{
		{App: "shop", Status: [6]int64{2: 4, 5: 2}, Bytes: 100, Latency: &h, Instances: map[string]int{"up": 2}, Deploys: map[string]int{"live": 1},
			Types: map[string]server.TypeGauges{"we\"b\\\n": {CPU: 1500 * time.Millisecond, Memory: 64 << 20, MemoryLimit: 1 << 30}}},
		{App: "quiet", Latency: &router.Histogram{}},
	}, nil
}
