package web

import (
	"context"
	"strconv"
	"strings"

	"github.com/go-chi/chi/v5"

	"paas/server"
)

// Owning is what an app is: its name, its limits, whether it is there at all.
type Owning interface {
	AppSummary(ctx context.Context, actor server.Actor, app string) (server.AppSummary, error)
	ChangeApp(ctx context.Context, actor server.Actor, app string, c server.AppChange) (server.App, error)
	TransferApp(ctx context.Context, actor server.Actor, app, recipient string, keep bool) (server.App, error)
	DestroyApp(ctx context.Context, actor server.Actor, app string) (server.App, error)
	Config(ctx context.Context, actor server.Actor, app, release string) (map[string]string, error)
}

// Draining sends an app's log lines elsewhere.
type Draining interface {
	Drains(ctx context.Context, actor server.Actor, app string) ([]server.Drain, error)
	AddDrain(ctx context.Context, actor server.Actor, app, url string) (server.Drain, error)
	RemoveDrain(ctx context.Context, actor server.Actor, app, ident string) (server.Drain, error)
}

func (s *Server) settingsRoutes(r chi.Router) {
	r.Get("/settings", s.page(s.settingsPage))
	r.Post("/settings/rename", s.page(s.renameApp))
	r.Post("/settings/maintenance", s.page(s.setMaintenance))
	r.Post("/settings/lock", s.page(s.setLock))
	r.Post("/settings/limits", s.page(s.setLimits))
	r.Post("/settings/drains", s.page(s.addDrain))
	r.Post("/settings/drains/remove", s.page(s.removeDrain))
	r.Post("/settings/destroy", s.page(s.destroyApp))
}

// limit is one of the app's own limits as the form shows it.
type limit struct {
	server.Limit
	About string
	Value string // empty: the installation's
}

// ownPage is a config var with the address of one of the app's own pages.
type ownPage struct{ Name, About, URL string }

type settingsData struct {
	server.AppSummary
	Limits  []limit
	Drains  []server.Drain
	MaxHave int             // drains that an app may have
	Pages   []ownPage       // empty for who may not read the config
	Volumes []server.Volume // whose data goes with the app
	Slip    slip
}

func (s *Server) settingsPage(v *visit) error { return s.showSettings(v, slip{}) }

func (s *Server) showSettings(v *visit, bad slip) error {
	ctx, app := v.ctx(), v.app().ID
	data := settingsData{MaxHave: server.MaxDrains, Slip: bad}
	var err error
	if data.AppSummary, err = s.svc.AppSummary(ctx, v.actor(), app); err != nil {
		return err
	}
	if data.Drains, err = s.svc.Drains(ctx, v.actor(), app); err != nil {
		return err
	}
	if data.Volumes, err = s.svc.Volumes(ctx, v.actor(), app); err != nil {
		return err
	}
	data.Limits = limitsOf(data.App.Settings)
	if v.may(server.PermDeploy) {
		config, err := s.svc.Config(ctx, v.actor(), app, "")
		if err != nil {
			return err
		}
		data.Pages = []ownPage{{"MAINTENANCE_PAGE_URL", "instead of the maintenance page", config["MAINTENANCE_PAGE_URL"]},
			{"ERROR_PAGE_URL", "instead of the platform's error pages", config["ERROR_PAGE_URL"]}}
	}
	return v.showStatus(bad.status(), "settings", "settings", "Settings", data)
}

func limitsOf(own server.AppSettings) []limit {
	about := map[string]string{
		"stop-timeout": "until a process that was told to stop is ended", "boot-timeout": "until a web process must answer",
		"release-timeout": "that a release command may take", "log-days": "that log lines are kept", "log-mb": "of log lines that are kept",
	}
	values, list := own.Map(), []limit{}
	for _, l := range server.Limits() {
		one := limit{Limit: l, About: about[l.Name]}
		if n := values[strings.ReplaceAll(l.Name, "-", "_")]; n != nil {
			one.Value = strconv.Itoa(*n)
		}
		list = append(list, one)
	}
	return list
}

// mendSettings shows the page again with what was typed into one of its forms.
func (s *Server) mendSettings(v *visit, form string, err error) error {
	bad, err := v.slip(form, err)
	if err != nil {
		return err
	}
	return s.showSettings(v, bad)
}

