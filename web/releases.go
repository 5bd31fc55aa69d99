package web

import (
	"context"
	"fmt"
	"maps"
	"net/url"
	"slices"

	"github.com/go-chi/chi/v5"

	"paas/server"
)

// Releases knows what served, what serves and how to go back.
type Releases interface {
	Releases(ctx context.Context, actor server.Actor, app string, p server.Page) ([]server.Release, error)
	Release(ctx context.Context, actor server.Actor, app, ident string) (server.Release, error)
	ReleaseOutput(ctx context.Context, actor server.Actor, app, release string) (string, error)
	Diff(ctx context.Context, actor server.Actor, app, from, to string) (server.ReleaseDiff, error)
	Rollback(ctx context.Context, actor server.Actor, app, ident string) (server.Deploy, error)
	Retry(ctx context.Context, actor server.Actor, app, ident string) (server.Deploy, error)
}

func (s *Server) releaseRoutes(r chi.Router) {
	r.Get("/releases", s.page(s.releasesPage))
	r.Get("/releases/diff", s.page(s.diffPage))
	r.Get("/releases/{release}", s.page(s.releasePage))
	r.Get("/releases/{release}/rollback", s.page(s.rollbackPage))
	r.Post("/releases/{release}/rollback", s.patient(s.rollback))
	r.Post("/releases/{release}/retry", s.patient(s.retry))
}

// releaseRows is the list with what is chosen to be compared at first.
type releaseRows struct {
	rows[server.Release]
	From, To int // versions
	Retry    int // the version that may be tried again, 0: none
}

func (s *Server) releasesPage(v *visit) error {
	list, err := pageOf(v, func(r server.Release) string { return fmt.Sprint(r.Version) }, func(p server.Page) ([]server.Release, error) {
		return s.svc.Releases(v.ctx(), v.actor(), v.app().ID, p)
	})
	if err != nil {
		return err
	}
	view := releaseRows{rows: list}
	if n := len(list.List); n > 0 {
		newest := list.List[0]
		view.To, view.From = newest.Version, list.List[min(1, n-1)].Version
		if list.First && newest.Status == server.ReleaseFailed && newest.Image.Digest != "" {
			view.Retry = newest.Version
		}
	}
	return v.show("releases", "releases", "Releases", view)
}

// releaseView is all that the page of a release shows.
type releaseView struct {
	server.Release
	Before *server.ReleaseDiff // to what served before it; nil: not shown
	Output *output             // of its release command; nil: it has none
	Deploy *server.Deploy      // that made it; nil: it is long ago
	Retry  bool
	Types  []processLine
}

// processLine is a process type and what it runs.
type processLine struct{ Type, Command string }

func (s *Server) releasePage(v *visit) error {
	ctx, who, app := v.ctx(), v.actor(), v.app()
	r, err := s.svc.Release(ctx, who, app.ID, v.param("release"))
	if err != nil {
		return err
	}
	view := releaseView{Release: r, Types: typesOf(r)}
	if v.may(server.PermDeploy) {
		switch d, err := s.svc.Diff(ctx, who, app.ID, "", r.ID); {
		case err == nil:
			view.Before = &d
		case !server.IsID(err, server.ErrInvalid): // there was nothing before
			return err
		}
	}
	switch text, err := s.svc.ReleaseOutput(ctx, who, app.ID, r.ID); {
	case err == nil:
		o := readOutput([]byte(text), true)
		view.Output = &o
	case !server.IsID(err, server.ErrNotFound):
		return err
	}
	if view.Deploy, err = s.deployOf(v, r); err != nil {
		return err
	}
	if r.Status == server.ReleaseFailed && r.Image.Digest != "" {
		newest, err := s.svc.Releases(ctx, who, app.ID, server.Page{Max: 1, Desc: true})
		if err != nil {
			return err
		}
		view.Retry = len(newest) > 0 && newest[0].ID == r.ID
	}
	return v.show("release", "releases", "Release "+r.Name(), view)
}

// deployOf looks for the deploy of a release among the newest.
func (s *Server) deployOf(v *visit, r server.Release) (*server.Deploy, error) {
	list, err := s.svc.Deploys(v.ctx(), v.actor(), v.app().ID, server.Page{Max: 200, Desc: true})
	for i, d := range list {
		if d.ReleaseID == r.ID {
			return &list[i], err
		}
	}
	return nil, err
}

// diffView is a comparison, also as what a rollback would do.
type diffView struct {
	server.ReleaseDiff
	Newest bool // To is the newest release
}

// Same says that there is nothing to tell.
func (d diffView) Same() bool {
	return d.From.Image.Digest == d.To.Image.Digest && len(d.Commits)+len(d.Gone)+len(d.Keys)+len(d.Processes)+len(d.CronsAdded)+len(d.CronsGone) == 0
}

// Path is this comparison the other way round.
func (d diffView) Turned() string {
	return "?" + url.Values{"from": {fmt.Sprint(d.To.Version)}, "to": {fmt.Sprint(d.From.Version)}}.Encode()
}

func (s *Server) diffPage(v *visit) error {
	d, err := s.svc.Diff(v.ctx(), v.actor(), v.app().ID, v.query("from"), v.query("to"))
	if err != nil {
		return err
	}
	return v.show("diff", "releases", fmt.Sprintf("%s to %s", d.From.Name(), d.To.Name()), diffView{ReleaseDiff: d})
}

// rollbackPage shows what would change before anything does.
func (s *Server) rollbackPage(v *visit) error {
	r, err := s.svc.Release(v.ctx(), v.actor(), v.app().ID, v.param("release"))
	if err != nil {
		return err
	}
	if !mayGoBack(r) {
		return &server.Error{ID: server.ErrInvalid, Message: r.Name() + " is nothing to go back to: it serves now, never served, or has no code. Nothing was changed.",
			Next: "paas releases -a " + v.app().Name}
	}
	d, err := s.svc.Diff(v.ctx(), v.actor(), v.app().ID, v.app().Current, r.ID)
	if err != nil {
		return err
	}
	return v.show("rollback", "releases", "Roll back to "+r.Name(), diffView{ReleaseDiff: d})
}

// mayGoBack says whether a release can be rolled back to.
func mayGoBack(r server.Release) bool {
	return !r.Current && r.Status == server.ReleaseSucceeded && r.Image.Digest != ""
}

func (s *Server) rollback(v *visit) error {
	d, err := s.svc.Rollback(v.ctx(), v.actor(), v.app().ID, v.param("release"))
	if err != nil {
		return err
	}
	return v.done(v.appPath("deploys", d.ID), fmt.Sprintf("%s has begun.", d.Description))
}

func (s *Server) retry(v *visit) error {
	d, err := s.svc.Retry(v.ctx(), v.actor(), v.app().ID, v.param("release"))
	if err != nil {
		return err
	}
	return v.done(v.appPath("deploys", d.ID), fmt.Sprintf("%s has begun.", d.Description))
}

// typesOf lists a release's process types by name.
func typesOf(r server.Release) []processLine {
	var list []processLine
	for _, t := range slices.Sorted(maps.Keys(r.Processes)) {
		list = append(list, processLine{t, server.CommandLine(r, t)})
	}
	return list
}
