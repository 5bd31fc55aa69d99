package server

import (
	"context"
	"strings"
	"time"
	"unicode/utf8"
)

// challengeLife is how long a person may take to answer.
const challengeLife = 5 * time.Minute

// challengePrefix begins the tickets of challenges.
const challengePrefix = "paasask_"

// beginTries is how many sign-ins one address may begin in a window.
const beginTries = 60

// KeepChallenge keeps what a sign-in that begins must be answered with, and
// gives the ticket for it. Kind is "passkey", "passkey-add" or "oidc".
func (s *Service) KeepChallenge(ctx context.Context, kind string, data []byte, from string) (ticket string, err error) {
	if !s.begun.Allow(from, time.Now()) {
		return "", tooManySignIns()
	}
	ticket = newSecret(challengePrefix)
	return ticket, s.store.KeepChallenge(ctx, hashOf(ticket), kind, data, challengeLife)
}

// TakeChallenge gives what a ticket stands for, once.
func (s *Service) TakeChallenge(ctx context.Context, kind, ticket string) ([]byte, error) {
	late := Errorf(ErrInvalid, "This took longer than %d minutes, or was answered already. Nothing was changed; begin again.", challengeLife/time.Minute)
	if !isCode(challengePrefix, ticket) {
		return nil, late
	}
	data, err := s.store.TakeChallenge(ctx, hashOf(ticket), kind)
	if IsID(err, ErrNotFound) {
		return nil, late
	}
	return data, err
}

// Passkeys lists the actor's, oldest first.
func (s *Service) Passkeys(ctx context.Context, actor Actor) ([]Passkey, error) {
	if err := allowAccount(actor); err != nil {
		return nil, err
	}
	return s.store.Passkeys(ctx, actor.ID)
}

// AddPasskey gives the actor's account one that was proven.
func (s *Service) AddPasskey(ctx context.Context, actor Actor, p Passkey) (Passkey, error) {
	if err := allowAccount(actor); err != nil {
		return Passkey{}, err
	}
	const longest = 60
	p.Name = strings.TrimSpace(p.Name)
	if p.Name == "" {
		p.Name = "passkey"
	}
	if utf8.RuneCountInString(p.Name) > longest || !utf8.ValidString(p.Name) || strings.ContainsFunc(p.Name, func(r rune) bool { return printable(r) < 0 }) {
		return Passkey{}, Errorf(ErrInvalid, "The name of a passkey has at most %d characters, none of them control characters. No passkey was added.", longest)
	}
	p.AccountID = actor.ID
	return s.store.CreatePasskey(ctx, p)
}

// RemovePasskey takes one of the actor's passkeys away. What it signed in
// stays signed in.
func (s *Service) RemovePasskey(ctx context.Context, actor Actor, id string) (Passkey, error) {
	if err := allowAccount(actor); err != nil {
		return Passkey{}, err
	}
	p, err := s.store.RemovePasskey(ctx, actor.ID, id)
	if IsID(err, ErrNotFound) {
		return p, Errorf(ErrNotFound, "Couldn't find that passkey. Nothing was changed.")
	}
	return p, err
}

// Passkey finds one by the device's name for it, for whoever checks its
// signature, with the account that it signs in.
func (s *Service) Passkey(ctx context.Context, credential []byte) (Account, Passkey, error) {
	a, p, err := s.store.Passkey(ctx, credential)
	if IsID(err, ErrNotFound) {
		return a, p, Errorf(ErrNotFound, "This passkey is not known here. Nobody was signed in.")
	}
	return a, p, err
}

// SignInByPasskey begins a session by a passkey whose signature was checked; p
// has the record and the count that its device gave now, before is the count
// that was read. A count that does not grow tells of a copy, and is refused.
func (s *Service) SignInByPasskey(ctx context.Context, p Passkey, before uint32, from, agent string) (secret string, ws WebSession, err error) {
	return s.signIn(ctx, "passkey", from, agent, func(ctx context.Context, n NewWebSession) (WebSession, error) {
		copied := &Error{ID: ErrForbidden, Message: "This passkey's counter went back, as that of a copy would. Nobody was signed in.",
			Next: "Sign in by a link (paas dashboard), and remove the passkey."}
		if p.SignCount <= before && (p.SignCount != 0 || before != 0) {
			return WebSession{}, copied
		}
		ws, err := s.store.UsePasskey(ctx, p, before, n)
		if IsID(err, ErrNotFound) {
			return ws, copied
		}
		return ws, err
	})
}

// SignInByIdentity begins a session for who somebody is at a provider whose
// word was checked. It makes no accounts.
func (s *Service) SignInByIdentity(ctx context.Context, i Identity, from, agent string) (secret string, ws WebSession, err error) {
	return s.signIn(ctx, "oidc", from, agent, func(ctx context.Context, n NewWebSession) (WebSession, error) {
		if i.Issuer == "" || i.Subject == "" || len(i.Issuer)+len(i.Subject) > 2000 {
			return WebSession{}, Errorf(ErrInvalid, "The provider did not say who you are. Nobody was signed in.")
		}
		ws, err := s.store.UseIdentity(ctx, i, n)
		if IsID(err, ErrNotFound) {
			return ws, &Error{ID: ErrForbidden, Message: "There is no account here for who you are at the provider. Nobody was signed in.",
				Next: "Ask an admin to run: paas accounts:create EMAIL"}
		}
		return ws, err
	})
}
