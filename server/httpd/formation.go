package httpd

import (
	"net/http"

	"paas/server"
	"paas/server/api"
)

func (s *Server) formation(w http.ResponseWriter, r *http.Request) error {
	f, err := s.svc.Formation(r.Context(), actor(r), param(r, "app"))
	if err != nil {
		return err
	}
	return replyFormation(w, r, f)
}

func replyFormation(w http.ResponseWriter, r *http.Request, f []server.Formation) error {
	return replyAll(w, r, convert(f, wireFormation),
		sortBy[api.Formation]{"type", func(f api.Formation) string { return f.Type }},
		sortBy[api.Formation]{"id", func(f api.Formation) string { return f.ID }})
}

func (s *Server) formationOne(w http.ResponseWriter, r *http.Request) error {
	f, err := s.svc.Formation(r.Context(), actor(r), param(r, "app"))
	if err != nil {
		return err
	}
	return replyType(w, r, f)
}

// replyType answers with the process type that the path names.
func replyType(w http.ResponseWriter, r *http.Request, all []server.Formation) error {
	ident := param(r, "type")
	for _, f := range all {
		if f.Type == ident || f.ID == ident {
			return reply(w, r, http.StatusOK, wireFormation(f))
		}
	}
	return server.Errorf(server.ErrNotFound, "Couldn't find that process type.")
}

func (s *Server) scale(w http.ResponseWriter, r *http.Request) error {
	const most = 100 // process types in one request
	var in api.FormationBatch
	if err := decode(w, r, &in); err != nil {
		return err
	}
	if len(in.Updates) == 0 || len(in.Updates) > most {
		return server.Errorf(server.ErrInvalid, "Field updates must hold 1 to %d changes. Nothing was changed.", most)
	}
	for _, u := range in.Updates {
		if u.Type == "" {
			return server.Errorf(server.ErrInvalid, "Field updates.type is missing. Nothing was changed.")
		}
	}
	f, err := s.svc.Scale(r.Context(), actor(r), param(r, "app"), convert(in.Updates, scaling))
	if err != nil {
		return err
	}
	return replyFormation(w, r, f)
}

func scaling(u api.FormationUpdate) server.Scaling {
	return server.Scaling{Type: u.Type, Quantity: u.Quantity, Size: u.Size}
}

func (s *Server) scaleOne(w http.ResponseWriter, r *http.Request) error {
	var in api.FormationUpdate
	if err := decode(w, r, &in); err != nil {
		return err
	}
	in.Type = param(r, "type")
	f, err := s.svc.Scale(r.Context(), actor(r), param(r, "app"), []server.Scaling{scaling(in)})
	if err != nil {
		return err
	}
	return replyType(w, r, f)
}
