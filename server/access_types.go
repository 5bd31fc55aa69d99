package server

import (
	"context"
	"time"
)

// Collaborator is an account that may do something with another's app.
type Collaborator struct {
	ID          string
	AppID       string
	App         string
	AccountID   string
	Email       string
	Permissions []Permission // with PermView, in the order of Permissions
	CreatedAt   time.Time
	UpdatedAt   time.Time
}

// Invitation is an account that is to be.
type Invitation struct {
	ID          string
	Hash        []byte // SHA-256 of the code
	Email       string
	AppID       string // may be empty
	App         string
	Permissions []Permission
	InvitedBy   string // account id
	Inviter     string // e-mail
	ExpiresAt   time.Time
	CreatedAt   time.Time
}

// Grant is what became of giving access: a collaborator or, when nobody has
// that e-mail yet, an invitation and its code, which is shown this once.
type Grant struct {
	Collaborator Collaborator
	Invitation   Invitation // zero when there is a collaborator
	Code         string
}

// AuditEntry is one line of the audit log.
type AuditEntry struct {
	ID        int64
	At        time.Time
	Actor     string // e-mail
	AccountID string
	TokenID   string // or the id of the dashboard's session; empty for a key and the operator's socket
	Via       string // "api", "ssh", "socket", "web"
	From      string // address, empty on the socket
	AppID     string // empty for what belongs to no app
	App       string // its name at that time
	Kind      string // as of events: "config.set", "access.added", …
	Text      string // names, never values
}

// AuditState is what a walk along the audit log's chain of hashes found.
type AuditState struct {
	Rows   int64  // rows of the log
	Head   string // hash of the newest row, hex; whoever notes it can tell later that nothing before was taken away
	Broken int64  // id of the first row that does not fit, 0 when all do
	Why    string // what is wrong with it
}

// AccessStore keeps who may do what, by which credential, and who did what.
type AccessStore interface {
	CollaboratorStore
	InvitationStore
	TokenStore
	PeopleStore
	AuditStore
}

// CollaboratorStore keeps who may do what with an app of another.
type CollaboratorStore interface {
	// Permissions of an account on an app of another; empty: none.
	Permissions(ctx context.Context, appID, accountID string) ([]Permission, error)
	Collaborators(ctx context.Context, appID string) ([]Collaborator, error)
	// AddCollaborator is ErrStale when the account is one already.
	AddCollaborator(ctx context.Context, c Collaborator, actor string) (Collaborator, error)
	UpdateCollaborator(ctx context.Context, c Collaborator, actor string) (Collaborator, error)
	// RemoveCollaborator also withdraws the invitations the account made.
	RemoveCollaborator(ctx context.Context, c Collaborator, actor string) error
}

// InvitationStore keeps invitations. Expired and accepted ones are not found.
type InvitationStore interface {
	Invitations(ctx context.Context, appID string) ([]Invitation, error)
	// Invite replaces an open invitation of the same app and e-mail.
	Invite(ctx context.Context, i Invitation, actor string) (Invitation, error)
	RevokeInvitation(ctx context.Context, appID, id, actor string) (Invitation, error)
	// InvitationByHash finds one whose inviter may still give access.
	InvitationByHash(ctx context.Context, hash []byte) (Invitation, error)
	// Join accepts an invitation by a new account with its first key and token.
	Join(ctx context.Context, i Invitation, k Key, t Token) (Account, Token, error)
	// JoinAs accepts an invitation by an account that exists.
	JoinAs(ctx context.Context, i Invitation, a Account) error
}

// TokenStore keeps API tokens beside AccountStore, which makes and knows them.
type TokenStore interface {
	// Tokens lists an account's unexpired logins and API tokens, oldest first.
	Tokens(ctx context.Context, accountID string) ([]Token, error)
	RevokeToken(ctx context.Context, accountID, id string) (Token, error)
	// TokenLives says whether a token of any kind may still be used.
	TokenLives(ctx context.Context, id string) (bool, error)
	// RotateToken replaces the secret; the old one ends at once.
	RotateToken(ctx context.Context, t Token) (Token, error)
}

// PeopleStore lists and changes accounts.
type PeopleStore interface {
	Accounts(ctx context.Context) ([]Account, error)
	// CreateAccount makes an account, or finds the one with that e-mail, and
	// gives it the key when there is one: all or nothing.
	CreateAccount(ctx context.Context, email string, admin bool, k *Key) (Account, error)
	SetAdmin(ctx context.Context, id string, admin bool) (Account, error)
	// RemoveAccount takes an account's keys, tokens and access away.
	RemoveAccount(ctx context.Context, id string) (Account, error)
}

// AuditStore reads the audit log, which every change of state writes.
type AuditStore interface {
	// Audit lists the newest entries, newest first; an empty app is all.
	Audit(ctx context.Context, appID string, max int) ([]AuditEntry, error)
	SearchAudit(ctx context.Context, q ActivityQuery) ([]AuditEntry, error)
	// Activity is the app's events; origin adds via and from of the audit log.
	Activity(ctx context.Context, appID string, q ActivityQuery, origin bool) ([]Activity, error)
	// VerifyAudit walks the chain; a head that was noted earlier (hex, may be
	// empty) must be part of it.
	VerifyAudit(ctx context.Context, head string) (AuditState, error)
	// SessionOpened writes down that somebody went into an instance, which
	// changes no row of its own; but not again within quiet.
	SessionOpened(ctx context.Context, appID, actor, what string, quiet time.Duration) error
}
