package httpd

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"

	"paas/server"
	"paas/server/api"
)

// Access gives and takes access, tokens and invitations, and shows the audit log.
type Access interface {
	Collaborating
	Inviting
	Authorizing
	People
	Auditing
}

// Collaborating knows who may do what with an app of another.
type Collaborating interface {
	Collaborators(ctx context.Context, actor server.Actor, app string) ([]server.Collaborator, error)
	Collaborator(ctx context.Context, actor server.Actor, app, ident string) (server.Collaborator, error)
	AddCollaborator(ctx context.Context, actor server.Actor, app, email string, list []server.Permission) (server.Grant, error)
	UpdateCollaborator(ctx context.Context, actor server.Actor, app, ident string, list []server.Permission) (server.Collaborator, error)
	RemoveCollaborator(ctx context.Context, actor server.Actor, app, ident string) (server.Collaborator, error)
}

// Inviting knows who is invited.
type Inviting interface {
	Invitations(ctx context.Context, actor server.Actor, app string) ([]server.Invitation, error)
	RevokeInvitation(ctx context.Context, actor server.Actor, app, ident string) (server.Invitation, error)
	Join(ctx context.Context, code, authorizedKey, from string) (string, server.Token, server.Invitation, error)
	JoinAs(ctx context.Context, actor server.Actor, code string) (server.Invitation, error)
}

// How often one address may try an invitation's code.
const (
	joinTries  = 10
	joinWindow = 10 * time.Minute
)

// accessRoutes are the routes below /apps/{app}.
func (s *Server) accessRoutes(r chi.Router) {
	r.Get("/collaborators", s.quick(s.collaborators))
	r.Post("/collaborators", s.quick(s.addCollaborator))
	r.Get("/collaborators/{collaborator}", s.quick(s.collaborator))
	r.Patch("/collaborators/{collaborator}", s.quick(s.updateCollaborator))
	r.Delete("/collaborators/{collaborator}", s.quick(s.removeCollaborator))
	r.Get("/invitations", s.quick(s.invitations))
	r.Delete("/invitations/{invitation}", s.quick(s.revokeInvitation))
	r.Get("/audit", s.quick(s.audit))
}

// accountRoutes are the routes that belong to no app.
func (s *Server) accountRoutes(r chi.Router) {
	r.Post("/account/invitations", s.quick(s.joinAs))
	r.Post("/account/sign-in-links", s.quick(s.createSignInLink))
	r.Get("/accounts", s.quick(s.accounts))
	r.Patch("/accounts/{account}", s.quick(s.updateAccount))
	r.Delete("/accounts/{account}", s.quick(s.removeAccount))
	r.Get("/oauth/authorizations", s.quick(s.authorizations))
	r.Post("/oauth/authorizations", s.quick(s.authorize))
	r.Get("/oauth/authorizations/{authorization}", s.quick(s.authorization))
	r.Delete("/oauth/authorizations/{authorization}", s.quick(s.revoke))
	r.Post("/oauth/authorizations/{authorization}/actions/regenerate-tokens", s.quick(s.rotate))
	r.Get("/audit", s.quick(s.auditAll))
	r.Get("/audit/verification", s.patient(s.verifyAudit))
}

func (s *Server) collaborators(w http.ResponseWriter, r *http.Request) error {
	list, err := s.svc.Collaborators(r.Context(), actor(r), param(r, "app"))
	if err != nil {
		return err
	}
	return replyAll(w, r, convert(list, wireCollaborator),
		sortBy[api.Collaborator]{"email", func(c api.Collaborator) string { return c.User.Email }},
		sortBy[api.Collaborator]{"id", func(c api.Collaborator) string { return c.ID }})
}

func (s *Server) collaborator(w http.ResponseWriter, r *http.Request) error {
	c, err := s.svc.Collaborator(r.Context(), actor(r), param(r, "app"), param(r, "collaborator"))
	if err != nil {
		return err
	}
	return reply(w, r, http.StatusOK, wireCollaborator(c))
}

func (s *Server) addCollaborator(w http.ResponseWriter, r *http.Request) error {
	var in api.AddCollaborator
	if err := decode(w, r, &in); err != nil {
		return err
	}
	g, err := s.svc.AddCollaborator(r.Context(), actor(r), param(r, "app"), in.User, permissions(in.Permissions))
	if err != nil {
		return err
	}
	if g.Invitation.ID == "" {
		return reply(w, r, http.StatusCreated, wireCollaborator(g.Collaborator))
	}
	out := wireInvitation(g.Invitation)
	out.Code, out.URL = g.Code, s.cfg.APIURL
	return reply(w, r, http.StatusAccepted, out)
}

