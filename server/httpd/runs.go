package httpd

import (
	"context"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"

	"paas/scheduler/agent"
	"paas/server"
	"paas/server/api"
)

// Runs runs one-offs and opens sessions in instances.
type Runs interface {
	StartRun(ctx context.Context, actor server.Actor, app string, r server.RunRequest) (server.Run, error)
	Runs(ctx context.Context, actor server.Actor, app string, f server.RunFilter) ([]server.Run, error)
	Run(ctx context.Context, actor server.Actor, app, ident string) (server.Run, error)
	Open(ctx context.Context, actor server.Actor, app, ident string, o server.OpenRequest, io agent.IO) (agent.SessionEnd, error)
}

// runRoutes are the routes below /apps/{app}.
func (s *Server) runRoutes(r chi.Router) {
	r.Post("/dynos", s.quick(s.createDyno))
	r.Get("/dynos/{dyno}/attach", s.stream(s.attach))
	r.Get("/dynos/{dyno}/exec", s.stream(s.exec))
	r.Get("/dynos/{dyno}/forward", s.stream(s.forward))
	r.Get("/runs", s.quick(s.runs))
	r.Get("/runs/{run}", s.quick(s.run))
}

const maxTimeToLive = 86400 // seconds, as Heroku's

// createDyno starts a one-off. One that is attached waits for its client, who
// comes by attach_url or by the dyno's own route.
func (s *Server) createDyno(w http.ResponseWriter, r *http.Request) error {
	var in api.CreateDyno
	if err := decode(w, r, &in); err != nil {
		return err
	}
	req, err := runRequest(in)
	if err != nil {
		return err
	}
	run, err := s.svc.StartRun(r.Context(), actor(r), param(r, "app"), req)
	if err != nil {
		return err
	}
	out := wireRunDyno(run)
	if run.Attach {
		if out.AttachURL, err = s.attachURL(actor(r), run); err != nil {
			return err
		}
	}
	return reply(w, r, http.StatusCreated, out)
}

var processTypeName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,63}$`)

func runRequest(in api.CreateDyno) (server.RunRequest, error) {
	const kept = " Nothing was started."
	req := server.RunRequest{Command: in.Command, Size: in.Size, Env: in.Env, Attach: in.Attach, TTY: in.Attach && !in.ForceNoTTY,
		TimeLimit: time.Duration(in.TimeToLive) * time.Second}
	if in.TimeToLive < 0 || in.TimeToLive > maxTimeToLive {
		return req, server.Errorf(server.ErrInvalid, "Field time_to_live must be 0 to %d seconds.%s", maxTimeToLive, kept)
	}
	if in.Type == "" || in.Type == server.RunType {
		return req, nil
	}
	switch {
	case !processTypeName.MatchString(in.Type):
		return req, server.Errorf(server.ErrInvalid, "Field type is no name of a process type.%s", kept)
	case strings.TrimSpace(in.Command) != "":
		return req, server.Errorf(server.ErrInvalid, "Field type names the process type whose command is to run, so field command must be empty.%s", kept)
	}
	req.Command, req.OfType = in.Type, true
	return req, nil
}

func (s *Server) runs(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	all, err := s.svc.Runs(r.Context(), actor(r), param(r, "app"), server.RunFilter{Type: q.Get("type"), Live: q.Get("live") == "true"})
	if err != nil {
		return err
	}
	return replyAll(w, r, convert(all, wireRun),
		sortBy[api.Run]{"created_at", func(o api.Run) string { return o.CreatedAt.Format(time.RFC3339Nano) + o.ID }},
		sortBy[api.Run]{"id", func(o api.Run) string { return o.ID }})
}

func (s *Server) run(w http.ResponseWriter, r *http.Request) error {
	o, err := s.svc.Run(r.Context(), actor(r), param(r, "app"), param(r, "run"))
	if err != nil {
		return err
	}
	return reply(w, r, http.StatusOK, wireRun(o))
}

func wireRun(r server.Run) api.Run {
	out := api.Run{
		ID: r.ID, App: api.Ref{ID: r.AppID, Name: r.App}, Name: r.Name(), Type: r.Type, Command: r.Command, Size: r.Size,
		Release: api.ReleaseRef{ID: r.ReleaseID, Version: r.Release}, Attached: r.Attach, State: string(r.State), Reason: r.Reason,
		CreatedAt: stamp(r.CreatedAt), StartedAt: reached(r.StartedAt), EndedAt: reached(r.EndedAt),
	}
	if r.State == server.RunSucceeded || r.State == server.RunFailed {
		out.ExitCode = &r.ExitCode
	}
	if r.UserID != "" {
		out.User = &api.UserRef{ID: r.UserID, Email: r.User}
	}
	return out
}

// reached is a time that may not have come.
func reached(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = stamp(t)
	return &t
}

// wireRunDyno is a one-off as Heroku shows it.
func wireRunDyno(r server.Run) api.Dyno {
	state := "starting"
	switch {
	case r.State == server.RunRunning:
		state = "up"
	case r.State.Final():
		state = "down"
	}
	return api.Dyno{
		ID: r.ID, App: api.Ref{ID: r.AppID, Name: r.App}, Name: r.Name(), Type: r.Type, Size: r.Size, Command: r.Command,
		Release: api.ReleaseRef{ID: r.ReleaseID, Version: r.Release}, State: state, OneOff: true, Reason: r.Reason,
		CreatedAt: stamp(r.CreatedAt), UpdatedAt: stamp(r.CreatedAt),
	}
}
