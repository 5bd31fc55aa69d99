package httpd

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/go-chi/chi/v5"

	"paas/builder"
	"paas/server"
	"paas/server/api"
)

// ReleaseWork compares releases, reads what their commands said, and tries one
// again.
type ReleaseWork interface {
	Diff(ctx context.Context, actor server.Actor, app, from, to string) (server.ReleaseDiff, error)
	ReleaseOutput(ctx context.Context, actor server.Actor, app, release string) (string, error)
	Retry(ctx context.Context, actor server.Actor, app, ident string) (server.Deploy, error)
}

// releaseRoutes are below an app.
func (s *Server) releaseRoutes(r chi.Router) {
	r.Get("/releases", s.quick(s.releases))
	r.Post("/releases", s.patient(s.rollback))
	r.Get("/releases/{release}", s.quick(s.release))
	r.Get("/releases/{release}/config-vars", s.quick(s.releaseConfig))
	r.Get("/releases/{release}/diff", s.quick(s.releaseDiff))
	r.Get("/releases/{release}/output", s.quick(s.releaseOutput))
	r.Post("/releases/{release}/retry", s.patient(s.retry))
}

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
	return s.replyNewRelease(w, r, d)
}

// replyNewRelease answers with the release that a deploy made.
func (s *Server) replyNewRelease(w http.ResponseWriter, r *http.Request, d server.Deploy) error {
	w.Header().Set(api.HeaderDeploy, d.ID)
	if d.ReleaseID == "" {
		return withoutRelease(d)
	}
	rel, err := s.svc.Release(r.Context(), actor(r), param(r, "app"), d.ReleaseID)
	if err != nil {
		return err
	}
	return reply(w, r, http.StatusCreated, wireRelease(rel))
}

// retry takes a release by id or version; "latest" is the newest.
func (s *Server) retry(w http.ResponseWriter, r *http.Request) error {
	ident := param(r, "release")
	if ident == "latest" {
		ident = ""
	}
	d, err := s.svc.Retry(r.Context(), actor(r), param(r, "app"), ident)
	if err != nil {
		return err
	}
	return s.replyNewRelease(w, r, d)
}

// releaseOutput answers with what the release command has printed so far.
func (s *Server) releaseOutput(w http.ResponseWriter, r *http.Request) error {
	text, err := s.svc.ReleaseOutput(r.Context(), actor(r), param(r, "app"), param(r, "release"))
	if err != nil {
		return err
	}
	out := startStream(w, r)
	_, err = io.WriteString(out, text)
	return s.endStream(r, out, err)
}

// releaseDiff compares with ?from=, without it with the newest before that
// served.
func (s *Server) releaseDiff(w http.ResponseWriter, r *http.Request) error {
	to := param(r, "release")
	if to == "current" {
		to = ""
	}
	d, err := s.svc.Diff(r.Context(), actor(r), param(r, "app"), r.URL.Query().Get("from"), to)
	if err != nil {
		return err
	}
	return reply(w, r, http.StatusOK, api.ReleaseDiff{
		From: wireRelease(d.From), To: wireRelease(d.To),
		Commits: convert(d.Commits, wireCommit), CommitsGone: convert(d.Gone, wireCommit), CommitsMore: d.More, CommitsLost: d.CommitsLost,
		Config:     convert(d.Keys, wireKeyChange),
		Processes:  convert(d.Processes, func(p server.ProcessChange) api.ProcessChange { return api.ProcessChange(p) }),
		CronsAdded: convert(d.CronsAdded, wireCronSpec), CronsGone: convert(d.CronsGone, wireCronSpec),
	})
}

func wireCommit(c server.Commit) api.Commit {
	return api.Commit{ID: c.ID, Subject: c.Subject, Author: c.Author, CreatedAt: c.At}
}

func wireCronSpec(c builder.CronSpec) api.CronSpec { return api.CronSpec(c) }

// withoutRelease says why a deploy ended before its release was written.
func withoutRelease(d server.Deploy) error {
	if !d.State.Final() {
		return fmt.Errorf("%s of %s: deploy %s has no release yet", d.Kind, d.App, d.ID)
	}
	reason := strings.TrimSuffix(strings.TrimSuffix(d.Reason, "Nothing was changed."), " ")
	return &server.Error{
		ID:      server.ErrConflict,
		Message: fmt.Sprintf("The %s was %s before its release was made: %s. Nothing was changed.", d.Kind, d.State, strings.TrimSuffix(reason, ".")),
		Next:    fmt.Sprintf("See: paas deploys:info %s --app %s", d.ID, d.App),
	}
}
