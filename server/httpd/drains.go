package httpd

import (
	"context"
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"

	"paas/server"
	"paas/server/api"
)

// Drains sends log lines elsewhere.
type Drains interface {
	Drains(ctx context.Context, actor server.Actor, app string) ([]server.Drain, error)
	Drain(ctx context.Context, actor server.Actor, app, ident string) (server.Drain, error)
	AddDrain(ctx context.Context, actor server.Actor, app, url string) (server.Drain, error)
	RemoveDrain(ctx context.Context, actor server.Actor, app, ident string) (server.Drain, error)
}

// drainRoutes are the routes below /apps/{app}.
func (s *Server) drainRoutes(r chi.Router) {
	r.Get("/log-drains", s.quick(s.drains))
	r.Post("/log-drains", s.quick(s.addDrain))
	r.Get("/log-drains/{drain}", s.quick(s.drain))
	r.Delete("/log-drains/{drain}", s.quick(s.removeDrain))
}

func (s *Server) drains(w http.ResponseWriter, r *http.Request) error {
	list, err := s.svc.Drains(r.Context(), actor(r), param(r, "app"))
	if err != nil {
		return err
	}
	return replyAll(w, r, convert(list, wireDrain),
		sortBy[api.LogDrain]{"created_at", func(d api.LogDrain) string { return d.CreatedAt.Format(time.RFC3339Nano) }},
		sortBy[api.LogDrain]{"id", func(d api.LogDrain) string { return d.ID }})
}

func (s *Server) drain(w http.ResponseWriter, r *http.Request) error {
	d, err := s.svc.Drain(r.Context(), actor(r), param(r, "app"), param(r, "drain"))
	if err != nil {
		return err
	}
	return reply(w, r, http.StatusOK, wireDrain(d))
}

func (s *Server) addDrain(w http.ResponseWriter, r *http.Request) error {
	var in api.CreateLogDrain
	if err := decode(w, r, &in); err != nil {
		return err
	}
	d, err := s.svc.AddDrain(r.Context(), actor(r), param(r, "app"), in.URL)
	if err != nil {
		return err
	}
	return reply(w, r, http.StatusCreated, wireDrain(d))
}

func (s *Server) removeDrain(w http.ResponseWriter, r *http.Request) error {
	d, err := s.svc.RemoveDrain(r.Context(), actor(r), param(r, "app"), param(r, "drain"))
	if err != nil {
		return err
	}
	return reply(w, r, http.StatusOK, wireDrain(d))
}

func wireDrain(d server.Drain) api.LogDrain {
	return api.LogDrain{ID: d.ID, Token: d.Token, URL: d.URL, CreatedAt: stamp(d.CreatedAt), UpdatedAt: stamp(d.CreatedAt)}
}
