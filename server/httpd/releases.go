package httpd

import (
	"fmt"
	"net/http"
	"strconv"

	"paas/server"
	"paas/server/api"
)

func (s *Server) releases(w http.ResponseWriter, r *http.Request) error {
	return replyStored(w, r, func(p server.Page) ([]api.Release, error) {
		releases, err := s.svc.Releases(r.Context(), actor(r), param(r, "app"), p)
		return convert(releases, wireRelease), err
	}, func(r api.Release) string { return strconv.Itoa(r.Version) })
}

func (s *Server) release(w http.ResponseWriter, r *http.Request) error {
	rel, err := s.svc.Release(r.Context(), actor(r), param(r, "app"), param(r, "release"))
	if err != nil {
		return err
	}
	return reply(w, r, http.StatusOK, wireRelease(rel))
}

// rollback answers once the new release is written, as setConfig does. It is
// the only use of Heroku's POST that there is: a release from a slug needs
// uploads of slugs.
func (s *Server) rollback(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		api.Rollback
		Slug *string `json:"slug"`
	}
	if err := decode(w, r, &in); err != nil {
		return err
	}
	if in.Slug != nil {
		return server.Errorf(server.ErrInvalid, "Releases are made from a slug by git push only; field release rolls back. Nothing was changed.")
	}
	app := param(r, "app")
	d, err := s.svc.Rollback(r.Context(), actor(r), app, in.Release)
	if err != nil {
		return err
	}
	w.Header().Set(api.HeaderDeploy, d.ID)
	if d.ReleaseID == "" {
		return withoutRelease(d)
	}
	rel, err := s.svc.Release(r.Context(), actor(r), app, d.ReleaseID)
	if err != nil {
		return err
	}
	return reply(w, r, http.StatusCreated, wireRelease(rel))
}

// withoutRelease says why a rollback ended before its release was written.
func withoutRelease(d server.Deploy) error {
	if !d.State.Final() {
		return fmt.Errorf("rollback of %s: deploy %s has no release yet", d.App, d.ID)
	}
	return &server.Error{
		ID:      server.ErrConflict,
		Message: fmt.Sprintf("The rollback was %s before its release was made: %s. Nothing was changed.", d.State, d.Reason),
		Next:    fmt.Sprintf("See: paas deploys:info %s --app %s", d.ID, d.App),
	}
}
