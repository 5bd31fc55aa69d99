package server

import (
	"context"
	"time"
)

// SignInLink signs its account in to the dashboard, once. Only the SHA-256 of
// the code is kept.
type SignInLink struct {
	Code      string // shown this once
	ExpiresAt time.Time
}

// WebSession is one browser that is signed in to the dashboard. Only the
// SHA-256 of its secret is kept.
type WebSession struct {
	ID        string
	AccountID string
	Email     string // of the account
	From      string // address of its last request, to the minute
	Agent     string // what the browser called itself, shortened
	How       string // "link", "passkey" or "oidc"
	CreatedAt time.Time
	SeenAt    time.Time // of its last request, to the minute
	ExpiresAt time.Time // if it is idle until then
	Current   bool      // the one that asks
}

// The lives of the dashboard's sessions.
const (
	WebIdle = 12 * time.Hour     // without a request
	WebLife = 7 * 24 * time.Hour // at most
)

// NewWebSession is what a session is made with.
type NewWebSession struct {
	Hash  []byte // SHA-256 of its secret
	From  string
	Agent string
	How   string
}

// LinkState is what became of a sign-in link.
type LinkState string

// The states of a link; one that nobody knows has none.
const (
	LinkOpen    LinkState = "open"
	LinkUsed    LinkState = "used"
	LinkExpired LinkState = "expired"
)

// SignInStore keeps who is signed in to the dashboard, and by what.
type SignInStore interface {
	LinkStore
	WebSessionStore
	PasskeyStore
	IdentityStore
	ChallengeStore
}

// LinkStore keeps sign-in links.
type LinkStore interface {
	// CreateSignInLink keeps an open link, and forgets old ones.
	CreateSignInLink(ctx context.Context, accountID string, hash []byte, life time.Duration) (expires time.Time, err error)
	SignInLink(ctx context.Context, hash []byte) (Account, LinkState, error)
	// UseSignInLink signs in by an open link and no other; it is used then.
	UseSignInLink(ctx context.Context, hash []byte, n NewWebSession) (WebSession, error)
	// SignInFailed writes a refused attempt down in the audit log.
	SignInFailed(ctx context.Context, text string) error
}

// WebSessionStore keeps the dashboard's sessions.
type WebSessionStore interface {
	// WebSession finds a live one by its secret's hash and notes its use.
	WebSession(ctx context.Context, hash []byte, from string) (Account, WebSession, error)
	WebSessions(ctx context.Context, accountID string) ([]WebSession, error)
	// EndWebSession tells who holds something open by it.
	EndWebSession(ctx context.Context, accountID, id string) (WebSession, error)
	// WebSessionLives says whether it is signed in still.
	WebSessionLives(ctx context.Context, id string) (bool, error)
}
