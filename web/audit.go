package web

import (
	"strings"

	"github.com/go-chi/chi/v5"

	"paas/server"
)

func (s *Server) auditRoutes(r chi.Router) {
	r.Get("/audit", s.page(s.auditPage))
	// It changes nothing, but walks the whole log: a link that somebody
	// follows, or a program that follows links, does not start it.
	r.Post("/audit/verify", s.patient(s.verifyAudit))
}

type auditData struct {
	Days  []day
	Sift  sift
	State *server.AuditState // what a walk along the chain found, after one
	Head  string             // that was typed
	Slip  slip
}

func (s *Server) auditPage(v *visit) error { return s.showAudit(v, auditData{}) }

func (s *Server) showAudit(v *visit, data auditData) error {
	q, f := v.ask()
	list, err := s.svc.SearchAudit(v.ctx(), v.actor(), q)
	if err != nil {
		return err
	}
	if len(list) > timelineLines {
		list = list[:timelineLines]
		f.Older = "/audit" + f.queryString(list[timelineLines-1].ID)
	}
	f.Newest = "/audit" + f.queryString(0)
	lines := make([]moment, len(list))
	for i, e := range list {
		lines[i] = moment{At: e.At, Actor: e.Actor, Via: e.Via, From: e.From, App: e.App, Kind: e.Kind, Did: phrase(e.Kind), Text: e.Text}
	}
	data.Days, data.Sift = days(lines), f
	return v.showStatus(data.Slip.status(), "audit", "", "Audit", data)
}

// verifyAudit shows what it found at once: there is nothing that keeps it.
func (s *Server) verifyAudit(v *visit) error {
	if err := v.form(); err != nil {
		return err
	}
	head := strings.TrimSpace(v.field("head"))
	state, err := s.svc.VerifyAudit(v.ctx(), v.actor(), head)
	if err != nil {
		bad, err := v.slip("verify", err)
		if err != nil {
			return err
		}
		return s.showAudit(v, auditData{Slip: bad})
	}
	return s.showAudit(v, auditData{State: &state, Head: head})
}
