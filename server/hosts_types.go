package server

import (
	"context"
	"time"

	"paas/scheduler"
)

// HostState is a host in one word, for people.
type HostState string

// The states of a host, the first that holds is told.
const (
	HostLost     HostState = "lost"     // not heard of; what it had runs elsewhere
	HostDrained  HostState = "drained"  // nothing is left on it
	HostDraining HostState = "draining" // what it has moves away
	HostCordoned HostState = "cordoned" // takes nothing new
	HostSettling HostState = "settling" // takes nothing new yet: it was lost, or its engine does not answer
	HostReady    HostState = "ready"
	HostInvited  HostState = "invited" // may join, and has not
)

// hostSilent is how long nothing may be heard of a host until people are told.
const hostSilent = 3 * time.Second

// Silent says that nothing was heard of the host for a while, whatever its
// state: see Note for why it is not declared lost. One that never was heard of is not.
func (h HostRow) Silent(now time.Time) bool {
	return !h.SeenAt.IsZero() && now.Sub(h.SeenAt) > hostSilent
}

// HostInvitation is what one new machine needs to join; its token is shown
// this once.
type HostInvitation struct {
	Host, Token string
	Fleet       string // host:port that agents dial
	CA          string // SHA-256 fingerprint of the authority's certificate, hex
	ExpiresAt   time.Time
	Replaces    bool // an earlier one of that name, which is void now
}

// HostToken is the row of an invitation.
type HostToken struct {
	Hash   []byte // SHA-256 of the token
	Host   string
	Labels map[string]string
	Actor  string
	Life   time.Duration
	Until  time.Time // when it is read
}

// HostChange changes what is not nil, empty or zero; all of it or nothing.
type HostChange struct {
	Labels map[string]string // set
	Unset  []string          // labels
	Cordon *bool             // false also ends a drain
	Drain  *bool
	// Deadline is how long a drain may take until what is left is stopped; 0
	// is for ever.
	Deadline            time.Duration
	KeptCPU, KeptMemory *int64 // milli-CPU and bytes that instances do not get
}

// PlacementChange says where an app's instances may be from now on.
type PlacementChange struct {
	scheduler.Placement
	// Had is what it takes the place of: when somebody else has changed it
	// meanwhile, nothing is changed. Nil: whatever there is.
	Had *scheduler.Placement
	// Force sets also what no host meets now.
	Force bool
}

// Why says where an instance is, or why it is nowhere.
type Why struct {
	Instance Instance
	Host     string // name; empty while it has none
	Old      string // name of the host of the one whose place it is to take, while it has none itself
	Reason   string // why it is pending
	Refusals []scheduler.Refusal
}

// HostAdminStore is what people change of hosts.
type HostAdminStore interface {
	// InviteHost replaces an unused token for a host of the same name; a host
	// that is there is ErrConflict.
	InviteHost(ctx context.Context, t HostToken) (expires time.Time, err error)
	// InvitedHosts are the invitations that can be used, by name.
	InvitedHosts(ctx context.Context) ([]HostToken, error)
	// UninviteHost voids an invitation; one that is not there is ErrNotFound.
	UninviteHost(ctx context.Context, host, actor string) error
	// ChangeHost finds by name or id.
	ChangeHost(ctx context.Context, ident, actor string, c HostChange) error
	// RemoveHost forgets a host with all that is on it, which force allows.
	RemoveHost(ctx context.Context, ident, actor string, force bool) error
}

// PlacementStore keeps where an app's instances may be.
type PlacementStore interface {
	Placement(ctx context.Context, appID string) (scheduler.Placement, error)
	// SetPlacement is ErrConflict when the placement is not the one that it
	// changes, unless that is nil.
	SetPlacement(ctx context.Context, appID, actor string, c PlacementChange) error
}
