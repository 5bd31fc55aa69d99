package httpd

import (
	"context"
	"net/http"

	"github.com/go-chi/chi/v5"

	"paas/scheduler"
	"paas/server"
	"paas/server/api"
)

// Placements says where an app's dynos may be, and why they are where they are.
type Placements interface {
	Placement(ctx context.Context, actor server.Actor, app string) (scheduler.Placement, error)
	SetPlacement(ctx context.Context, actor server.Actor, app string, p server.PlacementChange) (scheduler.Placement, error)
	Why(ctx context.Context, actor server.Actor, app, name string) (server.Why, error)
}

// placementRoutes are the routes below /apps/{app}.
func (s *Server) placementRoutes(r chi.Router) {
	r.Get("/placement", s.quick(s.placement))
	r.Put("/placement", s.quick(s.setPlacement))
	r.Get("/dynos/{dyno}/why", s.quick(s.why))
}

func (s *Server) placement(w http.ResponseWriter, r *http.Request) error {
	p, err := s.svc.Placement(r.Context(), actor(r), param(r, "app"))
	if err != nil {
		return err
	}
	return reply(w, r, http.StatusOK, wirePlacement(p))
}

func (s *Server) setPlacement(w http.ResponseWriter, r *http.Request) error {
	if _, err := s.svc.Placement(r.Context(), actor(r), param(r, "app")); err != nil {
		return err // before what is wrong with the body
	}
	var in api.ChangePlacement
	if err := decode(w, r, &in); err != nil {
		return err
	}
	c := server.PlacementChange{Placement: placementOf(in.Placement), Force: in.Force}
	if in.Had != nil {
		had := placementOf(*in.Had)
		c.Had = &had
	}
	p, err := s.svc.SetPlacement(r.Context(), actor(r), param(r, "app"), c)
	if err != nil {
		return err
	}
	return reply(w, r, http.StatusOK, wirePlacement(p))
}

func placementOf(in api.Placement) scheduler.Placement {
	p := scheduler.Placement{Spread: in.Spread, Unique: in.Unique}
	for _, c := range in.Constraints {
		p.Constraints = append(p.Constraints, scheduler.Constraint{Label: c.Label, Value: c.Value, Not: c.Not})
	}
	return p
}

func wirePlacement(p scheduler.Placement) api.Placement {
	return api.Placement{Spread: p.Spread, Unique: p.Unique, Constraints: convert(p.Constraints, func(c scheduler.Constraint) api.Constraint {
		return api.Constraint{Label: c.Label, Value: c.Value, Not: c.Not}
	})}
}

func (s *Server) why(w http.ResponseWriter, r *http.Request) error {
	y, err := s.svc.Why(r.Context(), actor(r), param(r, "app"), param(r, "dyno"))
	if err != nil {
		return err
	}
	return reply(w, r, http.StatusOK, api.Why{Dyno: wireDyno(y.Instance), Host: optional(y.Host), Old: optional(y.Old), Reason: y.Reason,
		Hosts: convert(y.Refusals, func(f scheduler.Refusal) api.HostWhy { return api.HostWhy{ID: f.HostID, Name: f.Host, Why: f.Why} })})
}
