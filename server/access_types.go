package server

import (
	"context"
	"time"
)

// Collaborator is an account that may do something with another's app.
type Collaborator struct {
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

// AuditEntry is one line of the audit log.
type AuditEntry struct {
	ID        int64
	At        time.Time
	Actor     string // e-mail
	AccountID string
	TokenID   string
	Via       string
	From      string
	AppID     string
	App       string
	Kind      string // as of events: "config.set", "access.added", …
	Text      string // names, never values
}

// AccessStore keeps who may do what, and the audit log.
type AccessStore interface {
	// Permissions of an account on an app of another; empty: none.
	Permissions(ctx context.Context, appID, accountID string) ([]Permission, error)
}
