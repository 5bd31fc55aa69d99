package server

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// invitationLife is how long an invitation can be accepted.
const invitationLife = 7 * 24 * time.Hour

func (s *Service) invite(ctx context.Context, actor Actor, a App, email string, list []Permission) (Grant, error) {
	code := newSecret(codePrefix)
	i, err := s.store.Invite(ctx, Invitation{Hash: hashOf(code), Email: email, AppID: a.ID, App: a.Name, Permissions: list,
		InvitedBy: actor.ID, Inviter: actor.Email, ExpiresAt: time.Now().Add(invitationLife)}, actor.Email)
	return Grant{Invitation: i, Code: code}, err
}

// Invitations lists an app's open invitations, for who may give access.
func (s *Service) Invitations(ctx context.Context, actor Actor, app string) ([]Invitation, error) {
	a, err := s.appToRead(ctx, actor, app, PermManage)
	if err != nil {
		return nil, err
	}
	return s.store.Invitations(ctx, a.ID)
}

// RevokeInvitation withdraws one by id or e-mail.
func (s *Service) RevokeInvitation(ctx context.Context, actor Actor, app, ident string) (Invitation, error) {
	a, err := s.app(ctx, actor, app, PermManage)
	if err != nil {
		return Invitation{}, err
	}
	list, err := s.store.Invitations(ctx, a.ID)
	if err != nil {
		return Invitation{}, err
	}
	for _, i := range list {
		if i.ID == ident || strings.EqualFold(i.Email, ident) {
			return s.store.RevokeInvitation(ctx, a.ID, i.ID, actor.Email)
		}
	}
	return Invitation{}, &Error{ID: ErrNotFound, Message: "Couldn't find that invitation. Nothing was changed.", Next: "See which there are: paas access:invitations -a " + a.Name}
}

// invitation finds an open one by its code. Unknown, withdrawn, accepted and
// expired codes get the same answer.
func (s *Service) invitation(ctx context.Context, code string) (Invitation, error) {
	unknown := &Error{ID: ErrNotFound, Message: "This invitation is not known or has expired. No account was made.", Next: "Ask for a new one: paas access:add EMAIL -a APP"}
	if !strings.HasPrefix(code, codePrefix) || mistyped(codePrefix, code) {
		return Invitation{}, unknown
	}
	i, err := s.store.InvitationByHash(ctx, hashOf(code))
	if IsID(err, ErrNotFound) {
		return i, unknown
	}
	return i, err
}

// Join accepts an invitation on behalf of nobody yet: the code is what proves
// it. It makes an account with the invited e-mail and the caller's first key,
// never an admin, and logs it in; the token's secret is shown this once. An
// e-mail that has an account meanwhile must use that account's own login
// (JoinAs): a code gives nobody a key to an account that exists. From is the
// caller's address.
func (s *Service) Join(ctx context.Context, code, authorizedKey, from string) (string, Token, Invitation, error) {
	i, err := s.invitation(ctx, code)
	if err != nil {
		return "", Token{}, i, err
	}
	k, err := newKey(authorizedKey)
	if err != nil {
		return "", Token{}, i, err
	}
	who := Actor{Account: Account{Email: i.Email}, Via: "api", From: from}
	secret, t := s.newLogin(who)
	account, t, err := s.store.Join(WithActor(ctx, who), i, k, t)
	if IsID(err, ErrConflict) {
		return "", Token{}, i, &Error{ID: ErrConflict, Message: fmt.Sprintf("%s has an account here already. Nothing was changed.", i.Email),
			Next: "Log in with its key (paas login), then run paas join again."}
	}
	t.AccountID = account.ID
	return secret, t, i, err
}

// JoinAs accepts an invitation by an account that exists, the one with the
// invited e-mail.
func (s *Service) JoinAs(ctx context.Context, actor Actor, code string) (Invitation, error) {
	if err := allowAccount(actor); err != nil {
		return Invitation{}, err
	}
	i, err := s.invitation(ctx, code)
	if err != nil {
		return i, err
	}
	if !strings.EqualFold(i.Email, actor.Email) {
		return i, &Error{ID: ErrForbidden, Message: fmt.Sprintf("This invitation is for %s and you are %s. Nothing was changed.", i.Email, actor.Email),
			Next: "To join as the other: paas logout, then paas join again"}
	}
	return i, s.store.JoinAs(ctx, i, actor.Account)
}
