package server

import (
	"context"
	"time"
)

// MaxLinks is how many apps one app may reach from inside.
const MaxLinks = 50

// LinkSuffix ends the names of linked apps.
const LinkSuffix = ".internal"

// Link lets an app reach the web type of another from inside.
type Link struct {
	ID       string
	AppID    string // who calls
	App      string
	TargetID string // who is called
	Target   string
	AddedBy  string // e-mail
	AddedAt  time.Time
}

// Hostname is where the app reaches the other.
func (l Link) Hostname() string { return l.Target + LinkSuffix }

// AppLinkStore keeps which apps reach which.
type AppLinkStore interface {
	// Links lists those from and to an app, by the names of both.
	Links(ctx context.Context, appID string) ([]Link, error)
	// AddLink is ErrStale when there is one already.
	AddLink(ctx context.Context, appID, targetID, actor string) (Link, error)
	RemoveLink(ctx context.Context, l Link, actor string) error
}
