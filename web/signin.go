package web

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/go-chi/chi/v5"

	"paas/server"
)

// SignInLinks lets people in by what `paas dashboard` made.
type SignInLinks interface {
	PeekSignInLink(ctx context.Context, code string) (server.Account, error)
	SignIn(ctx context.Context, code, from, agent string) (secret string, ws server.WebSession, err error)
}

// Passkeys speaks with the devices that keep people's keys (WebAuthn): the
// options are for the browser, the ticket comes back with its answer.
type Passkeys interface {
	BeginAdd(ctx context.Context, actor server.Actor) (options json.RawMessage, ticket string, err error)
	FinishAdd(ctx context.Context, actor server.Actor, ticket, name string, answer []byte) (server.Passkey, error)
	BeginSignIn(ctx context.Context, from string) (options json.RawMessage, ticket string, err error)
	FinishSignIn(ctx context.Context, ticket string, answer []byte, from, agent string) (secret string, ws server.WebSession, err error)
}

func (s *Server) signInRoutes(r chi.Router) {
	r.Get("/sign-in", s.open(s.signInPage))
	r.Post("/sign-in", s.open(s.signInByLink))
	r.Post("/sign-in/passkey", s.open(s.beginPasskey))
	r.Post("/sign-in/passkey/answer", s.open(s.signInByPasskey))
	r.Post("/sign-in/provider", s.open(s.beginProvider))
	r.Get(ProviderPath, s.open(s.signInByProvider))
}

// ways is what the page to sign in shows.
type ways struct {
	Account  *server.Account // whom the link signs in; nil without one
	Code     string
	Next     string
	Problem  *problem // why the way that was tried led nowhere
	Passkeys bool
	Provider string // its name, empty for none
	Login    string // how to log the CLI in, the first time
	SSH      string // how to ask for a link without the CLI
}

func (s *Server) ways(next string) *ways {
	w := &ways{Next: localPath(next), Passkeys: s.cfg.Passkeys != nil}
	if s.cfg.Provider != nil {
		w.Provider = s.cfg.Provider.Name()
	}
	host, port := s.cfg.SSHAddr()
	w.Login = "paas login " + net.JoinHostPort(host, port)
	w.SSH = "ssh -p " + port + " paas@" + host + " dashboard"
	if port == "22" {
		w.SSH = "ssh paas@" + host + " dashboard"
	}
	return w
}

// signInPage shows whom a link would sign in and asks: looking at a page
// changes nothing, so that a program that only looks at links uses none up.
func (s *Server) signInPage(v *visit) error {
	w := s.ways(v.query("next"))
	code := v.query("code")
	if code == "" {
		return v.show("signin", "", "Sign in", w)
	}
	a, err := s.svc.PeekSignInLink(v.ctx(), code)
	if err != nil {
		return v.turnAway(w, err)
	}
	w.Account, w.Code = &a, code
	return v.show("signin", "", "Sign in", w)
}

// turnAway shows why a way in led nowhere, with the other ways.
func (v *visit) turnAway(w *ways, err error) error {
	p := v.s.explain(v.r, err)
	w.Problem = &p
	return v.showStatus(p.Status, "signin", "", "Sign in", w)
}

func (s *Server) signInByLink(v *visit) error {
	if err := v.form(); err != nil {
		return err
	}
	secret, ws, err := s.svc.SignIn(v.ctx(), v.field("code"), remote(v.r), v.r.UserAgent())
	if err != nil {
		return v.turnAway(s.ways(v.field("next")), err)
	}
	v.enter(secret, ws)
	http.Redirect(v.w, v.r, localPath(v.field("next")), http.StatusSeeOther)
	return nil
}

// enter makes the browser that of a new session; the one it had ends.
func (v *visit) enter(secret string, ws server.WebSession) {
	if old := v.s.sessionSecret(v.r); old != "" {
		if err := v.s.svc.SignOut(v.ctx(), old); err != nil {
			v.s.log.Error("end the session before", "err", err)
		}
	}
	v.s.setSession(v.w, secret, ws)
}

var errNoPasskeys = server.Errorf(server.ErrNotFound, "There are no passkeys here. Nobody was signed in.")

// question is what a browser asks a device, with the ticket of its answer.
type question struct {
	Ticket  string          `json:"ticket"`
	Options json.RawMessage `json:"options"`
}

// answer is what the device said.
type answer struct {
	Ticket string          `json:"ticket"`
	Answer json.RawMessage `json:"answer"`
	Name   string          `json:"name"` // of a passkey to add
	Next   string          `json:"next"`
}

func (s *Server) beginPasskey(v *visit) error {
	if s.cfg.Passkeys == nil {
		return v.sorry(errNoPasskeys)
	}
	options, ticket, err := s.cfg.Passkeys.BeginSignIn(v.ctx(), remote(v.r))
	if err != nil {
		return v.sorry(err)
	}
	return v.json(http.StatusOK, question{ticket, options})
}

