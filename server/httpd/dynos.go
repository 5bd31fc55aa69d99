package httpd

import (
	"net/http"

	"paas/server/api"
)

func (s *Server) dynos(w http.ResponseWriter, r *http.Request) error {
	all, err := s.svc.Instances(r.Context(), actor(r), param(r, "app"))
	if err != nil {
		return err
	}
	return replyAll(w, r, convert(all, wireDyno),
		sortBy[api.Dyno]{"name", func(d api.Dyno) string { return d.Name }},
		sortBy[api.Dyno]{"id", func(d api.Dyno) string { return d.ID }})
}

func (s *Server) dyno(w http.ResponseWriter, r *http.Request) error {
	i, err := s.svc.Instance(r.Context(), actor(r), param(r, "app"), param(r, "dyno"))
	if err != nil {
		return err
	}
	return reply(w, r, http.StatusOK, wireDyno(i))
}

// stopDyno ends one dyno or those of a type.
func (s *Server) stopDyno(w http.ResponseWriter, r *http.Request) error {
	if err := s.svc.StopDyno(r.Context(), actor(r), param(r, "app"), param(r, "dyno")); err != nil {
		return err
	}
	return reply(w, r, http.StatusAccepted, struct{}{})
}

// restart replaces one dyno, those of a type, or, without a name, all.
func (s *Server) restart(w http.ResponseWriter, r *http.Request) error {
	if err := s.svc.Restart(r.Context(), actor(r), param(r, "app"), param(r, "dyno")); err != nil {
		return err
	}
	return reply(w, r, http.StatusAccepted, struct{}{})
}
