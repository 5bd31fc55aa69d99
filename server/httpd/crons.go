package httpd

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/go-chi/chi/v5"

	"paas/server"
	"paas/server/api"
)

// Crons shows and steers crons.
type Crons interface {
	Crons(ctx context.Context, actor server.Actor, app string) ([]server.Cron, error)
	Cron(ctx context.Context, actor server.Actor, app, id string) (server.Cron, error)
	SuspendCron(ctx context.Context, actor server.Actor, app, id string, suspended bool) (server.Cron, error)
	RunCron(ctx context.Context, actor server.Actor, app, id string) (server.Run, error)
	CronHistory(ctx context.Context, actor server.Actor, app, id string, max int) ([]server.Run, error)
}

// cronRoutes are the routes below /apps/{app}.
func (s *Server) cronRoutes(r chi.Router) {
	r.Get("/crons", s.quick(s.crons))
	r.Get("/crons/runs", s.quick(s.cronRuns))
	r.Get("/crons/{cron}", s.quick(s.cron))
	r.Patch("/crons/{cron}", s.quick(s.changeCron))
	r.Get("/crons/{cron}/runs", s.quick(s.cronRuns))
	r.Post("/crons/{cron}/runs", s.quick(s.runCron))
}

func (s *Server) crons(w http.ResponseWriter, r *http.Request) error {
	list, err := s.svc.Crons(r.Context(), actor(r), param(r, "app"))
	if err != nil {
		return err
	}
	return reply(w, r, http.StatusOK, convert(list, wireCron))
}

func (s *Server) cron(w http.ResponseWriter, r *http.Request) error {
	c, err := s.svc.Cron(r.Context(), actor(r), param(r, "app"), param(r, "cron"))
	if err != nil {
		return err
	}
	return reply(w, r, http.StatusOK, wireCron(c))
}

func (s *Server) changeCron(w http.ResponseWriter, r *http.Request) error {
	var in api.ChangeCron
	if err := decode(w, r, &in); err != nil {
		return err
	}
	if _, err := s.svc.Cron(r.Context(), actor(r), param(r, "app"), param(r, "cron")); err != nil {
		return err // before what is wrong with the body
	}
	if in.Suspended == nil {
		return server.Errorf(server.ErrInvalid, "Field suspended must be a boolean. Nothing was changed.")
	}
	c, err := s.svc.SuspendCron(r.Context(), actor(r), param(r, "app"), param(r, "cron"), *in.Suspended)
	if err != nil {
		return err
	}
	return reply(w, r, http.StatusOK, wireCron(c))
}

func (s *Server) runCron(w http.ResponseWriter, r *http.Request) error {
	run, err := s.svc.RunCron(r.Context(), actor(r), param(r, "app"), param(r, "cron"))
	if err != nil {
		return err
	}
	return reply(w, r, http.StatusCreated, wireCronRun(run))
}

// cronRuns answers with the newest ?max= runs, newest first.
func (s *Server) cronRuns(w http.ResponseWriter, r *http.Request) error {
	const most = 1000
	max := most
	if q := r.URL.Query().Get("max"); q != "" {
		n, err := strconv.Atoi(q)
		if err != nil || n < 1 || n > most {
			return server.Errorf(server.ErrInvalid, "Parameter max must be a number from 1 to %d.", most)
		}
		max = n
	}
	list, err := s.svc.CronHistory(r.Context(), actor(r), param(r, "app"), param(r, "cron"), max)
	if err != nil {
		return err
	}
	return reply(w, r, http.StatusOK, convert(list, wireCronRun))
}

func wireCron(c server.Cron) api.Cron {
	out := api.Cron{ID: c.ID, App: api.Ref{ID: c.AppID, Name: c.App}, Command: c.Command, Schedule: c.Schedule, Timezone: c.Timezone,
		Policy: string(c.Policy), Suspended: c.Suspended, CreatedAt: stamp(c.CreatedAt)}
	if !c.Suspended && c.NextAt.Before(server.Never()) {
		out.NextAt = optionalTime(c.NextAt)
	}
	if c.Last != nil {
		last := wireCronRun(*c.Last)
		out.Last = &last
	}
	return out
}

func wireCronRun(r server.Run) api.CronRun {
	out := api.CronRun{ID: r.ID, Name: r.Name(), Cron: api.Ref{ID: r.CronID}, Command: r.Command, State: string(r.State), Reason: r.Reason,
		Tick: optionalTime(r.Tick), CreatedAt: stamp(r.CreatedAt), StartedAt: optionalTime(r.StartedAt), EndedAt: optionalTime(r.EndedAt)}
	if r.State.Final() {
		out.ExitCode = &r.ExitCode
	}
	if r.UserID != "" {
		out.User = &api.UserRef{ID: r.UserID, Email: r.User}
	}
	return out
}

// optionalTime is null for the zero time.
func optionalTime(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = stamp(t)
	return &t
}
