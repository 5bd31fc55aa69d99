package web

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/go-chi/chi/v5"

	"paas/server"
)

// Processes scales, restarts and stops.
type Processes interface {
	Formation(ctx context.Context, actor server.Actor, app string) ([]server.Formation, error)
	Scale(ctx context.Context, actor server.Actor, app string, changes []server.Scaling) ([]server.Formation, error)
	Instances(ctx context.Context, actor server.Actor, app string) ([]server.Instance, error)
	Restart(ctx context.Context, actor server.Actor, app, ident string) error
	StopDyno(ctx context.Context, actor server.Actor, app, ident string) error
}

func (s *Server) processRoutes(r chi.Router) {
	r.Get("/processes", s.page(s.processesPage))
	r.Post("/processes/scale", s.page(s.scale))
	r.Post("/processes/restart", s.page(s.restart))
	r.Post("/processes/stop", s.page(s.stopDyno))
	r.Post("/processes/run", s.page(s.runDetached))
	s.placementRoutes(r)
	s.terminalRoutes(r)
	s.cronRoutes(r)
}

// processesView is what the page shows.
type processesView struct {
	Types   []processType
	Sizes   []server.Size
	Memory  int64 // bytes that the formation reserves on the hosts
	Dynos   []dyno
	Hosts   bool // some are told with the host they are on
	Runs    []server.Run
	Command string // of a run, typed
	Place   placement
	Slip    slip
}

// processType is a row of the formation.
type processType struct {
	server.Formation
	Up     int
	Slider int   // the end of the slider
	Memory int64 // bytes that it reserves
	Had    string
}

type dyno struct {
	server.Instance
	Name string
}

// shownRuns is how many one-offs the page lists.
const shownRuns = 20

func (s *Server) processesPage(v *visit) error { return s.showProcesses(v, slip{}) }

func (s *Server) showProcesses(v *visit, bad slip) error {
	formation, err := s.svc.Formation(v.ctx(), v.actor(), v.app().ID)
	if err != nil {
		return err
	}
	list, err := s.svc.Instances(v.ctx(), v.actor(), v.app().ID)
	if err != nil {
		return err
	}
	where, err := s.svc.Placement(v.ctx(), v.actor(), v.app().ID)
	if err != nil {
		return err
	}
	p := processesView{Sizes: s.cfg.Sizes, Command: v.query("command"), Place: viewPlacement(where), Slip: bad}
	for _, in := range list {
		p.Dynos, p.Hosts = append(p.Dynos, dyno{in, dynoName(in)}), p.Hosts || in.Host != ""
	}
	for _, f := range formation {
		t := processType{Formation: f, Slider: min(server.MaxQuantity, max(10, 2*f.Quantity)), Had: hadOf(f)}
		t.Memory = int64(f.Quantity) * s.memoryOf(f.Size)
		t.Up = len(slices.DeleteFunc(slices.Clone(list), func(in server.Instance) bool { return in.Type != f.Type || in.State != "up" || in.OneOff }))
		p.Types = append(p.Types, t)
		p.Memory += t.Memory
	}
	if p.Runs, err = s.svc.Runs(v.ctx(), v.actor(), v.app().ID, server.RunFilter{Max: shownRuns}); err != nil {
		return err
	}
	return v.showStatus(bad.status(), "processes", "processes", "Processes", p)
}

func (s *Server) memoryOf(size string) int64 {
	for _, z := range s.cfg.Sizes {
		if z.Name == size {
			return z.Memory
		}
	}
	return 0
}

// hadOf is a row of the formation as the page showed it: what the person left
// so is left alone, though somebody else changed it meanwhile.
func hadOf(f server.Formation) string { return fmt.Sprintf("%d:%s", f.Quantity, f.Size) }

// cpusText is a share of CPUs, "0.5 CPU".
func cpusText(milli int64) string {
	return strconv.FormatFloat(float64(milli)/1000, 'f', -1, 64) + " CPU"
}

func (s *Server) scale(v *visit) error {
	if err := v.form(); err != nil {
		return err
	}
	var changes []server.Scaling
	var said []string
	for _, typ := range v.r.PostForm["type"] {
		text, size := strings.TrimSpace(v.field("quantity."+typ)), v.field("size."+typ)
		n, err := strconv.Atoi(text)
		if err != nil {
			return server.Errorf(server.ErrInvalid, "%q is no number of dynos of %s. Nothing was changed.", plain(text), plain(typ))
		}
		if v.field("had."+typ) == fmt.Sprintf("%d:%s", n, size) {
			continue
		}
		c := server.Scaling{Type: typ, Quantity: &n}
		if size != "" {
			c.Size = &size
		}
		changes = append(changes, c)
		said = append(said, fmt.Sprintf("%s to %d × %s", plain(typ), n, plain(size)))
	}
	if len(changes) == 0 {
		return v.done(v.appPath("processes"), "Nothing was changed: it is so already.")
	}
	if _, err := s.svc.Scale(v.ctx(), v.actor(), v.app().ID, changes); err != nil {
		return err
	}
	return v.done(v.appPath("processes"), "Scaled "+strings.Join(said, ", ")+".")
}

// restart replaces one dyno, those of a type, or all.
func (s *Server) restart(v *visit) error {
	if err := v.form(); err != nil {
		return err
	}
	which := v.field("dyno")
	if err := s.svc.Restart(v.ctx(), v.actor(), v.app().ID, which); err != nil {
		return err
	}
	if which == "" {
		which = "All dynos"
	}
	return v.done(v.appPath("processes"), plain(which)+": being replaced, the new before the old.")
}

// stopDyno ends a dyno at once.
func (s *Server) stopDyno(v *visit) error {
	if err := v.form(); err != nil {
		return err
	}
	which := v.field("dyno")
	if which == "" {
		return server.Errorf(server.ErrInvalid, "Which dyno? Nothing was stopped.")
	}
	if err := s.svc.StopDyno(v.ctx(), v.actor(), v.app().ID, which); err != nil {
		return err
	}
	return v.done(v.appPath("processes"), plain(which)+" is being stopped.")
}

// runDetached starts a one-off whose output goes to the log.
func (s *Server) runDetached(v *visit) error {
	if err := v.form(); err != nil {
		return err
	}
	run, err := s.svc.StartRun(v.ctx(), v.actor(), v.app().ID, server.RunRequest{Command: v.field("command"), Size: v.field("size")})
	if err != nil {
		return err
	}
	return v.done(v.appPath("processes"), "Started "+run.Name()+"; its output is in the log.")
}

// scaleLine is the formation as ps:scale takes it.
func scaleLine(types []processType) string {
	line := ""
	for _, t := range types {
		line += " " + t.Type + "=" + t.Had
	}
	return line
}

// tookText is how long a one-off has run.
func tookText(r server.Run) string {
	if r.StartedAt.IsZero() || r.EndedAt.IsZero() {
		return "–"
	}
	return durationText(r.EndedAt.Sub(r.StartedAt))
}
