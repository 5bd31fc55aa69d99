package server

import (
	"context"
	"time"
)

// Cron is a command of app.json that runs by the clock.
type Cron struct {
	ID        string
	AppID     string
	App       string
	Command   string
	Schedule  string // five fields, or @hourly …
	Timezone  string // IANA name
	Policy    CronPolicy
	Suspended bool
	NextAt    time.Time // of the next tick
	Last      *Run      // the newest of its runs, nil before
	CreatedAt time.Time
}

// CronPolicy says what happens at a tick while the run before still lives.
type CronPolicy string

// The policies; allow is the default.
const (
	CronAllow   CronPolicy = "allow"   // both run
	CronForbid  CronPolicy = "forbid"  // the tick is skipped, which an event notes
	CronReplace CronPolicy = "replace" // the one before is stopped
)

// Firing is one tick of a cron, or a run of it by hand.
type Firing struct {
	Cron Cron
	// Run is what to run; nil only moves the clock on.
	Run *NewRun
	// Next is when the following tick is; zero for a run by hand, which
	// leaves the clock alone.
	Next time.Time
	// Note is an event about what was not run; may be empty.
	Note string
}

// CronStore keeps crons and says which are due.
type CronStore interface {
	// Crons lists those of the app's current release.
	Crons(ctx context.Context, appID string) ([]Cron, error)
	// SuspendCron stops or resumes one; next is its next tick.
	SuspendCron(ctx context.Context, appID, id, actor string, suspended bool, next time.Time) error
	// NextCrons gives those of all apps that tick next, soonest first, without
	// their last runs.
	NextCrons(ctx context.Context, max int) ([]Cron, error)
	// Fire moves the cron's clock on from Cron.NextAt and makes its run, in one
	// transaction: of many servers that try, one succeeds and the others get
	// ErrStale. Nil without an error: the cron's policy forbade the run.
	Fire(ctx context.Context, f Firing) (*Run, error)
}

// NoticeCrons is the topic of changes of crons.
const NoticeCrons = "crons"
