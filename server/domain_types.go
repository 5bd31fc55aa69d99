package server

import (
	"context"
	"time"
)

// Domain is a host name that leads to an app.
type Domain struct {
	ID       string // empty for the app's own
	AppID    string
	App      string
	Hostname string // lower case, ASCII; "*.example.com" stands for every name one level below
	// Own says that it is the app's name under the platform's domain, which
	// every app has and nobody can take away.
	Own       bool
	Target    string // what its DNS is to point at; empty for the app's own
	CreatedAt time.Time
}

// DomainStore keeps the host names that people gave their apps.
type DomainStore interface {
	// Domains lists by name.
	Domains(ctx context.Context, appID string) ([]Domain, error)
	AddDomain(ctx context.Context, appID, hostname, actor string) (Domain, error)
	// RemoveDomains removes one by name or id, all with "", and gives them.
	RemoveDomains(ctx context.Context, appID, ident, actor string) ([]Domain, error)
}

// AppAdminStore changes what an app is.
type AppAdminStore interface {
	// ChangeApp does all of a change or nothing.
	ChangeApp(ctx context.Context, appID, actor string, c AppChange) (App, error)
	// GiveApp makes another account the owner. With keep the old one stays, as
	// a collaborator who may do everything.
	GiveApp(ctx context.Context, appID, to, actor string, keep bool) (App, error)
	// CountCollaborators counts the accounts that an app was shared with.
	CountCollaborators(ctx context.Context, appID string) (int, error)
}

// AppChange is what changes of an app; nil leaves as it is.
type AppChange struct {
	Name        *string
	Maintenance *bool
	Locked      *bool
	Settings    map[string]*int // by name; nil takes it back to the installation's
}
