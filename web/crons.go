package web

import (
	"context"

	"github.com/go-chi/chi/v5"

	"paas/server"
)

// Crons knows what runs by the clock.
type Crons interface {
	Crons(ctx context.Context, actor server.Actor, app string) ([]server.Cron, error)
	SuspendCron(ctx context.Context, actor server.Actor, app, id string, suspended bool) (server.Cron, error)
	RunCron(ctx context.Context, actor server.Actor, app, id string) (server.Run, error)
	CronHistory(ctx context.Context, actor server.Actor, app, id string, max int) ([]server.Run, error)
}

func (s *Server) cronRoutes(r chi.Router) {
	r.Get("/crons", s.page(s.cronsPage))
	r.Post("/crons/{cron}/suspend", s.page(func(v *visit) error { return s.suspendCron(v, true) }))
	r.Post("/crons/{cron}/resume", s.page(func(v *visit) error { return s.suspendCron(v, false) }))
	r.Post("/crons/{cron}/run", s.page(s.runCron))
}

// cronsView is what the page shows.
type cronsView struct {
	Crons   []server.Cron
	Of      *server.Cron // whose history it is; nil: of all
	History []server.Run
}

// shownCronRuns is how many past runs the page lists.
const shownCronRuns = 30

func (s *Server) cronsPage(v *visit) error {
	list, err := s.svc.Crons(v.ctx(), v.actor(), v.app().ID)
	if err != nil {
		return err
	}
	c := cronsView{Crons: list}
	for i := range list {
		if list[i].ID == v.query("cron") {
			c.Of = &list[i]
		}
	}
	id := ""
	if c.Of != nil {
		id = c.Of.ID
	}
	if c.History, err = s.svc.CronHistory(v.ctx(), v.actor(), v.app().ID, id, shownCronRuns); err != nil {
		return err
	}
	return v.show("crons", "processes", "Crons", c)
}

func (s *Server) suspendCron(v *visit, suspended bool) error {
	c, err := s.svc.SuspendCron(v.ctx(), v.actor(), v.app().ID, v.param("cron"), suspended)
	if err != nil {
		return err
	}
	said := "runs by the clock again; the next time at " + stamp(c.NextAt) + "."
	if suspended {
		said = "is suspended: it runs no more by the clock."
	}
	return v.done(v.appPath("crons"), "“"+plain(c.Command)+"” "+said)
}

func (s *Server) runCron(v *visit) error {
	run, err := s.svc.RunCron(v.ctx(), v.actor(), v.app().ID, v.param("cron"))
	if err != nil {
		return err
	}
	return v.done(v.appPath("crons"), "Started "+run.Name()+"; its output is in the log.")
}
