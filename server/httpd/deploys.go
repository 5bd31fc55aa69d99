package httpd

import (
	"errors"
	"net/http"

	"paas/server"
	"paas/server/api"
)

func (s *Server) builds(w http.ResponseWriter, r *http.Request) error {
	return replyRecent(w, r, func(p server.Page) ([]api.Build, error) {
		builds, err := s.svc.Builds(r.Context(), actor(r), param(r, "app"), p)
		return convert(builds, s.wireBuild), err
	}, func(b api.Build) string { return b.ID })
}

func (s *Server) build(w http.ResponseWriter, r *http.Request) error {
	b, err := s.svc.Build(r.Context(), actor(r), param(r, "app"), param(r, "build"))
	if err != nil {
		return err
	}
	return reply(w, r, http.StatusOK, s.wireBuild(b))
}

func (s *Server) deploys(w http.ResponseWriter, r *http.Request) error {
	return replyRecent(w, r, func(p server.Page) ([]api.Deploy, error) {
		deploys, err := s.svc.Deploys(r.Context(), actor(r), param(r, "app"), p)
		return convert(deploys, s.wireDeploy), err
	}, func(d api.Deploy) string { return d.ID })
}

func (s *Server) deploy(w http.ResponseWriter, r *http.Request) error {
	d, err := s.svc.Deploy(r.Context(), actor(r), param(r, "app"), param(r, "deploy"))
	if err != nil {
		return err
	}
	return reply(w, r, http.StatusOK, s.wireDeploy(d))
}

func (s *Server) cancel(w http.ResponseWriter, r *http.Request) error {
	d, err := s.svc.Cancel(r.Context(), actor(r), param(r, "app"), param(r, "deploy"))
	if err != nil {
		return err
	}
	return reply(w, r, http.StatusOK, s.wireDeploy(d))
}

func (s *Server) events(w http.ResponseWriter, r *http.Request) error {
	events, err := s.svc.Events(r.Context(), actor(r), param(r, "app"))
	if err != nil {
		return err
	}
	return reply(w, r, http.StatusOK, convert(events, wireEvent))
}

func wireEvent(e server.Event) api.Event {
	return api.Event{ID: e.ID, Actor: e.Actor, Kind: e.Kind, Text: e.Text, DeployID: e.Deploy, CreatedAt: e.At}
}

// deployOutput streams what a deploy printed and prints, until it has ended.
// A stream that broke is cut, never ended as if it were complete.
func (s *Server) deployOutput(w http.ResponseWriter, r *http.Request) error {
	app, id := param(r, "app"), param(r, "deploy")
	d, err := s.svc.Deploy(r.Context(), actor(r), app, id)
	if err != nil {
		return err
	}
	out := startStream(w, r)
	_, err = s.svc.Follow(r.Context(), actor(r), app, d.ID, out)
	return s.endStream(r, out, errors.Join(err, r.Context().Err()))
}
