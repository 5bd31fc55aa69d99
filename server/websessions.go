package server

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/google/uuid"
)

// The beginnings of the dashboard's secrets.
const (
	linkPrefix    = "paaslink_" // of a sign-in link
	sessionPrefix = "paasweb_"  // of a session's cookie
)

// signInLinkLife is how long a link can be used.
const signInLinkLife = 5 * time.Minute

// How often signing in may fail for one address, and how many failures of all
// addresses are written down: the audit log is kept for ever.
const (
	signInTries  = 10
	signInWindow = 10 * time.Minute
	failuresKept = 300 // in each window
)

// everyone is the one address under which the failures of all are counted.
const everyone = "0.0.0.0"

// CreateSignInLink makes a link by which the actor's own account signs in to
// the dashboard, once, within 5 minutes. What signs in may do everything, so
// the credential that asks must be one for everything.
func (s *Service) CreateSignInLink(ctx context.Context, actor Actor) (SignInLink, error) {
	if err := allowAccount(actor); err != nil {
		return SignInLink{}, err
	}
	code := newSecret(linkPrefix)
	expires, err := s.store.CreateSignInLink(ctx, actor.ID, hashOf(code), signInLinkLife)
	return SignInLink{Code: code, ExpiresAt: expires}, err
}

// PeekSignInLink says whom a link would sign in; it stays as it is.
func (s *Service) PeekSignInLink(ctx context.Context, code string) (Account, error) {
	if !isCode(linkPrefix, code) {
		return Account{}, linkError("")
	}
	a, state, err := s.store.SignInLink(ctx, hashOf(code))
	switch {
	case IsID(err, ErrNotFound):
		return Account{}, linkError("")
	case err != nil:
		return Account{}, err
	case state != LinkOpen:
		return Account{}, linkError(state)
	}
	return a, nil
}

// isCode says whether a text has the form of one of our secrets.
func isCode(prefix, secret string) bool {
	return len(secret) == len(prefix)+secretChars && strings.HasPrefix(secret, prefix) && !mistyped(prefix, secret)
}

// linkError is why a link signs nobody in.
func linkError(s LinkState) *Error {
	why := map[LinkState]string{
		LinkUsed:    "This sign-in link has been used already; it works once. Nobody was signed in.",
		LinkExpired: "This sign-in link has expired; it works for 5 minutes. Nobody was signed in.",
	}[s]
	if why == "" {
		why = "This sign-in link is not known. Nobody was signed in."
	}
	return &Error{ID: ErrNotFound, Message: why, Next: "Make a new one: paas dashboard"}
}

// SignIn uses a link: it gives the secret of a new session, shown this once.
// From is the browser's address, agent what it calls itself.
func (s *Service) SignIn(ctx context.Context, code, from, agent string) (secret string, ws WebSession, err error) {
	return s.signIn(ctx, "link", from, agent, func(ctx context.Context, n NewWebSession) (WebSession, error) {
		if _, err := s.PeekSignInLink(ctx, code); err != nil {
			return WebSession{}, err
		}
		ws, err := s.store.UseSignInLink(ctx, hashOf(code), n)
		if IsID(err, ErrNotFound) { // somebody was faster
			return ws, linkError(LinkUsed)
		}
		return ws, err
	})
}

// signIn begins a session by whatever proof finds its account; every way in
// goes through here. What is refused is counted and written down. A proof that
// is right lets in however often others failed: an office or a proxy has one
// address for many, of whom one could keep the others out, and nobody guesses
// 256 bits.
func (s *Service) signIn(ctx context.Context, how, from, agent string, proof func(context.Context, NewWebSession) (WebSession, error)) (string, WebSession, error) {
	spent := s.signIns.Spent(from, time.Now())
	// A new secret each time: one that was planted in the browser is worth nothing.
	secret := newSecret(sessionPrefix)
	n := NewWebSession{Hash: hashOf(secret), From: from, Agent: tame(agent), How: how}
	ws, err := proof(WithActor(ctx, Actor{Via: viaWeb, From: from}), n)
	if err != nil {
		s.noteRefused(ctx, how, from, err)
		var told *Error
		if spent && errors.As(err, &told) {
			err = tooManySignIns()
		}
		return "", WebSession{}, err
	}
	ws.Current = true
	return secret, ws, nil
}

