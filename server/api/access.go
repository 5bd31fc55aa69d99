package api

import "time"

// Collaborator is an account that may do something with another's app. Its
// owner is none of them.
type Collaborator struct {
	App         Ref              `json:"app"`
	CreatedAt   time.Time        `json:"created_at"`
	ID          string           `json:"id"`
	Permissions []Permission     `json:"permissions"`
	Role        *string          `json:"role"`
	UpdatedAt   time.Time        `json:"updated_at"`
	User        CollaboratorUser `json:"user"`
}

// CollaboratorUser is whose access it is.
type CollaboratorUser struct {
	Email     string `json:"email"`
	Federated bool   `json:"federated"`
	ID        string `json:"id"`
}

// Permission is one thing that a collaborator may do: view, deploy, operate or
// manage.
type Permission struct {
	Name        string `json:"name"`
	Description string `json:"description"`
}

// AddCollaborator is the body of POST /apps/{app}/collaborators. Without
// permissions it gives view, deploy and operate. It answers 201 with a
// Collaborator, or 202 with an Invitation when nobody has that e-mail yet.
type AddCollaborator struct {
	User        string   `json:"user"` // e-mail
	Permissions []string `json:"permissions,omitempty"`
	Silent      bool     `json:"silent,omitempty"` // nobody is sent e-mail anyway
}

// UpdateCollaborator is the body of PATCH /apps/{app}/collaborators/{…}.
type UpdateCollaborator struct {
	Permissions []string `json:"permissions"`
}

// Invitation is an account that is to be.
type Invitation struct {
	ID          string    `json:"id"`
	App         Ref       `json:"app"`
	Email       string    `json:"email"`
	Permissions []string  `json:"permissions"`
	InvitedBy   string    `json:"invited_by"` // e-mail
	CreatedAt   time.Time `json:"created_at"`
	ExpiresAt   time.Time `json:"expires_at"`
	// Code accepts it; it is shown once, in the answer that made it. URL is the
	// API's address to send it to.
	Code string `json:"code,omitempty"`
	URL  string `json:"url,omitempty"`
}

// AcceptInvitation is the body of POST /invitations/accept, where the code
// proves who asks, and of POST /account/invitations, where a token does and
// PublicKey is not looked at.
type AcceptInvitation struct {
	Code      string `json:"code"`
	PublicKey string `json:"public_key,omitempty"`
}

// Joined is what accepting an invitation by a new account answers: its login.
type Joined struct {
	Login
	SSH string `json:"ssh"` // "ssh://paas@example.com:2222", where its key works
	App Ref    `json:"app"`
}

// Authorization is an API token or a login.
type Authorization struct {
	AccessToken  *AccessToken `json:"access_token"`
	Client       *Ref         `json:"client"`
	CreatedAt    time.Time    `json:"created_at"`
	Grant        *Ref         `json:"grant"`
	ID           string       `json:"id"`
	RefreshToken *Ref         `json:"refresh_token"`
	Scope        []string     `json:"scope"`
	UpdatedAt    time.Time    `json:"updated_at"`
	User         TokenUser    `json:"user"`
	// Description is sent by Heroku though its schema lacks it.
	Description string `json:"description"`
	// The rest is ours.
	Kind       string     `json:"kind"`         // api, login
	ExpiresAt  *time.Time `json:"expires_at"`   // null: never
	LastUsedAt *time.Time `json:"last_used_at"` // to the minute; null: never
	Current    bool       `json:"current"`      // it is the one that asks
}

// AccessToken is the secret of an authorization and how long it lives.
type AccessToken struct {
	ExpiresIn *int   `json:"expires_in"` // seconds; null: for ever
	ID        string `json:"id"`
	Token     string `json:"token,omitempty"` // in the answer that made it only
}

// TokenUser is whose authorization it is.
type TokenUser struct {
	Email    string  `json:"email"`
	FullName *string `json:"full_name"`
	ID       string  `json:"id"`
}

// CreateAuthorization is the body of POST /oauth/authorizations. Without
// scopes it is global; without ExpiresIn it lives for 90 days; 0 is for ever.
type CreateAuthorization struct {
	Description string   `json:"description,omitempty"`
	ExpiresIn   *int     `json:"expires_in,omitempty"` // seconds
	Scope       []string `json:"scope,omitempty"`
}

// UpdateAccount is the body of PATCH /accounts/{account}.
type UpdateAccount struct {
	Admin *bool `json:"admin"`
}

// AuditEntry is one line of the audit log, newest first in lists.
type AuditEntry struct {
	ID        int64     `json:"id"`
	CreatedAt time.Time `json:"created_at"`
	Actor     UserRef   `json:"actor"`
	TokenID   string    `json:"token_id,omitempty"`
	Via       string    `json:"via"`            // api, ssh, socket, web
	From      string    `json:"from,omitempty"` // address
	App       *Ref      `json:"app"`            // null for what belongs to no app
	Kind      string    `json:"kind"`           // "config.set", "access.added", …
	Text      string    `json:"text"`
}

// AuditState is what a walk along the audit log found.
type AuditState struct {
	Rows   int64  `json:"rows"`
	Head   string `json:"head"` // note it elsewhere; give it to the next walk
	Intact bool   `json:"intact"`
	Broken *int64 `json:"broken,omitempty"` // id of the first row that does not fit
	Why    string `json:"why,omitempty"`
}
