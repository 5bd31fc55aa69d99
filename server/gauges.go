package server

import (
	"context"
	"time"

	"paas/router"
)

// AppGauges is one app as a monitoring system sees it. Counts of requests and
// CPU time are those of this process since its start and never shrink while it
// runs; of a cluster every server is asked for its own.
type AppGauges struct {
	App       string // name
	Status    [6]int64
	Bytes     int64 // of the answers' bodies
	Latency   *router.Histogram
	Instances map[string]int // by state
	Deploys   map[string]int // by state
	Types     map[string]TypeGauges
}

// TypeGauges is one process type of an app.
type TypeGauges struct {
	CPU         time.Duration // CPU time its instances have taken
	Memory      int64         // bytes, now
	MemoryLimit int64         // bytes, now
}

// Gauges returns all apps, for admins; a token that may only read will do.
func (s *Service) Gauges(ctx context.Context, actor Actor) ([]AppGauges, error) {
	if !actor.Admin {
		return nil, Errorf(ErrForbidden, "Only an admin may read the metrics of the whole installation.")
	}
	if err := allowAccount(actor, ScopeRead, ScopeWrite); err != nil {
		return nil, err
	}
	census, err := s.store.Census(ctx)
	if err != nil {
		return nil, err
	}
	totals, now := s.cfg.Meter.tally.Totals(), s.cfg.Meter.nowByType()
	out := make([]AppGauges, len(census))
	for i, c := range census {
		total := totals[c.ID]
		out[i] = AppGauges{App: c.Name, Status: total.Status, Bytes: total.Bytes, Latency: &total.Latency,
			Instances: c.Instances, Deploys: c.Deploys, Types: map[string]TypeGauges{}}
		for typ, t := range now[c.ID] {
			out[i].Types[typ] = TypeGauges{CPU: t.cpu, Memory: int64(t.Memory), MemoryLimit: int64(t.MemoryLimit)}
		}
	}
	return out, nil
}
