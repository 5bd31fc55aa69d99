package httpd

import (
	"context"
	"net/http"

	"github.com/go-chi/chi/v5"

	"paas/server"
	"paas/server/api"
)

// Linking knows which apps reach which from inside.
type Linking interface {
	Links(ctx context.Context, actor server.Actor, app string) ([]server.Link, error)
	AddLink(ctx context.Context, actor server.Actor, app, target string) (server.Link, error)
	RemoveLink(ctx context.Context, actor server.Actor, app, other string, incoming bool) (server.Link, error)
}

// linkRoutes are the routes below /apps/{app}.
func (s *Server) linkRoutes(r chi.Router) {
	r.Get("/links", s.quick(s.links))
	r.Post("/links", s.quick(s.addLink))
	r.Delete("/links/{other}", s.quick(s.removeLink))
}

func (s *Server) links(w http.ResponseWriter, r *http.Request) error {
	list, err := s.svc.Links(r.Context(), actor(r), param(r, "app"))
	if err != nil {
		return err
	}
	return replyAll(w, r, convert(list, wireLink),
		sortBy[api.AppLink]{"id", func(l api.AppLink) string { return l.ID }})
}

func (s *Server) addLink(w http.ResponseWriter, r *http.Request) error {
	var in api.CreateLink
	if err := decode(w, r, &in); err != nil {
		return err
	}
	l, err := s.svc.AddLink(r.Context(), actor(r), param(r, "app"), in.Target)
	if err != nil {
		return err
	}
	return reply(w, r, http.StatusCreated, wireLink(l))
}

// removeLink ends the link to the other app or, with ?incoming=true, from it.
func (s *Server) removeLink(w http.ResponseWriter, r *http.Request) error {
	l, err := s.svc.RemoveLink(r.Context(), actor(r), param(r, "app"), param(r, "other"), r.URL.Query().Get("incoming") == "true")
	if err != nil {
		return err
	}
	return reply(w, r, http.StatusOK, wireLink(l))
}

func wireLink(l server.Link) api.AppLink {
	return api.AppLink{ID: l.ID, App: api.Ref{ID: l.AppID, Name: l.App}, Target: api.Ref{ID: l.TargetID, Name: l.Target},
		Hostname: l.Hostname(), AddedBy: l.AddedBy, CreatedAt: stamp(l.AddedAt)}
}
