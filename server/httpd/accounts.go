package httpd

import (
	"context"
	"net/http"

	"paas/server"
	"paas/server/api"
)

func (s *Server) account(w http.ResponseWriter, r *http.Request) error {
	return reply(w, r, http.StatusOK, wireAccount(actor(r).Account))
}

// People lists and changes accounts.
type People interface {
	Accounts(ctx context.Context, actor server.Actor) ([]server.Account, error)
	SetAdmin(ctx context.Context, actor server.Actor, ident string, admin bool) (server.Account, error)
	RemoveAccount(ctx context.Context, actor server.Actor, ident string) (server.Account, error)
}

func (s *Server) accounts(w http.ResponseWriter, r *http.Request) error {
	list, err := s.svc.Accounts(r.Context(), actor(r))
	if err != nil {
		return err
	}
	return replyAll(w, r, convert(list, wireAccount),
		sortBy[api.Account]{"email", func(a api.Account) string { return a.Email }},
		sortBy[api.Account]{"id", func(a api.Account) string { return a.ID }})
}

// createAccount makes an account, or finds the one with that e-mail, and
// gives it a key when one is sent: all or nothing.
func (s *Server) createAccount(w http.ResponseWriter, r *http.Request) error {
	var in api.CreateAccount
	if err := decode(w, r, &in); err != nil {
		return err
	}
	if in.Email == "" {
		return server.Errorf(server.ErrInvalid, "Field email is missing. Nothing was changed.")
	}
	a, err := s.svc.CreateAccount(r.Context(), actor(r), in.Email, in.Admin, in.Key)
	if err != nil {
		return err
	}
	return reply(w, r, http.StatusCreated, wireAccount(a))
}

func (s *Server) updateAccount(w http.ResponseWriter, r *http.Request) error {
	var in api.UpdateAccount
	if err := decode(w, r, &in); err != nil {
		return err
	}
	if in.Admin == nil {
		return server.Errorf(server.ErrInvalid, "Field admin is missing. Nothing was changed.")
	}
	a, err := s.svc.SetAdmin(r.Context(), actor(r), param(r, "account"), *in.Admin)
	if err != nil {
		return err
	}
	return reply(w, r, http.StatusOK, wireAccount(a))
}

func (s *Server) removeAccount(w http.ResponseWriter, r *http.Request) error {
	a, err := s.svc.RemoveAccount(r.Context(), actor(r), param(r, "account"))
	if err != nil {
		return err
	}
	return reply(w, r, http.StatusOK, wireAccount(a))
}

func (s *Server) keys(w http.ResponseWriter, r *http.Request) error {
	keys, err := s.svc.Keys(r.Context(), actor(r))
	if err != nil {
		return err
	}
	return replyAll(w, r, convert(keys, wireKey),
		sortBy[api.Key]{"id", func(k api.Key) string { return k.ID }},
		sortBy[api.Key]{"fingerprint", func(k api.Key) string { return k.Fingerprint }})
}

func (s *Server) key(w http.ResponseWriter, r *http.Request) error {
	keys, err := s.svc.Keys(r.Context(), actor(r))
	if err != nil {
		return err
	}
	ident := param(r, "key")
	for _, k := range keys {
		if k.ID == ident || k.Fingerprint == ident {
			return reply(w, r, http.StatusOK, wireKey(k))
		}
	}
	return server.Errorf(server.ErrNotFound, "Couldn't find that key.")
}

func (s *Server) addKey(w http.ResponseWriter, r *http.Request) error {
	var in api.CreateKey
	if err := decode(w, r, &in); err != nil {
		return err
	}
	if in.PublicKey == "" {
		return server.Errorf(server.ErrInvalid, "Field public_key is missing. Nothing was changed.")
	}
	k, err := s.svc.AddKey(r.Context(), actor(r), in.PublicKey)
	if err != nil {
		return err
	}
	return reply(w, r, http.StatusCreated, wireKey(k))
}

func (s *Server) removeKey(w http.ResponseWriter, r *http.Request) error {
	k, err := s.svc.RemoveKey(r.Context(), actor(r), param(r, "key"))
	if err != nil {
		return err
	}
	return reply(w, r, http.StatusOK, wireKey(k))
}
