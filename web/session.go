package web

import (
	"context"
	"net"
	"net/http"
	"net/url"

	"paas/server"
)

// cookieName is of the session.
func (s *Server) cookieName() string { return s.ownCookie("paas") }

// ownCookie is the name of a cookie that no other host can set, an app's below
// the same domain least of all. The prefix binds it to this very host and to
// TLS, which plain HTTP cannot have.
func (s *Server) ownCookie(name string) string {
	if s.secure {
		return "__Host-" + name
	}
	return name
}

func (s *Server) sessionSecret(r *http.Request) string {
	c, err := r.Cookie(s.cookieName())
	if err != nil {
		return ""
	}
	return c.Value
}

// setSession lets the browser be the session's from now on.
func (s *Server) setSession(w http.ResponseWriter, secret string, ws server.WebSession) {
	http.SetCookie(w, &http.Cookie{Name: s.cookieName(), Value: secret, Path: "/", Expires: ws.ExpiresAt, HttpOnly: true,
		Secure: s.secure, SameSite: http.SameSiteLaxMode})
}

func (s *Server) dropSession(w http.ResponseWriter) {
	http.SetCookie(w, &http.Cookie{Name: s.cookieName(), Path: "/", MaxAge: -1, HttpOnly: true, Secure: s.secure, SameSite: http.SameSiteLaxMode})
}

// remote is the address a request came from; the router in front has taken
// out what a client claims.
func remote(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

// signedIn lets through who has a session; everyone else is asked to sign in
// and comes back here then.
func (s *Server) signedIn(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		secret := s.sessionSecret(r)
		if secret == "" {
			s.askToSignIn(w, r)
			return
		}
		actor, ws, err := s.svc.SessionActor(r.Context(), secret, remote(r))
		switch {
		case server.IsID(err, server.ErrUnauthorized):
			s.dropSession(w)
			s.askToSignIn(w, r)
			return
		case err != nil:
			s.fail(w, r, err)
			return
		}
		leave, err := s.visitors.admit(actor.ID)
		if err != nil {
			s.fail(w, r, err)
			return
		}
		defer leave()
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		ctx := server.WithActor(r.Context(), actor)
		next.ServeHTTP(w, r.WithContext(context.WithValue(ctx, whoKey{}, &who{Actor: actor, session: ws})))
	})
}

func (s *Server) askToSignIn(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet || r.Header.Get("Sec-Fetch-Mode") == "cors" || r.Header.Get("Accept") == "text/event-stream" || r.Header.Get("Upgrade") != "" {
		s.fail(w, r, &server.Error{ID: server.ErrUnauthorized, Message: "You are not signed in, or not any more. Nothing was changed.", Next: "paas dashboard"})
		return
	}
	to := "/sign-in"
	if r.URL.Path != "/" {
		to += "?next=" + url.QueryEscape(r.URL.RequestURI())
	}
	http.Redirect(w, r, to, http.StatusSeeOther)
}

func (s *Server) signOut(v *visit) error {
	if err := s.svc.SignOut(v.ctx(), s.sessionSecret(v.r)); err != nil {
		return err
	}
	s.dropSession(v.w)
	return v.done("/sign-in", "You are signed out.")
}

const themeCookie = "theme"

// theme is "light", "dark", or empty for what the browser says.
func theme(r *http.Request) string {
	if c, err := r.Cookie(themeCookie); err == nil && (c.Value == "light" || c.Value == "dark") {
		return c.Value
	}
	return ""
}

// setTheme goes back to where the button was pressed.
func (s *Server) setTheme(v *visit) error {
	if err := v.form(); err != nil {
		return err
	}
	c := &http.Cookie{Name: themeCookie, Value: v.field("theme"), Path: "/", MaxAge: 365 * 86400, HttpOnly: true, Secure: s.secure, SameSite: http.SameSiteLaxMode}
	if c.Value != "light" && c.Value != "dark" {
		c.Value, c.MaxAge = "", -1
	}
	http.SetCookie(v.w, c)
	http.Redirect(v.w, v.r, localPath(v.field("next")), http.StatusSeeOther)
	return nil
}

// localPath is a path of this host to go to, "/" for anything else.
func localPath(next string) string {
	u, err := url.Parse(next)
	if err != nil || u.Scheme != "" || u.Host != "" || u.Opaque != "" || u.User != nil || len(next) < 2 || next[0] != '/' || next[1] == '/' || next[1] == '\\' {
		return "/"
	}
	for _, b := range []byte(next) {
		if b < ' ' || b == 0x7f || b == '\\' {
			return "/"
		}
	}
	return next
}
