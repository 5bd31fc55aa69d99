package server

import (
	"context"
	"time"
)

// RunState is where a one-off stands.
type RunState string

// The states of a run.
const (
	RunPending   RunState = "pending"   // waits for a host, its image, or (attached) its client
	RunRunning   RunState = "running"   // its process runs
	RunSucceeded RunState = "succeeded" // final: exit code 0
	RunFailed    RunState = "failed"    // final: another exit code, or it could not run; Reason says why
	RunStopped   RunState = "stopped"   // final: ended from outside, by a person, a limit, or its client's leaving
)

// Final says that nothing follows.
func (s RunState) Final() bool { return s == RunSucceeded || s == RunFailed || s == RunStopped }

// The types of one-offs, which are the first part of their names.
const (
	RunType        = "run"        // paas run
	ReleaseType    = "release"    // the Procfile's release command
	PostdeployType = "postdeploy" // app.json's scripts.postdeploy
	SchedulerType  = "scheduler"  // app.json's cron
)

// Run is a one-off instance: a command that runs once, with the image and the
// config of a release, and is never restarted. While it lives there is an
// Instance of the same id.
type Run struct {
	ID        string
	AppID     string
	App       string
	ReleaseID string
	Release   int // version
	Type      string
	Ordinal   int // its name is "run.1234"
	Command   string
	Argv      []string
	Size      string
	Attach    bool // its streams belong to a client: it starts when that comes and ends when that goes
	TTY       bool
	UserID    string
	User      string
	CronID    string
	Tick      time.Time // of the cron; zero for run-now
	State     RunState
	HostID    string // where it was placed; empty before, and after its end
	ExitCode  int
	Reason    string        // how it ended, or why it has not started yet
	TimeLimit time.Duration // 0: none
	CreatedAt time.Time
	StartedAt time.Time // zero before
	EndedAt   time.Time // zero before
}

// Name is "run.1234".
func (r Run) Name() string { return instanceName(r.Type, r.Ordinal) }

// NewRun is what a run begins with. CreateRun fills in ordinal and state.
type NewRun struct {
	ID        string // chosen by the caller: asking again makes no second one
	AppID     string
	ReleaseID string // empty: the current one
	Type      string
	Command   string
	Argv      []string
	Env       []byte // sealed, or nil
	Size      string
	Attach    bool
	TTY       bool
	UserID    string // empty: the platform
	Actor     string // e-mail or "paas"
	CronID    string
	Tick      time.Time
	TimeLimit time.Duration
}

// RunFilter chooses runs; zero values choose all.
type RunFilter struct {
	ReleaseID string
	Type      string
	CronID    string
	Live      bool // not final
	Max       int  // newest first; 0 is 1,000
}

// RunStore keeps one-offs.
type RunStore interface {
	// CreateRun writes the run and its instance, which the planner places. A
	// second release run of a release, postdeploy of an app, or run of a cron's
	// tick is ErrStale.
	CreateRun(ctx context.Context, n NewRun) (Run, error)
	// Run finds by id or name ("run.1234").
	Run(ctx context.Context, appID, ident string) (Run, error)
	Runs(ctx context.Context, appID string, f RunFilter) ([]Run, error)
	// StopRun has a run ended; reason says why. One that has ended stays as it is.
	StopRun(ctx context.Context, appID, id, actor, reason string) error
	// HoldRun says that the client of an attached run is there for d from now.
	HoldRun(ctx context.Context, id string, d time.Duration) error
	// StopLapsed has attached runs ended whose client has gone.
	StopLapsed(ctx context.Context) (int, error)
	RunRecords
}

// RunRecords are what the platform's own one-offs leave behind.
type RunRecords interface {
	// AppendRunOutput adds whole lines to what is kept of a run's output, at
	// most MaxRunOutput: the oldest goes. at is the time of the last of them.
	AppendRunOutput(ctx context.Context, id string, at time.Time, lines []byte) error
	// RunOutput gives it, with a first line that says so when the beginning
	// was cut, and the time of its last line: zero when there is none.
	RunOutput(ctx context.Context, id string) ([]byte, time.Time, error)
	// PostDeployed says that app.json's postdeploy has had its turn.
	PostDeployed(ctx context.Context, appID string) error
}

// MaxRunOutput is how many bytes of the output of a release command are kept
// beyond the app's log.
const MaxRunOutput = 1 << 20

// MaxRuns is how many one-offs of an app (run and scheduler) may live at once.
const MaxRuns = 50