func (s *Server) renameApp(v *visit) error {
	if err := v.form(); err != nil {
		return err
	}
	name := strings.TrimSpace(v.field("name"))
	a, err := s.svc.ChangeApp(v.ctx(), v.actor(), v.app().ID, server.AppChange{Name: &name})
	if err != nil {
		return s.mendSettings(v, "rename", err)
	}
	return v.done(appPath(a.Name, "settings"), "Renamed. In each checkout: git remote set-url paas "+s.cfg.GitURL(a.Name))
}

func (s *Server) setMaintenance(v *visit) error {
	if err := v.form(); err != nil {
		return err
	}
	on := v.field("maintenance") == "on"
	a, err := s.svc.ChangeApp(v.ctx(), v.actor(), v.app().ID, server.AppChange{Maintenance: &on})
	switch {
	case err != nil:
		return err
	case a.Maintenance:
		return v.done(v.appPath("settings"), "Requests are answered with the maintenance page now. What runs goes on running.")
	}
	return v.done(v.appPath("settings"), "Requests reach "+a.Name+" again.")
}

func (s *Server) setLock(v *visit) error {
	if err := v.form(); err != nil {
		return err
	}
	locked := v.field("lock") == "on"
	a, err := s.svc.ChangeApp(v.ctx(), v.actor(), v.app().ID, server.AppChange{Locked: &locked})
	switch {
	case err != nil:
		return err
	case a.Locked:
		return v.done(v.appPath("settings"), a.Name+" is locked: nobody changes, deploys or destroys it until it is unlocked.")
	}
	return v.done(v.appPath("settings"), a.Name+" can be changed again.")
}

// setLimits changes those that differ from what the app has: the others may
// have been changed by somebody else meanwhile.
func (s *Server) setLimits(v *visit) error {
	if err := v.form(); err != nil {
		return err
	}
	patch := map[string]*int{}
	for _, l := range limitsOf(v.app().Settings) {
		text := strings.TrimSpace(v.field(l.Name))
		if !v.r.PostForm.Has(l.Name) || text == l.Value {
			continue
		}
		name := strings.ReplaceAll(l.Name, "-", "_")
		if patch[name] = nil; text == "" {
			continue
		}
		n, err := strconv.Atoi(text)
		if err != nil {
			return s.showSettings(v, v.refuse("limits", "%s must be a number of %s, %d to %d. Nothing was changed.", l.Name, l.Unit, l.Low, l.High))
		}
		patch[name] = &n
	}
	if len(patch) == 0 {
		return v.done(v.appPath("settings"), "The limits are as they were.")
	}
	if _, err := s.svc.ChangeApp(v.ctx(), v.actor(), v.app().ID, server.AppChange{Settings: patch}); err != nil {
		return s.mendSettings(v, "limits", err)
	}
	return v.done(v.appPath("settings"), "The limits were changed.")
}

func (s *Server) addDrain(v *visit) error {
	if err := v.form(); err != nil {
		return err
	}
	d, err := s.svc.AddDrain(v.ctx(), v.actor(), v.app().ID, strings.TrimSpace(v.field("url")))
	if err != nil {
		return s.mendSettings(v, "drain", err)
	}
	return v.done(v.appPath("settings"), "Log lines are sent to "+d.URL+" from now on ("+d.Token+").")
}

func (s *Server) removeDrain(v *visit) error {
	if err := v.form(); err != nil {
		return err
	}
	d, err := s.svc.RemoveDrain(v.ctx(), v.actor(), v.app().ID, v.field("drain"))
	if err != nil {
		return err
	}
	return v.done(v.appPath("settings"), "No more log lines are sent to "+d.URL+" ("+d.Token+").")
}

func (s *Server) destroyApp(v *visit) error {
	if err := v.form(); err != nil {
		return err
	}
	if !v.confirmed() {
		return s.showSettings(v, v.refuse("destroy", "What was typed is not the app's name, %s. Nothing was destroyed.", v.app().Name))
	}
	a, err := s.svc.DestroyApp(v.ctx(), v.actor(), v.app().ID)
	if err != nil {
		return s.mendSettings(v, "destroy", err)
	}
	return v.done("/", a.Name+" is destroyed, with its releases, config and logs.")
}
