package server

import (
	"fmt"
	"slices"
	"time"
)

// DeployState is where a deploy stands. The table below is the only place that
// says what may follow what; CHECKs in the database mirror it.
type DeployState string

// The states of a deploy.
const (
	DeployQueued     DeployState = "queued"     // waits for its turn
	DeployBuilding   DeployState = "building"   // BuildKit works, or its image waits for the rollout slot
	DeployReleasing  DeployState = "releasing"  // the release row is being written
	DeployRolling    DeployState = "rolling"    // instances start, traffic moves
	DeployLive       DeployState = "live"       // final: the release serves
	DeployFailed     DeployState = "failed"     // final: nothing changed; Stage and Reason say why
	DeployCancelled  DeployState = "cancelled"  // final
	DeploySuperseded DeployState = "superseded" // final: a newer push took its place in the queue
)

var deployNext = map[DeployState][]DeployState{
	DeployQueued:    {DeployBuilding, DeployReleasing, DeployFailed, DeployCancelled, DeploySuperseded},
	DeployBuilding:  {DeployReleasing, DeployFailed, DeployCancelled},
	DeployReleasing: {DeployRolling, DeployLive, DeployFailed, DeployCancelled},
	DeployRolling:   {DeployLive, DeployFailed, DeployCancelled},
}

// Final says that nothing follows.
func (s DeployState) Final() bool { return len(deployNext[s]) == 0 }

// Check returns an error when a deploy may not go from s to next.
func (s DeployState) Check(next DeployState) error {
	if !slices.Contains(deployNext[s], next) {
		return fmt.Errorf("a deploy cannot go from %s to %s", s, next)
	}
	return nil
}

// DeployKind is what started a deploy.
type DeployKind string

// The kinds of deploy.
const (
	KindPush     DeployKind = "push"
	KindConfig   DeployKind = "config"
	KindRollback DeployKind = "rollback"
	KindRetry    DeployKind = "retry" // a release that failed, once more
)

// Deploy is one attempt to make a new release serve.
type Deploy struct {
	ID          string
	AppID       string
	App         string
	Kind        DeployKind
	State       DeployState
	Stage       DeployState // where it failed
	Reason      string      // why it failed, for people
	UserID      string
	User        string
	Description string
	BuildID     string // push
	ReleaseID   string // from releasing on
	Version     int    // of that release, 0 before
	Source      string // rollback, retry: id of the release to copy

	Ref    string // push: refs/heads/main
	Old    string // push: what the pusher saw there; zeros for a new branch
	Commit string // push
	// Subject is the first line of the commit's message: foreign text.
	Subject string
	// RefMoved says that the branch followed, after live.
	RefMoved bool

	Built bool // push: its image is there
	Held  bool // somebody works on it, or has died doing so just now

	Attempts   int // how often a worker took it up
	CreatedAt  time.Time
	UpdatedAt  time.Time
	DeadlineAt time.Time // of the present stage, on the database's clock
}
