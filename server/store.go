package server

import (
	"context"
	"errors"
	"time"

	"paas/builder"
	"paas/scheduler"
	"paas/scheduler/agent"
)

// ErrStale says that what a decision was made from has changed: decide again.
var ErrStale = errors.New("changed meanwhile")

// ErrBusy says that another deploy of the app holds the rollout slot.
var ErrBusy = errors.New("another release of this app is rolling out")

// ErrLost says that a deploy or a lease is no longer this process's: its time
// ended and another took it, or it is final.
var ErrLost = errors.New("it has another owner")

// Store is Postgres. Each method is one transaction; each change of state
// carries its event and tells listeners in the same transaction.
type Store interface {
	AccountStore
	KeyStore
	AppStore
	ReleaseStore
	DeployStore
	DeployHistory
	DeployWork
	InstanceStore
	ReconcileStore
	HostStore
	SettingStore
	RunStore
	AccessStore
	DomainStore
	AppLinkStore
	AppAdminStore
	CronStore
	DrainStore
	ConfigStore
	MetricsStore
	SignInStore
	OverviewStore
	HostAdminStore
	PlacementStore
	FleetStore
	DrillStore
	MoveStore
	RouterStore
	LeaseStore
	ServerStore
	VolumeStore
}

// AccountStore keeps people and their tokens.
type AccountStore interface {
	EnsureAccount(ctx context.Context, email string, admin bool) (Account, error)
	Account(ctx context.Context, ident string) (Account, error) // id or e-mail
	// AccountByToken finds the owner of an unexpired token and notes its use.
	AccountByToken(ctx context.Context, hash []byte) (Account, Token, error)
	CreateToken(ctx context.Context, t Token) (Token, error)
}

// KeyStore keeps SSH public keys.
type KeyStore interface {
	Keys(ctx context.Context, accountID string) ([]Key, error)
	CreateKey(ctx context.Context, k Key) (Key, error)
	DeleteKey(ctx context.Context, id string) error
	KeyByFingerprint(ctx context.Context, fingerprint string) (Key, error)
}

// AppStore keeps apps.
type AppStore interface {
	CreateApp(ctx context.Context, n NewApp) (App, error)
	App(ctx context.Context, ident string) (App, error)        // name or id
	Apps(ctx context.Context, accountID string) ([]App, error) // that it may see; "" is all
	DeleteApp(ctx context.Context, id, actor string) error
	DataKey(ctx context.Context, appID string) ([]byte, error) // wrapped
	// DestroyedApps are those of ids that were destroyed. One that is not known
	// at all is not among them.
	DestroyedApps(ctx context.Context, ids []string) ([]string, error)
}

// NewApp is what the row of an app and its first release need.
type NewApp struct {
	ID        string
	Name      string
	OwnerID   string
	Actor     string
	DataKey   []byte // wrapped
	ReleaseID string
	Config    []byte // sealed, of release v1
	MaxSlots  int
}

// ReleaseStore reads releases and builds.
type ReleaseStore interface {
	Releases(ctx context.Context, appID string, p Page) ([]Release, error)
	Release(ctx context.Context, appID, ident string) (Release, error) // id, "v3" or "3"
	ReleaseConfig(ctx context.Context, releaseID string) ([]byte, error)
	Builds(ctx context.Context, appID string, p Page) ([]Build, error)
	Build(ctx context.Context, appID, id string) (Build, error)
}

// KeptImage is an image that hosts must keep.
type KeptImage struct{ AppID, Digest string }

// DeployStore makes and reads deploys.
type DeployStore interface {
	// CreateDeploy queues one. A push supersedes a queued push of the same app.
	CreateDeploy(ctx context.Context, d Deploy, patch []byte) (Deploy, error)
	Deploy(ctx context.Context, appID, id string) (Deploy, error)
	Deploys(ctx context.Context, appID string, p Page) ([]Deploy, error)
	Output(ctx context.Context, deployID string) ([]byte, error)
	// OutputSince leaves out the first bytes.
	OutputSince(ctx context.Context, deployID string, from int) ([]byte, error)
	AppendOutput(ctx context.Context, deployID string, chunk []byte) error
	// Cancel ends a deploy that is not final; its worker stops.
	Cancel(ctx context.Context, appID, id, actor string) (Deploy, error)
	// Ahead counts the builds that wait or run before a queued push.
	Ahead(ctx context.Context, deployID string) (int, error)
}

// Work is what a worker may take up.
type Work struct {
	Builds   bool // it has a free slot
	Releases bool // all that comes after a build: it leads
}

