package gitd

import (
	"context"
	"io"
)

// Identity is who a connection proved to be, by a key, nothing else.
type Identity struct {
	AccountID   string
	Email       string
	Fingerprint string
}

// Push is one accepted pack: the objects are in the app's repository, the
// branch has not moved.
type Push struct {
	AppID string
	App   string
	By    Identity
	Ref   string // refs/heads/main
	Old   string // what the pusher saw there; 40 zeros for a new branch
	New   string // commit to deploy
}

// Pusher is what the git side needs of the platform.
type Pusher interface {
	// KeyOwner gives the account that a public key (authorized_keys form,
	// no comment) belongs to.
	KeyOwner(ctx context.Context, publicKey string) (Identity, error)
	// Authorize resolves an app's name for an identity that wants to push
	// (write) or fetch. An app that identity may not see is "not found".
	Authorize(ctx context.Context, by Identity, app string, write bool) (appID string, err error)
	// Ready refuses a push before its pack is taken: disk nearly full, …
	Ready(ctx context.Context, appID string) error
	// Push deploys and returns when the deploy ended: nil when the release is
	// live and the branch has moved. What it writes to out is shown to the
	// pusher. When ctx ends because the pusher is gone, the deploy goes on.
	Push(ctx context.Context, p Push, out io.Writer) error
	// Login makes an API token for `paas login`; what it returns is sent as
	// one JSON line.
	Login(ctx context.Context, by Identity) (any, error)
}
