package web

import (
	"context"
	"time"

	"github.com/go-chi/chi/v5"

	"paas/server"
)

// Builds knows what was built.
type Builds interface {
	Builds(ctx context.Context, actor server.Actor, app string, p server.Page) ([]server.Build, error)
	Build(ctx context.Context, actor server.Actor, app, id string) (server.Build, error)
}

func (s *Server) buildRoutes(r chi.Router) {
	r.Get("/builds", s.page(s.buildsPage))
	r.Get("/builds/{build}", s.page(s.buildPage))
}

func (s *Server) buildsPage(v *visit) error {
	list, err := pageOf(v, func(b server.Build) string { return b.ID }, func(p server.Page) ([]server.Build, error) {
		return s.svc.Builds(v.ctx(), v.actor(), v.app().ID, p)
	})
	if err != nil {
		return err
	}
	return v.show("builds", "deploys", "Builds", list)
}

// buildView is a build with its deploy, which has its output.
type buildView struct {
	server.Build
	Deploy *server.Deploy
}

func (s *Server) buildPage(v *visit) error {
	b, err := s.svc.Build(v.ctx(), v.actor(), v.app().ID, v.param("build"))
	if err != nil {
		return err
	}
	view := buildView{Build: b}
	if b.DeployID != "" {
		d, err := s.svc.Deploy(v.ctx(), v.actor(), v.app().ID, b.DeployID)
		if err != nil {
			return err
		}
		view.Deploy = &d
	}
	return v.show("build", "deploys", "Build "+shortCommit(b.Commit), view)
}

// lasted is how long something took, or has taken by now if it still does.
func lasted(from, to time.Time, going bool, now time.Time) time.Duration {
	if going {
		to = now
	}
	return to.Sub(from)
}
