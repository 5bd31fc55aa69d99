package httpd

import (
	"context"
	"net/http"

	"github.com/go-chi/chi/v5"

	"paas/server"
	"paas/server/api"
)

// Routers knows what takes the apps' requests. Everyone who is signed in may
// look; admins add and remove.
type Routers interface {
	Routers(ctx context.Context, actor server.Actor) ([]server.RouterRow, error)
	Router(ctx context.Context, actor server.Actor, name string) (server.RouterRow, error)
	AddRouter(ctx context.Context, actor server.Actor, name string) (server.RouterInvitation, error)
	RemoveRouter(ctx context.Context, actor server.Actor, name string) (server.RouterRow, error)
}

func (s *Server) routerRoutes(r chi.Router) {
	r.Get("/routers", s.quick(s.routers))
	r.Post("/routers", s.quick(s.addRouter))
	r.Get("/routers/{router}", s.quick(s.router))
	r.Delete("/routers/{router}", s.quick(s.removeRouter))
	r.Get("/servers", s.quick(s.servers))
}

func (s *Server) routers(w http.ResponseWriter, r *http.Request) error {
	list, err := s.svc.Routers(r.Context(), actor(r))
	if err != nil {
		return err
	}
	return replyAll(w, r, convert(list, wireRouter),
		sortBy[api.Router]{"name", func(r api.Router) string { return r.Name }},
		sortBy[api.Router]{"id", func(r api.Router) string { return r.ID }})
}

func (s *Server) router(w http.ResponseWriter, r *http.Request) error {
	row, err := s.svc.Router(r.Context(), actor(r), param(r, "router"))
	if err != nil {
		return err
	}
	return reply(w, r, http.StatusOK, wireRouter(row))
}

// addRouter answers with a secret: nothing on the way may keep it.
func (s *Server) addRouter(w http.ResponseWriter, r *http.Request) error {
	var in api.AddRouter
	if err := decode(w, r, &in); err != nil {
		return err
	}
	i, err := s.svc.AddRouter(r.Context(), actor(r), in.Name)
	if err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "no-store")
	return reply(w, r, http.StatusCreated, api.RouterInvitation{
		Router: i.Router, Token: i.Token, Fleet: i.Fleet, CA: i.CA, ExpiresAt: stamp(i.ExpiresAt), Command: api.RouterJoinCommand(i.Fleet, i.Token, i.CA),
	})
}

func (s *Server) removeRouter(w http.ResponseWriter, r *http.Request) error {
	row, err := s.svc.RemoveRouter(r.Context(), actor(r), param(r, "router"))
	if err != nil {
		return err
	}
	return reply(w, r, http.StatusOK, wireRouter(row))
}

func wireRouter(r server.RouterRow) api.Router {
	out := api.Router{ID: r.ID, Name: r.Name, State: string(r.State), Note: r.Note, Local: r.Local, Address: r.Addr, Version: r.Version,
		Newest: server.TableName(r.Newest), Busy: r.Busy, SeenAt: moment(r.SeenAt), Findings: convert(r.Findings, wireFinding)}
	if r.Table > 0 {
		name := server.TableName(r.Table)
		out.Table = &name
	}
	return out
}