// DeployWork is what a worker does with deploys it holds the lease of.
type DeployWork interface {
	// Claim takes up the oldest deploy that nobody works on and that may go
	// on; nil when there is none. A queued one is moved to its first stage. A
	// push is built where it came in, unless that server does not begin soon.
	Claim(ctx context.Context, owner string, w Work) (*Deploy, error)
	// LetGo ends the lease of one deploy. One that is not final goes on with
	// another worker at once.
	LetGo(ctx context.Context, deployID, owner string) error
	// Renew extends the leases of an owner; without deploys it is a no-op.
	Renew(ctx context.Context, owner string) error
	// Abandon ends the leases of an owner, so that another may go on at once.
	Abandon(ctx context.Context, owner string) error
	// Built stores the image of a deploy's build, and what the commit says of how it is run.
	Built(ctx context.Context, d Deploy, owner string, img Image, m builder.Manifest) error
	// WriteRelease writes release vN in one transaction from what draft
	// returns. The deploy stays in releasing when the release has a command to
	// run first; one that has its release already is given as it is.
	WriteRelease(ctx context.Context, d Deploy, owner string, draft func(context.Context, Draft) (Content, error)) (Deploy, error)
	// Roll moves a deploy whose release command has succeeded on to rolling.
	Roll(ctx context.Context, d Deploy, owner string, deadline time.Duration) (Deploy, error)
	// Finish ends a deploy: live makes its release the current one.
	Finish(ctx context.Context, d Deploy, owner string, o Outcome) (Deploy, error)
}

// Draft is what a release is made from, read under the app's lock.
type Draft struct {
	Deploy        Deploy
	Patch         []byte // sealed, of a config change
	ReleaseID     string // of the new row
	Version       int
	DataKey       []byte // wrapped
	Current       Release
	CurrentConfig []byte
	CurrentFiles  []byte  // sealed, or nil
	Source        Release // rollback: the release to copy
	SourceConfig  []byte
	SourceFiles   []byte
	Staged        []StagedRow // changes of config that wait for a release, in order
	Build         Build       // push
	Settings      AppSettings
	Volumes       []Volume
}

// Content is what a new release holds.
type Content struct {
	Description string
	Commit      string
	BuildID     string
	Image       Image
	Processes   map[string]Process
	Crons       []builder.CronSpec
	Mounts      []Mount
	Formation   map[string]builder.FormationSpec // of types that are new
	Config      []byte                           // sealed
	Files       []byte                           // sealed, or nil
	Deadline    time.Duration                    // for the rollout
}

// Outcome is how a deploy ended.
type Outcome struct {
	State  DeployState
	Stage  DeployState
	Reason string
	Moved  bool // live: the branch has followed
}

// InstanceStore is what people see and change of instances and formation.
type InstanceStore interface {
	Instances(ctx context.Context, appID string) ([]Instance, error)
	// Replace marks instances to be replaced start-first: all, a type, or one by name or id.
	Replace(ctx context.Context, appID, ident, actor string) (int, error)
	// StopInstance ends one of the formation now; another takes its place.
	StopInstance(ctx context.Context, appID, id, actor string) error
	Formation(ctx context.Context, appID string) ([]Formation, error)
	SetFormation(ctx context.Context, appID, actor string, c []Formation) error
	Events(ctx context.Context, appID string, max int) ([]Event, error)
}

// Snapshot is an app as the reconcile loop sees it.
type Snapshot struct {
	App      App
	State    scheduler.State
	Target   Release // what shall run: of the rolling deploy, else the current one
	Current  Release
	Next     Release           // whose release command runs; zero: none does
	NextIs   []scheduler.Want  // what is wanted of it
	Addrs    map[string]string // by instance
	Names    map[string]string // by instance: "web.1"
	Versions map[string]int    // by instance: of its release
	Ports    map[string]int    // by release
	Formed   map[string]int    // wanted by type
	Domains  []string          // host names people gave the app
	Links    []string          // apps that it reaches from inside
	Crashing bool              // no web instance is up, and some have crashed
	// Settled is how long until the next of the hosts that settle takes new
	// instances; 0: none does.
	Settled time.Duration
}

// HostEntry is a host as plans see it.
type HostEntry struct {
	scheduler.Host
	Settled time.Duration // until it takes new instances; 0: it does not settle
}

// AppPlan is what shall be done to an app that is at a revision.
type AppPlan struct {
	AppID    string
	Revision int64
	Ops      []scheduler.Op
}

