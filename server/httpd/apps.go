package httpd

import (
	"fmt"
	"net/http"

	"paas/server"
	"paas/server/api"
)

func (s *Server) apps(w http.ResponseWriter, r *http.Request) error {
	apps, err := s.svc.Apps(r.Context(), actor(r))
	if err != nil {
		return err
	}
	return replyAll(w, r, convert(apps, s.wireApp),
		sortBy[api.App]{"name", func(a api.App) string { return a.Name }},
		sortBy[api.App]{"id", func(a api.App) string { return a.ID }})
}

func (s *Server) createApp(w http.ResponseWriter, r *http.Request) error {
	var in api.CreateApp
	if err := decode(w, r, &in); err != nil {
		return err
	}
	if in.Region != "" && in.Region != api.RegionName {
		return server.Errorf(server.ErrInvalid, "Field region must be %q. Nothing was changed.", api.RegionName)
	}
	if in.Stack != "" && in.Stack != api.StackName {
		return server.Errorf(server.ErrInvalid, "Field stack must be %q. Nothing was changed.", api.StackName)
	}
	a, err := s.svc.CreateApp(r.Context(), actor(r), in.Name)
	if err != nil {
		return err
	}
	return s.replyApp(w, r, http.StatusCreated, a)
}

func (s *Server) app(w http.ResponseWriter, r *http.Request) error {
	a, err := s.svc.App(r.Context(), actor(r), param(r, "app"))
	if err != nil {
		return err
	}
	return s.replyApp(w, r, http.StatusOK, a)
}

func (s *Server) replyApp(w http.ResponseWriter, r *http.Request, code int, a server.App) error {
	repo, slug, err := s.svc.Sizes(r.Context(), a)
	if err != nil {
		return fmt.Errorf("sizes of app %s: %w", a.Name, err)
	}
	out := s.wireApp(a)
	out.RepoSize, out.SlugSize = &repo, &slug
	return reply(w, r, code, out)
}

func (s *Server) destroyApp(w http.ResponseWriter, r *http.Request) error {
	a, err := s.svc.DestroyApp(r.Context(), actor(r), param(r, "app"))
	if err != nil {
		return err
	}
	return reply(w, r, http.StatusOK, s.wireApp(a))
}