func (s *Server) updateCollaborator(w http.ResponseWriter, r *http.Request) error {
	var in api.UpdateCollaborator
	if err := decode(w, r, &in); err != nil {
		return err
	}
	c, err := s.svc.UpdateCollaborator(r.Context(), actor(r), param(r, "app"), param(r, "collaborator"), permissions(in.Permissions))
	if err != nil {
		return err
	}
	return reply(w, r, http.StatusOK, wireCollaborator(c))
}

func (s *Server) removeCollaborator(w http.ResponseWriter, r *http.Request) error {
	c, err := s.svc.RemoveCollaborator(r.Context(), actor(r), param(r, "app"), param(r, "collaborator"))
	if err != nil {
		return err
	}
	return reply(w, r, http.StatusOK, wireCollaborator(c))
}

func (s *Server) invitations(w http.ResponseWriter, r *http.Request) error {
	list, err := s.svc.Invitations(r.Context(), actor(r), param(r, "app"))
	if err != nil {
		return err
	}
	return replyAll(w, r, convert(list, wireInvitation),
		sortBy[api.Invitation]{"email", func(i api.Invitation) string { return i.Email }},
		sortBy[api.Invitation]{"id", func(i api.Invitation) string { return i.ID }})
}

func (s *Server) revokeInvitation(w http.ResponseWriter, r *http.Request) error {
	i, err := s.svc.RevokeInvitation(r.Context(), actor(r), param(r, "app"), param(r, "invitation"))
	if err != nil {
		return err
	}
	return reply(w, r, http.StatusOK, wireInvitation(i))
}

// join accepts an invitation without a token: its code is the proof, so that
// tries are few.
func (s *Server) join(w http.ResponseWriter, r *http.Request) error {
	if !s.joins.Allow(from(r), time.Now()) {
		return server.Errorf(server.ErrRate, "Too many invitations were tried from your address. Nothing was changed; try again in %d minutes.", joinWindow/time.Minute)
	}
	var in api.AcceptInvitation
	if err := decode(w, r, &in); err != nil {
		return err
	}
	secret, t, i, err := s.svc.Join(r.Context(), in.Code, in.PublicKey, from(r))
	if err != nil {
		return err
	}
	return reply(w, r, http.StatusCreated, api.Joined{
		Login: api.Login{URL: s.cfg.APIURL, Token: secret, Email: i.Email, ExpiresAt: stamp(t.ExpiresAt)},
		SSH:   strings.TrimSuffix(s.cfg.GitURL("x"), "/x.git"), App: api.Ref{ID: i.AppID, Name: i.App},
	})
}

func (s *Server) joinAs(w http.ResponseWriter, r *http.Request) error {
	var in api.AcceptInvitation
	if err := decode(w, r, &in); err != nil {
		return err
	}
	i, err := s.svc.JoinAs(r.Context(), actor(r), in.Code)
	if err != nil {
		return err
	}
	return reply(w, r, http.StatusOK, wireInvitation(i))
}

func permissions(names []string) []server.Permission {
	return convert(names, func(n string) server.Permission { return server.Permission(n) })
}

func wireCollaborator(c server.Collaborator) api.Collaborator {
	return api.Collaborator{
		ID: c.ID, App: api.Ref{ID: c.AppID, Name: c.App}, User: api.CollaboratorUser{ID: c.AccountID, Email: c.Email},
		Permissions: convert(c.Permissions, func(p server.Permission) api.Permission {
			return api.Permission{Name: string(p), Description: p.Describe()}
		}),
		CreatedAt: stamp(c.CreatedAt), UpdatedAt: stamp(c.UpdatedAt),
	}
}

func wireInvitation(i server.Invitation) api.Invitation {
	return api.Invitation{
		ID: i.ID, App: api.Ref{ID: i.AppID, Name: i.App}, Email: i.Email, InvitedBy: i.Inviter,
		Permissions: convert(i.Permissions, func(p server.Permission) string { return string(p) }),
		CreatedAt:   stamp(i.CreatedAt), ExpiresAt: stamp(i.ExpiresAt),
	}
}
