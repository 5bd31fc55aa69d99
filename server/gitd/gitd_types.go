package gitd

import (
	"context"
	"io"

	"paas/server/api"
)

// Identity is who a connection proved to be, by a key, nothing else.
type Identity struct {
	AccountID   string
	Email       string
	Fingerprint string
	From        string // the other side's address, without port
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
	// Command runs a command of the platform in the name of by and gives its
	// exit code. ctx ends when the client is gone, sends a signal, or the
	// server stops; it returns soon after.
	Command(ctx context.Context, by Identity, c Command) (exit int)
}

// Command is a command line that is neither git's nor a login. Nothing else of
// the client's session is known: environment variables are refused.
type Command struct {
	Words    []string      // at least one
	In       io.ReadCloser // Close ends a Read that waits
	Out, Err io.Writer
	Terminal *Terminal // nil when the client asked for none
}

// Terminal is the one at the client's end. It is raw there: keys come as they
// are typed, and nothing is echoed.
type Terminal struct {
	Kind    string // as TERM has it
	Size    api.WindowSize
	Resizes <-chan api.WindowSize // the newest size; never closed
}
