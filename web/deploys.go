package web

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/go-chi/chi/v5"

	"paas/server"
)

// Deploys knows what was tried to make releases serve, and Builds what was
// built for it.
type Deploys interface {
	Deploys(ctx context.Context, actor server.Actor, app string, p server.Page) ([]server.Deploy, error)
	Deploy(ctx context.Context, actor server.Actor, app, id string) (server.Deploy, error)
	DeploySteps(ctx context.Context, actor server.Actor, app, id string) ([]server.Step, error)
	DeployOutput(ctx context.Context, actor server.Actor, app, id string) (out []byte, ended bool, err error)
	Follow(ctx context.Context, actor server.Actor, app, id string, out io.Writer) (server.Deploy, error)
	Cancel(ctx context.Context, actor server.Actor, app, id string) (server.Deploy, error)
}

// listMax is how many rows a page of a list has.
const listMax = 50

func (s *Server) deployRoutes(r chi.Router) {
	r.Get("/deploys", s.page(s.deploysPage))
	r.Get("/deploys/{deploy}", s.page(s.deployPage))
	r.Get("/deploys/{deploy}/output.txt", s.page(s.deployText))
	r.Get("/deploys/{deploy}/output/stream", s.stream(s.deployStream))
	r.Post("/deploys/{deploy}/cancel", s.page(s.cancelDeploy))
	s.buildRoutes(r)
}

// rows is one page of a list; Next is what the next one starts behind.
type rows[T any] struct {
	List  []T
	First bool
	Next  string
}

// pageOf asks for one row more than it shows.
func pageOf[T any](v *visit, key func(T) string, fetch func(server.Page) ([]T, error)) (rows[T], error) {
	p := server.Page{After: v.query("after"), Max: listMax + 1, Desc: true}
	list, err := fetch(p)
	r := rows[T]{List: list, First: p.After == ""}
	if len(list) > listMax {
		r.List = list[:listMax]
		r.Next = key(r.List[listMax-1])
	}
	return r, err
}

func (s *Server) deploysPage(v *visit) error {
	list, err := pageOf(v, func(d server.Deploy) string { return d.ID }, func(p server.Page) ([]server.Deploy, error) {
		return s.svc.Deploys(v.ctx(), v.actor(), v.app().ID, p)
	})
	if err != nil {
		return err
	}
	return v.show("deploys", "deploys", "Deploys", list)
}

// deployView is all that the page of a deploy shows.
type deployView struct {
	server.Deploy
	Steps     []server.Step
	Release   *server.Release // that it made; nil before
	Serving   *server.Release // that serves now; nil: none does
	Back      *server.Release // that served before; nil: there is none, or this one does not serve
	Retriable bool
	Instances []server.Instance
	Up        int
	Output    output
	Ended     bool // nothing follows it
}

// Took is how long the deploy has taken.
func (d deployView) Took(now time.Time) time.Duration { return tookOf(d.Deploy, now) }

func tookOf(d server.Deploy, now time.Time) time.Duration {
	if d.State.Final() {
		now = d.UpdatedAt
	}
	return now.Sub(d.CreatedAt)
}

// Still says what the deploy's end left as it was.
func (d deployView) Still() string {
	switch {
	case d.Serving == nil || d.Serving.Image.Digest == "":
		return "Nothing was changed: nothing was deployed before."
	case d.Serving.CreatedAt.Before(d.CreatedAt):
		return fmt.Sprintf("Nothing was changed: %s still serves, with its code and config as they were.", d.Serving.Name())
	}
	return fmt.Sprintf("Nothing was changed by it; %s serves now.", d.Serving.Name())
}

func (s *Server) deployPage(v *visit) error {
	ctx, who, app := v.ctx(), v.actor(), v.app()
	d, err := s.svc.Deploy(ctx, who, app.ID, v.param("deploy"))
	if err != nil {
		return err
	}
	view := deployView{Deploy: d}
	if view.Steps, err = s.svc.DeploySteps(ctx, who, app.ID, d.ID); err != nil {
		return err
	}
	if view.Output, view.Ended, err = s.outputOf(v, d); err != nil {
		return err
	}
	if err := s.deployReleases(v, &view); err != nil {
		return err
	}
	if err := s.deployInstances(v, &view); err != nil {
		return err
	}
	title := "Deploy"
	if d.Version > 0 {
		title = fmt.Sprintf("Deploy v%d", d.Version)
	}
	return v.show("deploy", "deploys", title+" "+string(d.State), view)
}

// deployReleases finds what the deploy's release stands between.
func (s *Server) deployReleases(v *visit, d *deployView) error {
	list, err := s.svc.Releases(v.ctx(), v.actor(), v.app().ID, server.Page{Max: 100, Desc: true})
	if err != nil {
		return err
	}
	for i, r := range list {
		if r.Current {
			d.Serving = &list[i]
		}
		if r.ID == d.ReleaseID {
			d.Release = &list[i]
			d.Retriable = i == 0 && r.Status == server.ReleaseFailed && r.Image.Digest != ""
		}
	}
	if d.Release != nil && d.Release.Current {
		d.Back = backOf(list)
	}
	return nil
}

// backOf is the release that `paas rollback` goes back to: the newest before
// the current one that served. The list is newest first.
func backOf(list []server.Release) *server.Release {
	seen := false
	for i, r := range list {
		if seen && r.Status == server.ReleaseSucceeded && r.Image.Digest != "" {
			return &list[i]
		}
		seen = seen || r.Current
	}
	return nil
}

// deployInstances are those of the deploy's release and, while it rolls out,
// those it replaces.
func (s *Server) deployInstances(v *visit, d *deployView) error {
	if d.ReleaseID == "" {
		return nil
	}
	list, err := s.svc.Instances(v.ctx(), v.actor(), v.app().ID)
	if err != nil {
		return err
	}
	for _, in := range list {
		own := in.ReleaseID == d.ReleaseID
		if in.OneOff || !own && d.State.Final() {
			continue
		}
		d.Instances = append(d.Instances, in)
		if own && in.State == "up" {
			d.Up++
		}
	}
	slices.SortStableFunc(d.Instances, func(a, b server.Instance) int { return b.Release - a.Release })
	return nil
}

// textTime is how long a browser may take for a whole output.
const textTime = 2 * time.Minute

func (s *Server) deployText(v *visit) error {
	leave, err := s.texts.admit(v.actor().ID)
	if err != nil {
		return err
	}
	defer leave()
	all, _, err := s.svc.DeployOutput(v.ctx(), v.actor(), v.app().ID, v.param("deploy"))
	if err != nil {
		return err
	}
	v.w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	http.ServeContent(v.w, v.r, "", time.Time{}, newUntilThen(all, time.Now().Add(textTime)))
	return nil
}

// untilThen is a text that is held no longer for who takes it in sips: what
// bounds a single write lets them have hours.
type untilThen struct {
	*bytes.Reader
	end time.Time
}

func newUntilThen(text []byte, end time.Time) *untilThen {
	return &untilThen{bytes.NewReader(text), end}
}

func (u *untilThen) Read(p []byte) (int, error) {
	if time.Now().After(u.end) {
		return 0, context.DeadlineExceeded
	}
	return u.Reader.Read(p)
}

func (s *Server) cancelDeploy(v *visit) error {
	d, err := s.svc.Cancel(v.ctx(), v.actor(), v.app().ID, v.param("deploy"))
	if err != nil {
		return err
	}
	return v.done(v.appPath("deploys", d.ID), "The deploy was cancelled. What served before serves on.")
}