func (s *Server) signInByPasskey(v *visit) error {
	if s.cfg.Passkeys == nil {
		return v.sorry(errNoPasskeys)
	}
	a, err := v.answer()
	if err != nil {
		return v.sorry(err)
	}
	secret, ws, err := s.cfg.Passkeys.FinishSignIn(v.ctx(), a.Ticket, a.Answer, remote(v.r), v.r.UserAgent())
	if err != nil {
		return v.sorry(err)
	}
	v.enter(secret, ws)
	return v.json(http.StatusOK, map[string]string{"to": localPath(a.Next)})
}

// answer reads what a script of ours sends.
func (v *visit) answer() (a answer, err error) {
	const most = 64 << 10 // bytes; a key and a signature are far smaller
	d := json.NewDecoder(http.MaxBytesReader(v.w, v.r.Body, most))
	var large *http.MaxBytesError
	err = v.inTime(func() error { return d.Decode(&a) })
	switch {
	case errors.As(err, &large):
		return a, server.Errorf(server.ErrTooLarge, "The answer of your device is too large. Nothing was changed.")
	case err != nil:
		return a, server.Errorf(server.ErrInvalid, "The answer of your device could not be read. Nothing was changed.")
	}
	return a, nil
}

// sorry is an error for a script of ours, which shows it.
func (v *visit) sorry(err error) error {
	p := v.s.explain(v.r, err)
	return v.json(p.Status, map[string]string{"message": p.Message, "next": p.Next})
}

func (v *visit) json(status int, out any) error {
	b, err := json.Marshal(out)
	if err != nil {
		return err
	}
	v.w.Header().Set("Content-Type", "application/json")
	v.w.WriteHeader(status)
	_, _ = v.w.Write(b)
	return nil
}

// Provider signs people in by what another site says of them (OpenID Connect).
type Provider interface {
	Name() string
	Begin(ctx context.Context, next, from string) (to, ticket string, err error)
	Finish(ctx context.Context, a server.ProviderAnswer, from, agent string) (secret, next string, ws server.WebSession, err error)
}

// ProviderPath is where the provider sends people back to.
const ProviderPath = "/sign-in/provider/answer"

var errNoProvider = server.Errorf(server.ErrNotFound, "There is no other site to sign in with here. Nobody was signed in.")

// ticketCookie binds what a browser comes back with to that browser.
func (s *Server) ticketCookie(value string, life time.Duration) *http.Cookie {
	c := &http.Cookie{Name: s.ownCookie("paas-ticket"), Value: value, Path: "/", MaxAge: int(life / time.Second), HttpOnly: true, Secure: s.secure, SameSite: http.SameSiteLaxMode}
	if life <= 0 {
		c.MaxAge = -1
	}
	return c
}

// beginProvider sends the browser to the other site. It does not redirect: a
// form of ours may only lead to this host, whoever else answers.
func (s *Server) beginProvider(v *visit) error {
	if s.cfg.Provider == nil {
		return errNoProvider
	}
	if err := v.form(); err != nil {
		return err
	}
	w := s.ways(v.field("next"))
	to, ticket, err := s.cfg.Provider.Begin(v.ctx(), w.Next, remote(v.r))
	if err != nil {
		return v.turnAway(w, err)
	}
	u, err := url.Parse(to)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" {
		return server.Errorf(server.ErrUnavailable, "%s has no page to sign in. Nobody was signed in.", w.Provider)
	}
	const patience = 5 * time.Minute
	http.SetCookie(v.w, s.ticketCookie(ticket, patience))
	v.w.Header().Set("Refresh", "0;url="+u.String())
	return v.show("signin-away", "", "Sign in", map[string]string{"To": u.String(), "Provider": w.Provider})
}

// signInByProvider is where the other site sends the browser back to. It is a
// GET by the protocol; that the browser asked for it is proven by its ticket.
func (s *Server) signInByProvider(v *visit) error {
	if s.cfg.Provider == nil {
		return errNoProvider
	}
	ticket := ""
	if c, err := v.r.Cookie(s.ticketCookie("", 0).Name); err == nil {
		ticket = c.Value
	}
	http.SetCookie(v.w, s.ticketCookie("", 0))
	secret, next, ws, err := s.cfg.Provider.Finish(v.ctx(), server.ProviderAnswer{Ticket: ticket, State: v.query("state"), Code: v.query("code"), Error: v.query("error")},
		remote(v.r), v.r.UserAgent())
	if err != nil {
		return v.turnAway(s.ways(next), err)
	}
	v.enter(secret, ws)
	http.Redirect(v.w, v.r, localPath(next), http.StatusSeeOther)
	return nil
}
