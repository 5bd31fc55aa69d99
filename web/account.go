package web

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/go-chi/chi/v5"

	"paas/server"
)

// Accounts shows people what is signed in as them, and by what.
type Accounts interface {
	WebSessions(ctx context.Context, actor server.Actor) ([]server.WebSession, error)
	EndWebSession(ctx context.Context, actor server.Actor, id string) error
	Passkeys(ctx context.Context, actor server.Actor) ([]server.Passkey, error)
	RemovePasskey(ctx context.Context, actor server.Actor, id string) (server.Passkey, error)
}

func (s *Server) accountRoutes(r chi.Router) {
	r.Get("/account", s.page(s.accountPage))
	r.Post("/account/sessions/{id}/end", s.page(s.endSession))
	r.Post("/account/passkeys", s.page(s.beginAddPasskey))
	r.Post("/account/passkeys/answer", s.page(s.addPasskey))
	r.Post("/account/passkeys/{id}/remove", s.page(s.removePasskey))
}

// accountData is what the account's page shows.
type accountData struct {
	Sessions []signedInRow
	Passkeys []server.Passkey
	CanAdd   bool
}

// signedInRow is one browser.
type signedInRow struct {
	server.WebSession
	Browser string
}

func (s *Server) accountPage(v *visit) error {
	d := accountData{CanAdd: s.cfg.Passkeys != nil}
	list, err := s.svc.WebSessions(v.ctx(), v.actor())
	if err != nil {
		return err
	}
	for _, w := range list {
		d.Sessions = append(d.Sessions, signedInRow{w, browserName(w.Agent)})
	}
	if d.Passkeys, err = s.svc.Passkeys(v.ctx(), v.actor()); err != nil {
		return err
	}
	return v.show("account", "", "Your account", d)
}

func (s *Server) endSession(v *visit) error {
	id := v.param("id")
	if id == v.who.session.ID {
		return s.signOut(v)
	}
	list, err := s.svc.WebSessions(v.ctx(), v.actor())
	if err != nil {
		return err
	}
	if err := s.svc.EndWebSession(v.ctx(), v.actor(), id); err != nil {
		return err
	}
	from := "another browser"
	if i := slices.IndexFunc(list, func(w server.WebSession) bool { return w.ID == id }); i >= 0 {
		from = browserName(list[i].Agent) + " at " + list[i].From
	}
	return v.done("/account", "Signed out "+from+".")
}

func (s *Server) beginAddPasskey(v *visit) error {
	if s.cfg.Passkeys == nil {
		return v.sorry(errNoPasskeys)
	}
	options, ticket, err := s.cfg.Passkeys.BeginAdd(v.ctx(), v.actor())
	if err != nil {
		return v.sorry(err)
	}
	return v.json(http.StatusOK, question{ticket, options})
}

func (s *Server) addPasskey(v *visit) error {
	if s.cfg.Passkeys == nil {
		return v.sorry(errNoPasskeys)
	}
	a, err := v.answer()
	if err != nil {
		return v.sorry(err)
	}
	if strings.TrimSpace(a.Name) == "" {
		a.Name = browserName(v.r.UserAgent())
	}
	p, err := s.cfg.Passkeys.FinishAdd(v.ctx(), v.actor(), a.Ticket, a.Name, a.Answer)
	if err != nil {
		return v.sorry(err)
	}
	v.say("Added the passkey " + p.Name + ".")
	return v.json(http.StatusOK, map[string]string{"to": "/account"})
}

func (s *Server) removePasskey(v *visit) error {
	p, err := s.svc.RemovePasskey(v.ctx(), v.actor(), v.param("id"))
	if err != nil {
		return err
	}
	return v.done("/account", "Removed the passkey "+p.Name+".")
}

// browserName is what a browser calls itself, in few words: "Firefox on Linux".
func browserName(agent string) string {
	first := func(pairs [][2]string) string {
		for _, p := range pairs {
			if strings.Contains(agent, p[0]) {
				return p[1]
			}
		}
		return ""
	}
	// Later ones pretend to be earlier ones, so the pretenders come first.
	name := first([][2]string{{"Edg/", "Edge"}, {"OPR/", "Opera"}, {"Firefox/", "Firefox"}, {"Chrome/", "Chrome"}, {"Safari/", "Safari"}, {"curl/", "curl"}})
	system := first([][2]string{{"iPhone", "iPhone"}, {"iPad", "iPad"}, {"Android", "Android"}, {"Windows", "Windows"}, {"Mac OS X", "macOS"}, {"Linux", "Linux"}})
	switch {
	case name == "" && system == "":
		return "a browser"
	case system == "":
		return name
	case name == "":
		return "a browser on " + system
	}
	return name + " on " + system
}
