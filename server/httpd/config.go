package httpd

import (
	"net/http"

	"paas/server"
	"paas/server/api"
)

func (s *Server) config(w http.ResponseWriter, r *http.Request) error {
	return s.replyConfig(w, r, "")
}

func (s *Server) releaseConfig(w http.ResponseWriter, r *http.Request) error {
	return s.replyConfig(w, r, param(r, "release"))
}

func (s *Server) replyConfig(w http.ResponseWriter, r *http.Request, release string) error {
	vars, err := s.svc.Config(r.Context(), actor(r), param(r, "app"), release)
	if err != nil {
		return err
	}
	out := make(api.ConfigVars, len(vars))
	for k, v := range vars {
		out[k] = &v
	}
	return reply(w, r, http.StatusOK, out)
}

// setConfig answers once the release with the change is written. Whether it
// comes to serve is for the deploy to say, whose id is in a header.
func (s *Server) setConfig(w http.ResponseWriter, r *http.Request) error {
	var patch api.ConfigVars
	if err := decode(w, r, &patch); err != nil {
		return err
	}
	if len(patch) == 0 {
		return server.Errorf(server.ErrInvalid, "No config var was given. Nothing was changed.")
	}
	d, err := s.svc.SetConfig(r.Context(), actor(r), param(r, "app"), patch)
	if err != nil {
		return err
	}
	w.Header().Set(api.HeaderDeploy, d.ID)
	return s.replyConfig(w, r, d.ReleaseID)
}
