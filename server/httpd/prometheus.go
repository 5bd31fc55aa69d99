package httpd

import (
	"fmt"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"paas/server"
)

// prometheus answers in the text form of Prometheus, with what the platform
// knows at this moment of apps and of its own process.
func (s *Server) prometheus(w http.ResponseWriter, r *http.Request) error {
	apps, err := s.svc.Gauges(r.Context(), actor(r))
	if err != nil {
		return err
	}
	all := prometheus.NewRegistry()
	for _, c := range []prometheus.Collector{gauges(apps), collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{})} {
		if err := all.Register(c); err != nil {
			return fmt.Errorf("gather metrics: %w", err)
		}
	}
	extend(w)
	promhttp.HandlerFor(all, promhttp.HandlerOpts{}).ServeHTTP(w, r)
	return nil
}

// gauges is a prometheus.Collector of what was read for one answer. Its labels
// are names of apps and process types, and words of the platform's own.
type gauges []server.AppGauges

// appMetrics describes what is told of each app.
type appMetrics struct {
	requests, bytes, latency, instances, deploys, cpu, memory, limit *prometheus.Desc
}

func describe() appMetrics {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("paas_"+name, help, append([]string{"app"}, labels...), nil)
	}
	return appMetrics{
		requests:  desc("http_requests_total", "Requests to the app that this server's router finished, by class of status; aborted: the client left.", "class"),
		bytes:     desc("http_response_bytes_total", "Bytes of the bodies of answers."),
		latency:   desc("http_request_duration_seconds", "Time of requests that an instance took, from the first byte in to the last out; upgraded connections are left out."),
		instances: desc("instances", "Instances of the app, by state.", "state"),
		deploys:   desc("deploys", "Deploys of the app, by state.", "state"),
		cpu:       desc("cpu_seconds_total", "CPU time of the instances of a process type.", "type"),
		memory:    desc("memory_bytes", "Memory of the instances of a process type, without file cache that can be given back.", "type"),
		limit:     desc("memory_limit_bytes", "Memory that the instances of a process type may use.", "type"),
	}
}

// Describe is of prometheus.Collector.
func (g gauges) Describe(ch chan<- *prometheus.Desc) {
	m := describe()
	for _, d := range []*prometheus.Desc{m.requests, m.bytes, m.latency, m.instances, m.deploys, m.cpu, m.memory, m.limit} {
		ch <- d
	}
}

// Collect is of prometheus.Collector.
func (g gauges) Collect(ch chan<- prometheus.Metric) {
	m := describe()
	tell := func(d *prometheus.Desc, kind prometheus.ValueType, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, kind, v, labels...)
	}
	for _, a := range g {
		for class, n := range a.Status {
			tell(m.requests, prometheus.CounterValue, float64(n), a.App, className(class))
		}
		tell(m.bytes, prometheus.CounterValue, float64(a.Bytes), a.App)
		below := map[float64]uint64{}
		for bound := 1024 * time.Microsecond; bound <= time.Minute; bound *= 2 { // where buckets of the histogram meet
			below[bound.Seconds()] = uint64(a.Latency.Below(bound))
		}
		ch <- prometheus.MustNewConstHistogram(m.latency, uint64(a.Latency.Count()), a.Latency.Sum().Seconds(), below, a.App)
		for state, n := range a.Instances {
			tell(m.instances, prometheus.GaugeValue, float64(n), a.App, state)
		}
		for state, n := range a.Deploys {
			tell(m.deploys, prometheus.GaugeValue, float64(n), a.App, state)
		}
		for typ, t := range a.Types {
			tell(m.cpu, prometheus.CounterValue, t.CPU.Seconds(), a.App, typ)
			tell(m.memory, prometheus.GaugeValue, float64(t.Memory), a.App, typ)
			tell(m.limit, prometheus.GaugeValue, float64(t.MemoryLimit), a.App, typ)
		}
	}
}
