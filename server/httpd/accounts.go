package httpd

import (
	"errors"
	"fmt"
	"net/http"

	"paas/server"
	"paas/server/api"
)

func (s *Server) account(w http.ResponseWriter, r *http.Request) error {
	return reply(w, r, http.StatusOK, wireAccount(actor(r).Account))
}

// createAccount makes an account, or finds the one with that e-mail, and
// gives it a key when one is sent.
func (s *Server) createAccount(w http.ResponseWriter, r *http.Request) error {
	var in api.CreateAccount
	if err := decode(w, r, &in); err != nil {
		return err
	}
	if in.Email == "" {
		return server.Errorf(server.ErrInvalid, "Field email is missing. Nothing was changed.")
	}
	a, err := s.svc.CreateAccount(r.Context(), actor(r), in.Email, in.Admin)
	if err != nil {
		return err
	}
	if in.Key != "" {
		if _, err := s.svc.AddKey(r.Context(), actor(r), a, in.Key); err != nil {
			return keyNotAdded(a, err)
		}
	}
	return reply(w, r, http.StatusCreated, wireAccount(a))
}

// keyNotAdded keeps the cause and says how far the request came.
func keyNotAdded(a server.Account, err error) error {
	var e *server.Error
	if !errors.As(err, &e) {
		return fmt.Errorf("add key of %s: %w", a.Email, err)
	}
	return &server.Error{
		ID: e.ID, Next: e.Next,
		Message: fmt.Sprintf("The account %s exists, but its key was not added. %s", a.Email, e.Message),
	}
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
	k, err := s.svc.AddKey(r.Context(), actor(r), actor(r).Account, in.PublicKey)
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
