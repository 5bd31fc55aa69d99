package httpd

import (
	"context"
	"net"
	"net/http"
	"strings"

	"paas/server"
)

// actor is the account that the authentication proved. Only handlers behind
// the middleware ask for it.
func actor(r *http.Request) server.Actor {
	a, ok := server.ActorOf(r.Context())
	if !ok {
		panic("handler without authentication")
	}
	return a
}

// authenticate is the one door: a token as Bearer or as the password of Basic
// (as Heroku's clients send it), or the operator's socket.
func (s *Server) authenticate(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		account, err := s.identify(r)
		if err != nil {
			s.fail(w, r, err)
			return
		}
		if account.Via == "api" {
			account.From = from(r)
		}
		next.ServeHTTP(w, r.WithContext(server.WithActor(r.Context(), account)))
	})
}

func (s *Server) identify(r *http.Request) (server.Actor, error) {
	secret := token(r)
	if secret == "" {
		if r.Header.Get("Authorization") == "" && operator(r.Context()) {
			return s.svc.Operator(), nil
		}
		return server.Actor{}, unauthorized()
	}
	ctx, done := context.WithTimeout(r.Context(), requestTimeout)
	defer done()
	account, err := s.svc.Authenticate(ctx, secret)
	if server.IsID(err, server.ErrUnauthorized) || server.IsID(err, server.ErrNotFound) {
		return server.Actor{}, unauthorized()
	}
	return account, err
}

// from is the address of the other side of the connection, without port.
func from(r *http.Request) string {
	host, _, _ := net.SplitHostPort(r.RemoteAddr) // empty on a unix socket
	return host
}

func unauthorized() error {
	return &server.Error{
		ID:      server.ErrUnauthorized,
		Message: "Invalid credentials provided. Nothing was changed.",
		Next:    "Log in with: paas login",
	}
}

func token(r *http.Request) string {
	const longest = 512 // ours are shorter; what is longer need not be hashed
	head := r.Header.Get("Authorization")
	secret := ""
	if scheme, rest, ok := strings.Cut(head, " "); ok && strings.EqualFold(scheme, "bearer") {
		secret = strings.TrimSpace(rest)
	} else if _, password, ok := r.BasicAuth(); ok {
		secret = password
	}
	if len(secret) > longest {
		return ""
	}
	return secret
}
