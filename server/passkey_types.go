package server

import (
	"context"
	"time"
)

// Passkey is a public key by which an account signs in to the dashboard
// (WebAuthn). The private one never leaves the person's device.
type Passkey struct {
	ID         string
	AccountID  string
	Credential []byte    // the device's name for it
	Record     []byte    // JSON of the library that checks it
	SignCount  uint32    // grows with each use, if the device counts
	Name       string    // that the person gave it
	UsedAt     time.Time // zero: never
	CreatedAt  time.Time
}

// PasskeyStore keeps passkeys.
type PasskeyStore interface {
	Passkeys(ctx context.Context, accountID string) ([]Passkey, error)
	CreatePasskey(ctx context.Context, p Passkey) (Passkey, error)
	RemovePasskey(ctx context.Context, accountID, id string) (Passkey, error)
	// Passkey finds one by the device's name for it, with its account.
	Passkey(ctx context.Context, credential []byte) (Account, Passkey, error)
	// UsePasskey signs in by one, if nobody has used it since it was read
	// with the count before.
	UsePasskey(ctx context.Context, p Passkey, before uint32, n NewWebSession) (WebSession, error)
}

// Identity is who somebody is at a provider of identities (OpenID Connect),
// as its signed word has it.
type Identity struct {
	Issuer   string
	Subject  string
	Email    string
	Verified bool // the provider vouches for the e-mail
}

// ProviderAnswer is what a provider of identities sent a browser back with.
type ProviderAnswer struct {
	Ticket      string // that the browser was given when it left
	State, Code string
	Error       string // instead of a code
}

// IdentityStore keeps which account is who at a provider.
type IdentityStore interface {
	// UseIdentity signs in the account that is linked to it; when none is, the
	// one with its verified e-mail, which is linked then. There is none:
	// ErrNotFound.
	UseIdentity(ctx context.Context, i Identity, n NewWebSession) (WebSession, error)
}

// ChallengeStore keeps what a sign-in that has begun waits to be answered with.
type ChallengeStore interface {
	// KeepChallenge is ErrUnavailable when too many wait.
	KeepChallenge(ctx context.Context, hash []byte, kind string, data []byte, life time.Duration) error
	// TakeChallenge gives it once.
	TakeChallenge(ctx context.Context, hash []byte, kind string) ([]byte, error)
}
