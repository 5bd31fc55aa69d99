package web

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/go-chi/chi/v5"

	"paas/server"
)

func (s *Server) metricRoutes(r chi.Router) {
	r.Get("/metrics", s.page(s.metricsPage))
}

// stretch is a span of time before now that can be chosen.
type stretch struct {
	Key, Text string
	Length    time.Duration
}

func spans() []stretch {
	return []stretch{{"1h", "1 hour", time.Hour}, {"6h", "6 hours", 6 * time.Hour}, {"24h", "24 hours", 24 * time.Hour},
		{"7d", "7 days", 7 * 24 * time.Hour}, {"30d", "30 days", 30 * 24 * time.Hour}}
}

// metricsSteps is how many values a line has at most: as many as can be told
// apart.
const metricsSteps = 150

// metricsView is what the page of an app's figures shows.
type metricsView struct {
	Span             stretch
	Spans            []stretch
	Step             string
	Traffic          []drawing
	Usage            []drawing           // CPU and memory of each process type, web first
	Deploys          []server.DeployMark // newest first
	Requests, Errors int64
}

func (s *Server) metricsPage(v *visit) error {
	view := metricsView{Spans: spans()}
	asked := v.query("range")
	i := slices.IndexFunc(view.Spans, func(s stretch) bool { return s.Key == cmp.Or(asked, "1h") })
	if i < 0 {
		return &server.Error{ID: server.ErrInvalid, Message: fmt.Sprintf("There is no range %q; there are 1h, 6h, 24h, 7d and 30d.", asked),
			Next: "paas metrics --since 3h -a " + v.app().Name}
	}
	view.Span = view.Spans[i]
	now := time.Now()
	m, err := s.svc.Metrics(v.ctx(), v.actor(), v.app().Name, server.MetricsQuery{Since: now.Add(-view.Span.Length), Until: now, Points: metricsSteps})
	if err != nil {
		return err
	}
	o, err := s.svc.Overview(v.ctx(), v.actor(), v.app().Name)
	if err != nil {
		return err
	}
	view.Step, view.Deploys = stepText(m.Step), slices.Clone(m.Deploys)
	slices.Reverse(view.Deploys)
	for _, p := range m.Traffic {
		view.Requests, view.Errors = view.Requests+p.Requests, view.Errors+p.Errors
	}
	for _, c := range []chart{requestsChart(m, now), errorsChart(m, now), latencyChart(m)} {
		view.Traffic = append(view.Traffic, c.of(v).draw())
	}
	for i, typ := range m.Types() {
		cpu, memory := usageCharts(m, typ, fmt.Sprintf("type-%d", i), s.cpuLimit(o.Formation, typ))
		view.Usage = append(view.Usage, cpu.of(v).draw(), memory.of(v).draw())
	}
	return v.show("metrics", "metrics", "Metrics", view)
}

// stepText is the length of a step: whole minutes, hours or days.
func stepText(d time.Duration) string {
	switch {
	case d >= 48*time.Hour:
		return fmt.Sprintf("%d days", d/(24*time.Hour))
	case d >= 24*time.Hour:
		return "1 day"
	case d >= time.Hour:
		return fmt.Sprintf("%d h", d/time.Hour)
	}
	return fmt.Sprintf("%d min", d/time.Minute)
}

// of makes the chart one of the app's page.
func (c chart) of(v *visit) chart {
	c.App = v.app().Name
	return c
}

// cpuLimit is what one dyno of a type may use as it is scaled now, in CPUs; 0
// is unknown.
func (s *Server) cpuLimit(list []server.Formation, typ string) float64 {
	for _, f := range list {
		i := slices.IndexFunc(s.cfg.Sizes, func(z server.Size) bool { return z.Name == f.Size })
		if f.Type == typ && i >= 0 {
			return float64(s.cfg.Sizes[i].MilliCPU) / 1000
		}
	}
	return 0
}

// usageCharts are CPU and memory of a process type, each with its limit, and
// gaps where nothing was measured.
func usageCharts(m server.Metrics, typ, id string, cpuLimit float64) (cpu, memory chart) {
	cpu, memory = trafficChart(m, id+"-cpu", "CPU of "+typ), trafficChart(m, id+"-memory", "Memory of "+typ)
	cpu.Unit, memory.Unit = unitCPUs, unitBytes
	used, usedMax := series{Name: "used", Class: "l-use"}, series{Name: "limit", Class: "l-limit", Limit: true}
	held, heldMax := used, usedMax
	value := func(known bool, v float64) float64 {
		if !known {
			return math.NaN()
		}
		return v
	}
	for _, p := range m.Usage[typ] {
		some := p.Instances > 0
		used.Values = append(used.Values, value(some, float64(p.MilliCPU)/1000))
		usedMax.Values = append(usedMax.Values, value(some && cpuLimit > 0, cpuLimit*float64(p.Instances)))
		held.Values = append(held.Values, value(some, float64(p.Memory)))
		heldMax.Values = append(heldMax.Values, value(some && p.MemoryLimit > 0, float64(p.MemoryLimit)))
	}
	cpu.Lines, memory.Lines = []series{used, usedMax}, []series{held, heldMax}
	if cpuLimit == 0 {
		cpu.Lines = cpu.Lines[:1]
	}
	return cpu, memory
}
