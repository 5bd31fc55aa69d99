package httpd

import (
	"context"
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"

	"paas/server"
	"paas/server/api"
)

// DrillOfHosts rehearses the loss of hosts; for admins.
type DrillOfHosts interface {
	PlanDrill(ctx context.Context, actor server.Actor, host string) (server.Drill, error)
	StartDrill(ctx context.Context, actor server.Actor, host string, o server.DrillOrder) (server.Drill, error)
	Drill(ctx context.Context, actor server.Actor, host string) (server.Drill, error)
	EndDrill(ctx context.Context, actor server.Actor, host string) (server.Drill, error)
}

func (s *Server) drillRoutes(r chi.Router) {
	r.Post("/hosts/{host}/drill", s.quick(s.startDrill))
	r.Get("/hosts/{host}/drill", s.quick(s.drill))
	r.Delete("/hosts/{host}/drill", s.quick(s.endDrill))
}

func (s *Server) startDrill(w http.ResponseWriter, r *http.Request) error {
	var in api.StartDrill
	if err := decode(w, r, &in); err != nil {
		return err
	}
	if in.DryRun {
		d, err := s.svc.PlanDrill(r.Context(), actor(r), param(r, "host"))
		return replyDrill(w, r, http.StatusOK, d, err)
	}
	if in.Seconds < 0 || in.Seconds > int(server.LongestDrill/time.Second) {
		return server.Errorf(server.ErrInvalid, "Field seconds must be from %d to %d. Nothing was changed.", server.ShortestDrill/time.Second, server.LongestDrill/time.Second)
	}
	d, err := s.svc.StartDrill(r.Context(), actor(r), param(r, "host"), server.DrillOrder{For: time.Duration(in.Seconds) * time.Second, Force: in.Force})
	return replyDrill(w, r, http.StatusCreated, d, err)
}

func (s *Server) drill(w http.ResponseWriter, r *http.Request) error {
	d, err := s.svc.Drill(r.Context(), actor(r), param(r, "host"))
	return replyDrill(w, r, http.StatusOK, d, err)
}

func (s *Server) endDrill(w http.ResponseWriter, r *http.Request) error {
	d, err := s.svc.EndDrill(r.Context(), actor(r), param(r, "host"))
	return replyDrill(w, r, http.StatusOK, d, err)
}

func replyDrill(w http.ResponseWriter, r *http.Request, code int, d server.Drill, err error) error {
	if err != nil {
		return err
	}
	return reply(w, r, code, api.Drill{ID: d.ID, Host: d.Host, User: d.Actor, StartedAt: moment(d.StartedAt), Until: moment(d.Until),
		Ended: d.ID != "" && d.Ended(time.Now()), Lost: secondsOf(d.Report.Lost), Out: secondsOf(d.Report.Out), Elsewhere: secondsOf(d.Report.Elsewhere),
		Apps: convert(d.Report.Apps, wireDrillApp)})
}

func wireDrillApp(a server.DrillApp) api.DrillApp {
	return api.DrillApp{App: a.App, Dynos: orNone(a.Dynos), Away: a.Away, Waits: orNone(a.Waits), OneOffs: orNone(a.OneOffs),
		Out: secondsOf(a.Out), Elsewhere: secondsOf(a.Elsewhere), Gone: a.Gone.Seconds(), Requests: a.Requests, Failed: a.Failed}
}

// orNone is a list that JSON shows as one.
func orNone(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}

// secondsOf is a time that it may not have come to: null for zero.
func secondsOf(d time.Duration) *float64 {
	if d == 0 {
		return nil
	}
	s := d.Seconds()
	return &s
}
