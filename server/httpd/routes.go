package httpd

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/go-chi/chi/v5"

	"paas/server"
)

// handle is a handler whose error becomes the answer.
type handle func(w http.ResponseWriter, r *http.Request) error

func (s *Server) routes() http.Handler {
	r := chi.NewRouter()
	r.Use(s.outermost)
	r.NotFound(s.quick(noRoute))
	r.MethodNotAllowed(s.quick(noMethod))
	r.Get("/healthz", s.quick(s.health))
	r.Get("/log-sessions/{token}", s.stream(s.readLog))
	r.Get("/terminals/{token}", s.stream(s.attachByTicket))
	r.Post("/invitations/accept", s.quick(s.join)) // proven by the invitation's code
	r.Group(func(r chi.Router) {
		r.Use(s.authenticate)
		r.Get("/version", s.quick(s.version))
		r.Get("/regions", s.quick(s.regions))
		r.Get("/stacks", s.quick(s.stacks))
		r.Get("/dyno-sizes", s.quick(s.dynoSizes))
		r.Get("/account", s.quick(s.account))
		r.Get("/account/keys", s.quick(s.keys))
		r.Post("/account/keys", s.quick(s.addKey))
		r.Get("/account/keys/{key}", s.quick(s.key))
		r.Delete("/account/keys/{key}", s.quick(s.removeKey))
		r.Post("/accounts", s.quick(s.createAccount))
		r.Get("/apps", s.quick(s.apps))
		r.Post("/apps", s.quick(s.createApp))
		r.Get("/metrics", s.quick(s.prometheus))
		r.Get("/master-key", s.quick(s.masterKey))
		r.Post("/master-key/rotate", s.quick(s.rotateMasterKey))
		r.Route("/apps/{app}", s.appRoutes)
		s.accountRoutes(r)
		s.hostRoutes(r)
		s.routerRoutes(r)
	})
	return r
}

func (s *Server) appRoutes(r chi.Router) {
	r.Get("/", s.quick(s.app))
	r.Delete("/", s.patient(s.destroyApp))
	s.configRoutes(r)
	s.releaseRoutes(r)
	r.Get("/formation", s.quick(s.formation))
	r.Patch("/formation", s.quick(s.scale))
	r.Get("/formation/{type}", s.quick(s.formationOne))
	r.Patch("/formation/{type}", s.quick(s.scaleOne))
	r.Get("/dynos", s.quick(s.dynos))
	r.Delete("/dynos", s.quick(s.restart))
	r.Get("/dynos/{dyno}", s.quick(s.dyno))
	r.Delete("/dynos/{dyno}", s.quick(s.restart))
	r.Post("/dynos/{dyno}/actions/stop", s.quick(s.stopDyno))
	r.Get("/builds", s.quick(s.builds))
	r.Get("/builds/{build}", s.quick(s.build))
	r.Get("/deploys", s.quick(s.deploys))
	r.Get("/deploys/{deploy}", s.quick(s.deploy))
	r.Delete("/deploys/{deploy}", s.quick(s.cancel))
	r.Get("/deploys/{deploy}/output", s.stream(s.deployOutput))
	r.Get("/events", s.quick(s.events))
	r.Get("/metrics", s.quick(s.metrics))
	r.Post("/log-sessions", s.quick(s.createLogSession))
	s.runRoutes(r)
	s.accessRoutes(r)
	s.adminRoutes(r)
	s.drainRoutes(r)
	s.cronRoutes(r)
	s.placementRoutes(r)
	s.volumeRoutes(r)
}

// Route is one thing that the API answers: "GET" "/apps/{app}/releases".
type Route struct{ Method, Pattern string }

// Routes lists everything that the API answers, so that whoever checks it need
// not be told of a new one.
func (s *Server) Routes() ([]Route, error) {
	var all []Route
	walk := func(method, pattern string, _ http.Handler, _ ...func(http.Handler) http.Handler) error {
		all = append(all, Route{method, pattern})
		return nil
	}
	tree, ok := s.handler.(chi.Routes)
	if !ok {
		return nil, errors.New("the API's handler has no routes")
	}
	return all, chi.Walk(tree, walk)
}

// quick bounds what only reads or writes rows.
func (s *Server) quick(h handle) http.HandlerFunc { return s.bounded(h, requestTimeout) }

// patient bounds what may wait for another rollout of the app to end.
func (s *Server) patient(h handle) http.HandlerFunc { return s.bounded(h, waitTimeout) }

func (s *Server) bounded(h handle, limit time.Duration) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		ctx, done := context.WithTimeout(r.Context(), limit)
		defer done()
		if err := h(w, r.WithContext(ctx)); err != nil {
			s.fail(w, r.WithContext(ctx), err)
		}
	}
}

// stream has no bound but the client's patience and the server's end.
func (s *Server) stream(h handle) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		ctx, done := context.WithCancel(r.Context())
		defer done()
		watched := make(chan struct{})
		go func() {
			defer close(watched)
			select {
			case <-s.stopping:
				done()
			case <-ctx.Done():
			}
		}()
		err := h(w, r.WithContext(ctx))
		if err != nil {
			s.fail(w, r.WithContext(ctx), err)
		}
		done()
		<-watched
	}
}

// param is a part of the path, unescaped: a key's fingerprint holds slashes.
func param(r *http.Request, name string) string {
	raw := chi.URLParam(r, name)
	if r.URL.RawPath == "" {
		return raw // chi matched on the unescaped path
	}
	plain, err := url.PathUnescape(raw)
	if err != nil {
		return raw // names nothing
	}
	return plain
}

func noRoute(http.ResponseWriter, *http.Request) error {
	return server.Errorf(server.ErrNotFound, "The requested API endpoint was not found. Are you using the right path?")
}

func noMethod(_ http.ResponseWriter, r *http.Request) error {
	return server.Errorf(errMethod, "%s is not possible here. Nothing was changed.", r.Method)
}
