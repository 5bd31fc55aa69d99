package httpd

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"paas/server"
	"paas/server/api"
)

// Figures reads what apps did.
type Figures interface {
	Metrics(ctx context.Context, actor server.Actor, app string, q server.MetricsQuery) (server.Metrics, error)
	Gauges(ctx context.Context, actor server.Actor) ([]server.AppGauges, error)
}

// metrics answers with ?since= and ?until= (times, or how long ago) in
// ?points= steps at most.
func (s *Server) metrics(w http.ResponseWriter, r *http.Request) error {
	app, err := s.svc.App(r.Context(), actor(r), param(r, "app"))
	if err != nil {
		return err // before what is wrong with the query
	}
	var q server.MetricsQuery
	in, now := r.URL.Query(), time.Now()
	if q.Since, err = server.Moment("since", in.Get("since"), now); err != nil {
		return err
	}
	if q.Until, err = server.Moment("until", in.Get("until"), now); err != nil {
		return err
	}
	if p := in.Get("points"); p != "" {
		if q.Points, err = strconv.Atoi(p); err != nil || q.Points == 0 {
			return server.Errorf(server.ErrInvalid, "Parameter points must be a number of at least 1.")
		}
	}
	m, err := s.svc.Metrics(r.Context(), actor(r), app.ID, q)
	if err != nil {
		return err
	}
	return reply(w, r, http.StatusOK, wireMetrics(app, m))
}

func wireMetrics(app server.App, m server.Metrics) api.Metrics {
	out := api.Metrics{App: api.Ref{ID: app.ID, Name: app.Name}, Since: stamp(m.Since), Until: stamp(m.Until), Step: int(m.Step / time.Second),
		Total: wireTraffic(m.Total), Traffic: convert(m.Traffic, wireTraffic), Usage: map[string][]api.UsagePoint{}, Deploys: convert(m.Deploys, wireMark)}
	for typ, points := range m.Usage {
		out.Usage[typ] = convert(points, func(p server.UsagePoint) api.UsagePoint {
			return api.UsagePoint{At: stamp(p.At), Instances: p.Instances, MilliCPU: p.MilliCPU, Memory: p.Memory, MemoryLimit: p.MemoryLimit}
		})
	}
	return out
}

func wireTraffic(p server.TrafficPoint) api.TrafficPoint {
	millis := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	out := api.TrafficPoint{At: stamp(p.At), Requests: p.Requests, Errors: p.Errors, Status: map[string]int64{}, Releases: map[string]int64{},
		P50: millis(p.P50), P95: millis(p.P95), P99: millis(p.P99)}
	for class, n := range p.Status {
		out.Status[className(class)] = n
	}
	for version, n := range p.Release {
		name := "v" + strconv.Itoa(version)
		if version == 0 {
			name = "none"
		}
		out.Releases[name] = n
	}
	return out
}

// className is "5xx", and "aborted" for what the client did not wait for.
func className(class int) string {
	if class == 0 {
		return "aborted"
	}
	return strconv.Itoa(class) + "xx"
}

func wireMark(d server.DeployMark) api.DeployMark {
	return api.DeployMark{At: stamp(d.At), Version: d.Version, Description: d.Description, User: d.User}
}