func tooManySignIns() *Error {
	return Errorf(ErrRate, "Signing in failed too often from your address. Nobody was signed in; try again in %d minutes.", signInWindow/time.Minute)
}

// viaWeb is Actor.Via of the dashboard.
const viaWeb = "web"

// SignInRefused counts and writes down an attempt that was refused before it
// named an account; how is "passkey" or "oidc".
func (s *Service) SignInRefused(ctx context.Context, how, from string, why error) {
	s.noteRefused(ctx, how, from, why)
}

func (s *Service) noteRefused(ctx context.Context, how, from string, why error) {
	var told *Error
	if !errors.As(why, &told) || told.ID == ErrUnavailable || told.ID == ErrRate {
		return // our fault, not theirs
	}
	now := time.Now()
	if !s.signIns.Allow(from, now) || !s.refusals.Allow(everyone, now) {
		return
	}
	nobody := Actor{Account: Account{ID: uuid.Nil.String(), Email: "nobody"}, Via: viaWeb, From: from}
	first, _, _ := strings.Cut(told.Message, ". ")
	if err := s.store.SignInFailed(WithActor(ctx, nobody), how+": "+tame(first)); err != nil {
		s.log.Error("write down a refused sign-in", "err", err)
	}
}

// tame makes what a browser says of itself fit to be kept and shown.
func tame(text string) string {
	const longest = 200 // bytes
	return shorten(strings.Map(printable, strings.ToValidUTF8(text, "?")), longest)
}

// SessionActor is who a browser's secret belongs to. One that is not known, or
// not any more, is ErrUnauthorized.
func (s *Service) SessionActor(ctx context.Context, secret, from string) (Actor, WebSession, error) {
	if !isCode(sessionPrefix, secret) {
		return Actor{}, WebSession{}, signedOut()
	}
	a, ws, err := s.store.WebSession(ctx, hashOf(secret), from)
	if IsID(err, ErrNotFound) {
		return Actor{}, WebSession{}, signedOut()
	}
	if err != nil {
		return Actor{}, WebSession{}, err
	}
	ws.Current = true
	return Actor{Account: a, Session: ws.ID, Via: viaWeb, From: from}, ws, nil
}

func signedOut() *Error {
	return &Error{ID: ErrUnauthorized, Message: "You are not signed in, or not any more. Nothing was changed.", Next: "Sign in: paas dashboard"}
}

// WebSessions lists the actor's, the newest first.
func (s *Service) WebSessions(ctx context.Context, actor Actor) ([]WebSession, error) {
	if err := allowAccount(actor); err != nil {
		return nil, err
	}
	list, err := s.store.WebSessions(ctx, actor.ID)
	for i := range list {
		list[i].Current = actor.Session != "" && list[i].ID == actor.Session
	}
	return list, err
}

// EndWebSession ends one of the actor's sessions, with what it holds open.
func (s *Service) EndWebSession(ctx context.Context, actor Actor, id string) error {
	if err := allowAccount(actor); err != nil {
		return err
	}
	_, err := s.store.EndWebSession(ctx, actor.ID, id)
	if IsID(err, ErrNotFound) {
		return Errorf(ErrNotFound, "That browser is not signed in any more. Nothing was changed.")
	}
	return err
}

// SignOut ends the session of that secret; one that has ended is no error.
func (s *Service) SignOut(ctx context.Context, secret string) error {
	actor, ws, err := s.SessionActor(ctx, secret, "")
	if IsID(err, ErrUnauthorized) {
		return nil
	}
	if err != nil {
		return err
	}
	if who, ok := ActorOf(ctx); ok {
		actor.From = who.From
	}
	_, err = s.store.EndWebSession(WithActor(ctx, actor), actor.ID, ws.ID)
	if IsID(err, ErrNotFound) {
		return nil
	}
	return err
}
