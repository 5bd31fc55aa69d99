package httpd

import (
	"context"
	"net/http"
	"time"

	"paas/server"
	"paas/server/api"
)

// Authorizing makes and ends API tokens.
type Authorizing interface {
	Authorizations(ctx context.Context, actor server.Actor) ([]server.Token, error)
	Authorization(ctx context.Context, actor server.Actor, id string) (server.Token, error)
	Authorize(ctx context.Context, actor server.Actor, n server.NewToken) (string, server.Token, error)
	Revoke(ctx context.Context, actor server.Actor, id string) (server.Token, error)
	Rotate(ctx context.Context, actor server.Actor, id string) (string, server.Token, error)
}

func (s *Server) authorizations(w http.ResponseWriter, r *http.Request) error {
	list, err := s.svc.Authorizations(r.Context(), actor(r))
	if err != nil {
		return err
	}
	return replyAll(w, r, convert(list, func(t server.Token) api.Authorization { return wireAuthorization(r, t, "") }),
		sortBy[api.Authorization]{"id", func(a api.Authorization) string { return a.ID }},
		sortBy[api.Authorization]{"created_at", func(a api.Authorization) string { return a.CreatedAt.Format(time.RFC3339Nano) }})
}

func (s *Server) authorization(w http.ResponseWriter, r *http.Request) error {
	t, err := s.svc.Authorization(r.Context(), actor(r), param(r, "authorization"))
	if err != nil {
		return err
	}
	return reply(w, r, http.StatusOK, wireAuthorization(r, t, ""))
}

func (s *Server) authorize(w http.ResponseWriter, r *http.Request) error {
	var in api.CreateAuthorization
	if err := decode(w, r, &in); err != nil {
		return err
	}
	life, err := lifeOf(in.ExpiresIn)
	if err != nil {
		return err
	}
	secret, t, err := s.svc.Authorize(r.Context(), actor(r), server.NewToken{Description: in.Description, Life: life,
		Scope: convert(in.Scope, func(n string) server.Scope { return server.Scope(n) })})
	if err != nil {
		return err
	}
	return reply(w, r, http.StatusCreated, wireAuthorization(r, t, secret))
}

// lifeOf turns the wire's seconds into a life: none is the default, 0 for ever.
func lifeOf(seconds *int) (time.Duration, error) {
	const longest = int(server.MaxTokenLife/time.Second) + 1 // refused further in, and far from an overflow
	switch {
	case seconds == nil:
		return 0, nil
	case *seconds < 0:
		return 0, server.Errorf(server.ErrInvalid, "Field expires_in must be seconds from now, or 0 for never. No token was made.")
	case *seconds == 0:
		return -1, nil
	}
	return time.Duration(min(*seconds, longest)) * time.Second, nil
}

func (s *Server) revoke(w http.ResponseWriter, r *http.Request) error {
	t, err := s.svc.Revoke(r.Context(), actor(r), param(r, "authorization"))
	if err != nil {
		return err
	}
	return reply(w, r, http.StatusOK, wireAuthorization(r, t, ""))
}

func (s *Server) rotate(w http.ResponseWriter, r *http.Request) error {
	secret, t, err := s.svc.Rotate(r.Context(), actor(r), param(r, "authorization"))
	if err != nil {
		return err
	}
	return reply(w, r, http.StatusOK, wireAuthorization(r, t, secret))
}

// wireAuthorization shows a token of whoever asks; secret is empty but for one
// just made.
func wireAuthorization(r *http.Request, t server.Token, secret string) api.Authorization {
	by := actor(r)
	out := api.Authorization{
		ID: t.ID, AccessToken: &api.AccessToken{ID: t.ID, Token: secret}, Description: t.Description, Kind: string(t.Kind),
		Scope:     convert(t.Scope, func(sc server.Scope) string { return string(sc) }),
		User:      api.TokenUser{ID: by.ID, Email: by.Email, FullName: optional(by.Name)},
		CreatedAt: stamp(t.CreatedAt), UpdatedAt: stamp(t.UpdatedAt), Current: t.ID == by.Token,
	}
	if len(out.Scope) == 0 {
		out.Scope = []string{string(server.ScopeGlobal)}
	}
	if t.Expires() {
		at := stamp(t.ExpiresAt)
		left := max(int(time.Until(at)/time.Second), 0)
		out.ExpiresAt, out.AccessToken.ExpiresIn = &at, &left
	}
	if !t.LastUsedAt.IsZero() {
		at := stamp(t.LastUsedAt)
		out.LastUsedAt = &at
	}
	return out
}