// ReconcileStore is what the loop reads and commits.
type ReconcileStore interface {
	AppIDs(ctx context.Context) ([]string, error)
	// Revisions gives the revision of every app: an app is as it was while its
	// revision is.
	Revisions(ctx context.Context) (map[string]int64, error)
	// HostEntries reads hosts by name, all when ids is nil.
	HostEntries(ctx context.Context, ids []string) ([]HostEntry, error)
	// AppSnapshots reads apps at one moment, without hosts. Those that are no
	// more are left out.
	AppSnapshots(ctx context.Context, appIDs []string) ([]Snapshot, error)
	// CommitPlans applies plans in one transaction and gives the apps whose plan
	// was not: the app has changed, or a host has less room than the plan
	// thought or takes nothing any more. The epoch is as for Commit.
	CommitPlans(ctx context.Context, epoch int64, plans []AppPlan) (stale []string, err error)
	Snapshot(ctx context.Context, appID string) (Snapshot, error)
	// Commit applies a plan if the app is still at revision, else ErrStale. An
	// epoch that is not 0 must be that of the leader's lease, else ErrLost.
	Commit(ctx context.Context, appID string, revision, epoch int64, ops []scheduler.Op) error
	// Listen calls fn for each notice until ctx ends; after a lost connection
	// it calls fn with NoticeAll, since notices may have been missed.
	Listen(ctx context.Context, fn func(topic string)) error
	Ping(ctx context.Context) error
}

// HostStore is what agents need.
type HostStore interface {
	// EnsureHost registers the control plane's own machine, by name.
	EnsureHost(ctx context.Context, h scheduler.Host) (scheduler.Host, error)
	// Assigned reads all that a host is to run or stop.
	Assigned(ctx context.Context, hostID string) ([]Placed, error)
	// AssignedNews reads what has changed of that for who has read it before.
	// Instances never change but in their state; what it does not tell of is
	// what their app has beside them, as its settings. known may be asked until
	// the answer is there, also when ctx has ended.
	AssignedNews(ctx context.Context, hostID string, known func(instance string) bool) (AssignedNews, error)
	// Report stores what a host saw. The epoch is as for Commit.
	Report(ctx context.Context, hostID string, epoch int64, s []agent.Status) ([]Transition, error)
	KeptImages(ctx context.Context) ([]KeptImage, error)
	// DestroyedVolumes are those whose data hosts are still to delete.
	DestroyedVolumes(ctx context.Context) ([]Volume, error)
}

// AssignedNews are the instances that a host is to run or stop, in order.
type AssignedNews struct {
	All   []AssignedState
	Fresh map[string]Placed // by instance: those that were not known
}

// AssignedState is an instance that is assigned, and its state.
type AssignedState struct{ ID, State string }

// Placed is an instance with what its host must know of it.
type Placed struct {
	Instance Instance
	Slot     int // of the app
	DataKey  []byte
	Config   []byte // sealed, of its release
	Files    []byte // sealed, of its release, or nil
	Release  Release
	Settings AppSettings
	Run      *Run     // of a one-off
	RunEnv   []byte   // sealed, of a one-off, or nil
	Volumes  []Volume // those of its mounts that are there
	Memory   int64
	MilliCPU int64
}

// Transition is a change of an instance's state by a report.
type Transition struct {
	Instance Instance // as it is now
	From, To string
	Notes    string    // of the agent, for the app's log, a line each
	At       time.Time // when its host saw it; zero: now
}

// SettingStore keeps what the installation knows of itself.
type SettingStore interface {
	Setting(ctx context.Context, name string) ([]byte, error) // nil when absent
	// SetSetting stores a value once; a second value is ErrStale.
	SetSetting(ctx context.Context, name string, value []byte) error
}

// Topics of notices.
const (
	NoticeAll   = "all"   // anything may have changed
	NoticeQueue = "queue" // a deploy may be claimed
)

// AppTopic is the topic of an app's changes.
func AppTopic(appID string) string { return "app:" + appID }

// HostTopic is the topic of a host and its assignments.
func HostTopic(hostID string) string { return "host:" + hostID }

// PlacedTopic is the topic of what the leader itself has placed on a host, which
// nobody but the host has to be told.
func PlacedTopic(hostID string) string { return "placed:" + hostID }

// AccountTopic is the topic of what an account can prove itself by.
func AccountTopic(id string) string { return "account:" + id }

// DeployTopic is the topic of a deploy's state.
func DeployTopic(id string) string { return "deploy:" + id }
