package server

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// DefaultPermissions are what access:add gives when nothing is said.
func DefaultPermissions() []Permission { return []Permission{PermView, PermDeploy, PermOperate} }

// Collaborators lists who may do something with an app, besides its owner.
func (s *Service) Collaborators(ctx context.Context, actor Actor, app string) ([]Collaborator, error) {
	a, err := s.App(ctx, actor, app)
	if err != nil {
		return nil, err
	}
	return s.store.Collaborators(ctx, a.ID)
}

// Collaborator finds one by e-mail, account id or its own id.
func (s *Service) Collaborator(ctx context.Context, actor Actor, app, ident string) (Collaborator, error) {
	a, err := s.App(ctx, actor, app)
	if err != nil {
		return Collaborator{}, err
	}
	return s.collaborator(ctx, a, ident)
}

func (s *Service) collaborator(ctx context.Context, a App, ident string) (Collaborator, error) {
	list, err := s.store.Collaborators(ctx, a.ID)
	if err != nil {
		return Collaborator{}, err
	}
	for _, c := range list {
		if ident == c.ID || ident == c.AccountID || strings.EqualFold(ident, c.Email) {
			return c, nil
		}
	}
	if ident == a.OwnerID || strings.EqualFold(ident, a.OwnerEmail) {
		return Collaborator{}, &Error{ID: ErrInvalid, Message: fmt.Sprintf("%s owns %s and may do everything with it. Nothing was changed.", a.OwnerEmail, a.Name),
			Next: "Give the app to somebody else: paas apps:transfer EMAIL -a " + a.Name}
	}
	return Collaborator{}, &Error{ID: ErrNotFound, Message: "Couldn't find that collaborator. Nothing was changed.", Next: "See who there is: paas access -a " + a.Name}
}

// AddCollaborator gives an account access to an app. Nobody has that e-mail
// yet: an invitation is made, which gives it when it is accepted.
func (s *Service) AddCollaborator(ctx context.Context, actor Actor, app, email string, list []Permission) (Grant, error) {
	a, err := s.app(ctx, actor, app, PermManage)
	if err != nil {
		return Grant{}, err
	}
	if list, err = s.grantable(ctx, actor, a, email, list, nil); err != nil {
		return Grant{}, err
	}
	if err := checkEmail(email); err != nil {
		return Grant{}, err
	}
	account, err := s.store.Account(ctx, email)
	switch {
	case IsID(err, ErrNotFound):
		return s.invite(ctx, actor, a, email, list)
	case err != nil:
		return Grant{}, err
	case account.ID == s.operator.ID:
		return Grant{}, Errorf(ErrInvalid, "%s may do everything already. Nothing was changed.", OperatorEmail)
	}
	c, err := s.store.AddCollaborator(ctx, Collaborator{AppID: a.ID, App: a.Name, AccountID: account.ID, Email: account.Email, Permissions: list}, actor.Email)
	if errors.Is(err, ErrStale) {
		return Grant{}, &Error{ID: ErrInvalid, Message: fmt.Sprintf("%s is a collaborator of %s already. Nothing was changed.", account.Email, a.Name),
			Next: fmt.Sprintf("Change what they may do: paas access:update %s -p %s -a %s", account.Email, spellPermissions(list), a.Name)}
	}
	return Grant{Collaborator: c}, err
}

// UpdateCollaborator replaces what an account may do with an app.
func (s *Service) UpdateCollaborator(ctx context.Context, actor Actor, app, ident string, list []Permission) (Collaborator, error) {
	a, err := s.app(ctx, actor, app, PermManage)
	if err != nil {
		return Collaborator{}, err
	}
	c, err := s.collaborator(ctx, a, ident)
	if err != nil {
		return c, err
	}
	if len(list) == 0 {
		return c, Errorf(ErrInvalid, "Name the permissions to give: %s. Nothing was changed.", spellPermissions(Permissions()))
	}
	if c.Permissions, err = s.grantable(ctx, actor, a, c.Email, list, c.Permissions); err != nil {
		return c, err
	}
	return s.store.UpdateCollaborator(ctx, c, actor.Email)
}

// RemoveCollaborator takes an account's access to an app away. Everybody may
// give up their own.
func (s *Service) RemoveCollaborator(ctx context.Context, actor Actor, app, ident string) (Collaborator, error) {
	a, err := s.appToRead(ctx, actor, app, PermView)
	if err != nil {
		return Collaborator{}, err
	}
	c, err := s.collaborator(ctx, a, ident)
	if err == nil && c.AccountID == actor.ID {
		if err := allowAccount(actor); err != nil {
			return Collaborator{}, err
		}
		return c, s.store.RemoveCollaborator(ctx, c, actor.Email)
	}
	// First whether it is allowed, then who there is.
	if _, denied := s.app(ctx, actor, a.ID, PermManage); denied != nil {
		return Collaborator{}, denied
	}
	if err != nil {
		return c, err
	}
	return c, s.store.RemoveCollaborator(ctx, c, actor.Email)
}

// grantable checks permissions that are to be given to an e-mail and puts them
// in order. Nobody gives what they do not have, nor changes their own.
func (s *Service) grantable(ctx context.Context, actor Actor, a App, email string, list, before []Permission) ([]Permission, error) {
	const kept = " Nothing was changed."
	list, err := permissionList(list)
	if err != nil {
		return nil, err
	}
	switch {
	case strings.EqualFold(email, a.OwnerEmail):
		return nil, Errorf(ErrInvalid, "%s owns %s and may do everything with it."+kept, a.OwnerEmail, a.Name)
	case strings.EqualFold(email, actor.Email):
		return nil, &Error{ID: ErrForbidden, Message: "Nobody changes their own access." + kept, Next: fmt.Sprintf("Ask %s, or give it up: paas access:remove %s -a %s", a.OwnerEmail, actor.Email, a.Name)}
	}
	own, err := s.permissions(ctx, actor, a)
	if err != nil {
		return nil, err
	}
	for _, p := range list {
		if !slices.Contains(own, p) && !slices.Contains(before, p) {
			return nil, &Error{ID: ErrForbidden, Message: fmt.Sprintf("You cannot give %q: you have %s yourself.%s", p, spellPermissions(own), kept), Next: "Ask the owner: " + a.OwnerEmail}
		}
	}
	return list, nil
}

// permissionList checks permissions and puts them in order, view among them.
func permissionList(list []Permission) ([]Permission, error) {
	if len(list) == 0 {
		list = DefaultPermissions()
	}
	for _, p := range list {
		if !slices.Contains(Permissions(), p) {
			return nil, Errorf(ErrInvalid, "There is no permission %q; there are %s. Nothing was changed.", p, spellPermissions(Permissions()))
		}
	}
	return slices.DeleteFunc(Permissions(), func(p Permission) bool { return p != PermView && !slices.Contains(list, p) }), nil
}
