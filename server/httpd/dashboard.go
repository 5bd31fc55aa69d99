package httpd

import (
	"context"
	"net/http"
	"net/url"

	"paas/server"
	"paas/server/api"
)

// SignInLinks lets people in to the dashboard.
type SignInLinks interface {
	CreateSignInLink(ctx context.Context, actor server.Actor) (server.SignInLink, error)
}

// createSignInLink answers with the secret URL of a page that asks before it
// signs anybody in: looking at it changes nothing.
func (s *Server) createSignInLink(w http.ResponseWriter, r *http.Request) error {
	l, err := s.svc.CreateSignInLink(r.Context(), actor(r))
	if err != nil {
		return err
	}
	if s.cfg.DashboardURL == "" {
		return server.Errorf(server.ErrNotFound, "This server has no dashboard. Nothing was changed.")
	}
	w.Header().Set("Cache-Control", "no-store")
	return reply(w, r, http.StatusCreated, api.SignInLink{
		URL: s.cfg.DashboardURL + "/sign-in?code=" + url.QueryEscape(l.Code), ExpiresAt: stamp(l.ExpiresAt),
	})
}
