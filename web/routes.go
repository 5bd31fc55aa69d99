package web

import (
	"net/http"

	"github.com/go-chi/chi/v5"
)

func (s *Server) routes() http.Handler {
	r := chi.NewRouter()
	r.Use(s.outermost)
	r.NotFound(s.open(notFound))
	r.MethodNotAllowed(s.open(notFound))
	r.Get("/static/{hash}/*", s.serveAsset)
	s.signInRoutes(r)
	r.Group(func(r chi.Router) {
		r.Use(s.signedIn)
		s.appsRoutes(r)
		r.Get("/live", s.stream(s.liveAll))
		r.Post("/theme", s.page(s.setTheme))
		r.Post("/sign-out", s.page(s.signOut))
		s.startRoutes(r)
		s.accountRoutes(r)
		s.paletteRoutes(r)
		s.hostRoutes(r)
		s.hostCareRoutes(r)
		s.auditRoutes(r)
		r.Route("/apps/{app}", func(r chi.Router) {
			r.Use(s.withApp)
			r.Get("/live", s.stream(s.liveApp))
			s.overviewRoutes(r)
			s.deployRoutes(r)
			s.releaseRoutes(r)
			s.logRoutes(r)
			s.metricRoutes(r)
			s.configRoutes(r)
			s.processRoutes(r)
			s.domainRoutes(r)
			s.volumeRoutes(r)
			s.accessRoutes(r)
			s.activityRoutes(r)
			s.settingsRoutes(r)
		})
	})
	return r
}
