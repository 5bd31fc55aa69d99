package server

import (
	"regexp"
	"time"

	"paas/builder"
	"paas/scheduler/agent"
)

// Account is a person. Admin may do everything, also to apps of others.
type Account struct {
	ID        string
	Email     string
	Name      string
	Admin     bool
	CreatedAt time.Time
	UpdatedAt time.Time
}

// Key is an SSH public key that proves an account.
type Key struct {
	ID          string
	AccountID   string
	Email       string // of the account
	Fingerprint string // "SHA256:…" as ssh-keygen -l prints it
	PublicKey   string // one authorized_keys line without options and comment
	Comment     string
	CreatedAt   time.Time
}

// Token is an API token. Only the SHA-256 of the secret is kept.
type Token struct {
	ID          string
	AccountID   string
	Hash        []byte
	Description string
	Kind        TokenKind
	Scope       []Scope // empty: everything the account may
	ExpiresAt   time.Time
	LastUsedAt  time.Time // zero: never
	CreatedAt   time.Time
	UpdatedAt   time.Time // when its secret was last replaced
}

// TokenKind is what a token was made for.
type TokenKind string

// The kinds of token.
const (
	TokenLogin TokenKind = "login" // paas login
	TokenAPI   TokenKind = "api"   // authorizations:create
	TokenSSH   TokenKind = "ssh"   // one command over SSH; gone with it
)

// App is one application.
type App struct {
	ID         string
	Name       string
	OwnerID    string
	OwnerEmail string
	// Slot numbers the app's network in the pool of subnets; unique.
	Slot int
	// Current is the id of the release that serves, empty before the first.
	Current    string
	CreatedAt  time.Time
	UpdatedAt  time.Time
	ReleasedAt time.Time // zero before the first release with an image
	// Maintenance: the router answers H80, the instances go on running.
	Maintenance bool
	// Locked: nothing of it can be changed until it is unlocked.
	Locked       bool
	Settings     AppSettings
	PostDeployed bool // app.json's postdeploy has had its turn
	// Revision grows with every change of what runs; a plan made from an older
	// one is refused.
	Revision int64
}

// AppSettings are an app's own limits; zero values are the installation's.
type AppSettings struct {
	StopTimeout    int `json:"stop_timeout,omitempty"`    // seconds between SIGTERM and SIGKILL
	BootTimeout    int `json:"boot_timeout,omitempty"`    // seconds until a web process must answer (R10)
	ReleaseTimeout int `json:"release_timeout,omitempty"` // seconds a release command may take
	LogDays        int `json:"log_days,omitempty"`        // how long log lines are kept
	LogMB          int `json:"log_mb,omitempty"`          // how much of them is kept
}

// ReleaseStatus is what became of a release. Heroku: pending, succeeded, failed.
type ReleaseStatus string

// The statuses of a release.
const (
	ReleasePending   ReleaseStatus = "pending"
	ReleaseSucceeded ReleaseStatus = "succeeded"
	ReleaseFailed    ReleaseStatus = "failed"
)

// Release is one immutable row: what runs, with which config. Only Status
// changes, once, from pending.
type Release struct {
	ID          string
	AppID       string
	App         string // name at reading
	Version     int
	Status      ReleaseStatus
	Description string
	Reason      string // why it failed
	UserID      string
	User        string // e-mail
	BuildID     string // the build whose image it runs; empty before the first deploy
	Commit      string
	Subject     string // of the commit: foreign text
	Image       Image
	Processes   map[string]Process
	Crons       []builder.CronSpec
	Mounts      []Mount // volumes, by type and path
	Current     bool
	CreatedAt   time.Time
	UpdatedAt   time.Time
}

// Image is the image of a release, by digest.
type Image struct {
	Digest     string   `json:"digest"`
	Size       int64    `json:"size"`
	Entrypoint []string `json:"entrypoint,omitempty"`
	Cmd        []string `json:"cmd,omitempty"`
	Port       int      `json:"port,omitempty"`
	User       string   `json:"user,omitempty"`
	Arch       string   `json:"arch,omitempty"`
	Volumes    []string `json:"volumes,omitempty"` // paths that it declares to be volumes
}

// Process is one process type of a release.
type Process struct {
	// Command replaces the image's entrypoint and command; nil runs the image as it is.
	Command []string `json:"command,omitempty"`
	// Line is the command as the Procfile has it, for people.
	Line   string             `json:"line,omitempty"`
	Health builder.HealthSpec `json:"health,omitzero"`
}

// Formation is how many instances of a process type an app has, and how large.
type Formation struct {
	ID        string
	AppID     string
	App       string
	Type      string
	Quantity  int
	Size      string
	Command   string // for people
	CreatedAt time.Time
	UpdatedAt time.Time
}

// Build is one run of the builder.
type Build struct {
	ID        string
	AppID     string
	App       string
	UserID    string
	User      string
	Commit    string
	Subject   string // of the commit: foreign text
	Status    string // pending, succeeded, failed (Heroku)
	Image     Image
	Manifest  builder.Manifest
	DeployID  string
	ReleaseID string // filled when a release was made of it
	CreatedAt time.Time
	UpdatedAt time.Time
}

// Instance is one running (or wanted) copy of a process: a dyno.
type Instance struct {
	ID        string
	AppID     string
	App       string
	ReleaseID string
	Release   int // version
	Type      string
	Ordinal   int
	HostID    string
	Host      string // name; empty while it has none, and where there is one host only
	State     string // scheduler.InstanceState
	Replace   bool   // to be replaced start-first (ps:restart)
	OneOff    bool   // a Run of the same id; never restarted
	Addr      string
	Reason    string
	ExitCode  int
	Crashes   int
	Command   string // for people
	Size      string
	Wrote     []agent.Written // outside volumes, by those of its type and release: it is gone with them
	CreatedAt time.Time
	UpdatedAt time.Time // of State
}

// Event is one line of an app's history.
type Event struct {
	ID     int64
	AppID  string
	Actor  string // e-mail, or "paas"
	Kind   string // "release.created", "instance.crashed", …
	Text   string
	At     time.Time
	Deploy string
}

// LogLine is one line of an app's log.
type LogLine struct {
	AppID    string
	At       time.Time
	Source   string // "app" or "paas"
	Dyno     string // "web.1", "router", "api"
	Text     string // without line end
	Instance string // instance id for lines an app printed, else empty
}

// LogQuery chooses lines; zero values choose all.
type LogQuery struct {
	AppID  string
	Source string // "app" or "paas"
	Dyno   string // exact, "web.1"
	Type   string // process type: "web"
	Lines  int    // how many of the newest, before following
	Tail   bool   // go on with new ones

	Since   time.Time      // of this time or later
	Until   time.Time      // before this time
	Text    string         // that hold this text
	Fold    bool           // Text in any case
	Pattern *regexp.Regexp // that match this
	Level   string         // whose text says so: LogLevel

	Joined func() // if not nil, called when no new line will be missed any more
	Caught func() // if not nil, called between the lines that there were and new ones
}

// Page is a window on a list, as Heroku's Range header asks for it.
type Page struct {
	After string // value of the sort field to start behind
	Max   int
	Desc  bool
}
