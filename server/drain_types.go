package server

import (
	"context"
	"time"
)

// NoticeDrains is the topic of changes of log drains.
const NoticeDrains = "drains"

// MaxDrains is how many drains an app may have (Heroku).
const MaxDrains = 5

// Drain is where an app's log lines are sent to.
type Drain struct {
	ID        string
	AppID     string
	App       string
	Token     string // "d.<uuid>": names the drain to who receives its lines
	URL       string // with its password
	CreatedAt time.Time
}

// SealedDrain is a drain as it is stored.
type SealedDrain struct {
	Drain          // without URL
	Sealed  []byte // the URL
	DataKey []byte // wrapped, of the app
}

// DrainStore keeps where log lines are sent to.
type DrainStore interface {
	// Drains of an app, of all apps when appID is empty, oldest first.
	Drains(ctx context.Context, appID string) ([]SealedDrain, error)
	// CreateDrain adds one unless judge, which sees those there are under the
	// app's lock, objects. Label is the URL without its secrets, for the events.
	CreateDrain(ctx context.Context, d SealedDrain, actor, label string, judge func([]SealedDrain) error) (SealedDrain, error)
	DeleteDrain(ctx context.Context, appID, id, actor, label string) error
}

// DrainGuard says where log lines may be sent: not into the platform's own
// networks. The sender asks it again at every connection, because names can
// change what they point to.
type DrainGuard interface {
	// Check returns an error made for people when nothing may be sent there.
	Check(ctx context.Context, host string, port int) error
}
