package web

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/go-chi/chi/v5"

	"paas/scheduler"
	"paas/server"
)

// Places says where dynos may be, and why they are where they are.
type Places interface {
	Placement(ctx context.Context, actor server.Actor, app string) (scheduler.Placement, error)
	SetPlacement(ctx context.Context, actor server.Actor, app string, p server.PlacementChange) (scheduler.Placement, error)
	Why(ctx context.Context, actor server.Actor, app, name string) (server.Why, error)
}

func (s *Server) placementRoutes(r chi.Router) {
	r.Post("/processes/placement", s.page(s.setPlacement))
}

// placement is where an app's dynos may be, as the form has it.
type placement struct {
	scheduler.Placement
	Line string // "zone=a disk!=slow"
	Had  string // as the form gives it back
	CLI  string // what of it constraints:set takes
}

func viewPlacement(p scheduler.Placement) placement {
	words := make([]string, len(p.Constraints))
	for i, c := range p.Constraints {
		words[i] = c.String()
	}
	view := placement{Placement: p, Line: plain(strings.Join(words, " ")), CLI: "zone=a disk!=slow"}
	if view.Line != "" {
		view.CLI = view.Line
	}
	if had, err := json.Marshal(p); err == nil {
		view.Had = plain(string(had)) // of labels as they can be it is the same
	}
	if p.Spread != "" {
		view.CLI += " --spread " + p.Spread
	}
	if p.Unique {
		view.CLI += " --unique"
	}
	return view
}

// setPlacement makes all of it what the form says.
func (s *Server) setPlacement(v *visit) error {
	if err := v.form(); err != nil {
		return err
	}
	p := server.PlacementChange{Force: v.field("force") != ""}
	p.Spread, p.Unique = strings.TrimSpace(v.field("spread")), v.field("unique") != ""
	if had := v.field("had"); had != "" {
		if err := json.Unmarshal([]byte(had), &p.Had); err != nil {
			return s.showProcesses(v, v.refuse("placement", "The form is not as the page had it. Nothing was changed."))
		}
	}
	for word := range strings.FieldsSeq(v.field("constraints")) {
		c, ok := readConstraint(word)
		if !ok {
			return s.showProcesses(v, v.refuse("placement", "%s is no constraint: one is like zone=a or disk!=slow. Nothing was changed.", plain(word)))
		}
		p.Constraints = append(p.Constraints, c)
	}
	if _, err := s.svc.SetPlacement(v.ctx(), v.actor(), v.app().ID, p); err != nil {
		bad, err := v.slip("placement", err)
		if err != nil {
			return err
		}
		return s.showProcesses(v, bad)
	}
	return v.done(v.appPath("processes"), "Where dynos may be was changed. Those that are elsewhere are replaced, the new ones before the old.")
}

func readConstraint(word string) (scheduler.Constraint, bool) {
	label, value, ok := strings.Cut(word, "=")
	label, not := strings.CutSuffix(label, "!")
	return scheduler.Constraint{Label: label, Value: value, Not: not}, ok && label != "" && value != ""
}
