package server

import (
	"context"
	"time"

	"paas/router"
)

// RouterState is a router in one word, for people.
type RouterState string

// The states of a router.
const (
	RouterReady  RouterState = "ready"  // serves from the newest table
	RouterBehind RouterState = "behind" // is heard of, but has not said yet that it serves from the newest table
	RouterLost   RouterState = "lost"   // not heard of: it serves from the table it had, and deploys do not wait for it
)

// BuiltInRouter names the router that runs in the control plane's own process.
const BuiltInRouter = "built-in"

// RouterRow is a router as people see it.
type RouterRow struct {
	ID, Name string
	State    RouterState
	Note     string    // what people should know beyond the state; may be empty
	Local    bool      // in the control plane's own process
	Addr     string    // where it takes requests, as it says itself; empty when not told
	Version  string    // of its program; empty when not told
	Table    int64     // version of the table it serves from; 0: it has not said
	Newest   int64     // version of the newest table
	Busy     int       // requests in flight to instances that left the table
	SeenAt   time.Time // it was last heard of; zero: never
	Findings []Finding // of paas doctor there, when it began; for admins
}

// RouterJoin is a machine that wants to become a router.
type RouterJoin struct {
	Token   string
	Addr    string // where it comes from
	Version string // of its program
	Key     []byte // SHA-256 of its public key
}

// RouterInvitation is what one new router needs to join; its token is shown
// this once.
type RouterInvitation struct {
	Router, Token string
	Fleet         string // host:port that routers dial
	CA            string // SHA-256 fingerprint of the authority's certificate, hex
	ExpiresAt     time.Time
}

// RouterToken is the row of an invitation.
type RouterToken struct {
	Hash   []byte // SHA-256 of the token
	Router string
	Actor  string
	Life   time.Duration
}

// RouterBeat is a router's sign of life, with what it says of itself: the
// whole of it each time.
type RouterBeat struct {
	Stream  string // by which the table came that Ack is about
	Ack     router.Ack
	Addr    string
	Version string // of its program
	Leaving bool   // it has stopped, and serves nothing any more
	// Examined says that Findings are told: what paas doctor found there and is not
	// in order. They are told once by each stream of tables.
	Examined bool
	Findings []Finding
}

// RouterLine is a line of a router about one request.
type RouterLine struct {
	AppID string
	At    time.Time
	Text  string
}

// RouterBatch is what a router counted and logged since its last one. The same
// batch may come again: Life and Number tell.
type RouterBatch struct {
	Life    string // of the router's process
	Number  int64  // grows by one
	Lines   []RouterLine
	Dropped map[string]int // lines that there was no room for, by app
	Counts  []router.Count
}

// RouterSeen is what is stored of a router's newest sign of life.
type RouterSeen struct {
	ID            string
	Age           time.Duration // since it was received
	Addr, Version string
}

// RouterStore keeps routers that are processes of their own.
type RouterStore interface {
	// JoinRouter spends a token. The same token with the same key gives the
	// same router again.
	JoinRouter(ctx context.Context, tokenHash []byte, j RouterJoin) (id, name string, err error)
	RouterByKey(ctx context.Context, keyHash []byte) (id string, err error)
	RenewRouterKey(ctx context.Context, id string, from, to []byte) error
	// NoteRouters stores who was heard of and gives all routers, by name.
	NoteRouters(ctx context.Context, seen []RouterSeen) ([]RouterRow, error)
	// InviteRouter replaces an unused token for a router of the same name; a
	// router that is there is ErrConflict.
	InviteRouter(ctx context.Context, t RouterToken) (expires time.Time, err error)
	// RemoveRouter forgets a router, by id.
	RemoveRouter(ctx context.Context, id, actor string) error
}
