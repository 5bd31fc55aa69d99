package server

import (
	"context"
	"time"
)

// AppRow is one app in a list of many: what runs of it and which release.
type AppRow struct {
	App
	Release  ReleaseNote // the current one; zero before the first with code
	Deploy   DeployNote  // the newest; zero when there was none
	Up       int         // dynos that serve or work
	Starting int         // dynos on their way there
	Crashed  int
	Wanted   int // dynos the formation asks for
	Spark    Spark
}

// ReleaseNote is what a list says of a release.
type ReleaseNote struct {
	Version     int
	Description string
	User        string
	At          time.Time // when it went live
}

// DeployNote is what a list says of a deploy.
type DeployNote struct {
	ID    string
	State DeployState
	At    time.Time // of the state
}

// Running says that the deploy goes on.
func (d DeployNote) Running() bool { return d.ID != "" && !d.State.Final() }

// AppState is an app in one word.
type AppState string

// The states of an app, the first that holds is told.
const (
	AppMaintenance AppState = "maintenance" // every request gets the maintenance page
	AppDeploying   AppState = "deploying"   // a new release is on its way; what ran before runs on
	AppNoRelease   AppState = "no release"  // nothing was deployed yet
	AppCrashed     AppState = "crashed"     // at least one dyno is
	AppIdle        AppState = "idle"        // scaled to nothing
	AppStarting    AppState = "starting"    // fewer dynos than wanted are up
	AppUp          AppState = "up"
)

// State says how the app is.
func (r AppRow) State() AppState {
	switch {
	case r.Maintenance:
		return AppMaintenance
	case r.Deploy.Running():
		return AppDeploying
	case r.Release.Version == 0:
		return AppNoRelease
	case r.Crashed > 0:
		return AppCrashed
	case r.Wanted == 0:
		return AppIdle
	case r.Up < r.Wanted:
		return AppStarting
	}
	return AppUp
}

// HostRow is a host with what is on it, as one person may see it.
type HostRow struct {
	ID, Name, Arch             string
	State                      HostState
	Note                       string // what people should know beyond the state; may be empty
	Local                      bool   // the control plane's own machine
	MilliCPU, Memory           int64  // capacity; memory in bytes
	KeptCPU, KeptMemory        int64  // of it, what instances do not get
	ReservedCPU, ReservedBytes int64  // by dynos of all apps
	DiskFree, DiskTotal        int64  // bytes of the file system under the engine; a total of 0: not told
	Labels                     map[string]string
	Addr                       string    // private address its instances are published on; empty for the local host
	Agent, Engine              string    // versions; empty when not told
	Boot                       string    // changes with each start of the machine; empty when not told
	Findings                   []Finding // of paas doctor there, when its agent began
	SeenAt                     time.Time // it was last heard of
	LostAt                     time.Time // it was lost last; zero: never
	SteadyAt                   time.Time // it takes nothing new before; zero: it was never lost
	DrainUntil                 time.Time // what is left then is stopped; zero: never
	InvitedUntil               time.Time // of a machine that has not joined
	DrillUntil                 time.Time // its loss is rehearsed until then; in the past: it is not
	Used                       *HostUse  // nil: it was not measured lately
	Dynos                      []HostDyno
	Others                     int // dynos of apps the person may not see
}

// HostUse is what the dynos of a host use together.
type HostUse struct{ MilliCPU, Memory int64 }

// HostDyno is a dyno on a host.
type HostDyno struct {
	App, Type, State, Size string
	Ordinal, Release       int
	Memory                 int64  // reserved, bytes
	Volume                 string // name of one whose data is on the host alone: the dyno stays where that is
}

// OverviewStore reads many things at once for people who look.
type OverviewStore interface {
	// AppRows lists by name the apps that an account may see ("" is all).
	AppRows(ctx context.Context, accountID string) ([]AppRow, error)
	// HostRows lists by name; of the dynos those of apps that the account may
	// see ("" is all), the others are counted.
	HostRows(ctx context.Context, accountID string) ([]HostRow, error)
}
