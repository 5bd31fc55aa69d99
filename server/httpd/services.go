package httpd

import (
	"context"
	"io"

	"paas/server"
)

// Services is what the API shows of the platform: server.Service, or a fake of
// it. Every method takes the acting account and decides whether it may.
type Services interface {
	Accounts
	Keys
	SignInLinks
	Apps
	Configs
	TypedConfigs
	StagedConfigs
	ConfigFiles
	MasterKeys
	Releases
	ReleaseWork
	Formations
	Dynos
	Builds
	Deploys
	LogReader
	Runs
	Access
	AppAdmin
	Drains
	Crons
	Figures
	Hosts
	Routers
	Servers
	Placements
	DrillOfHosts
	Rebalances
	Volumes
}

// Accounts knows people.
type Accounts interface {
	Authenticate(ctx context.Context, secret string) (server.Actor, error)
	Operator() server.Actor
	CreateAccount(ctx context.Context, actor server.Actor, email string, admin bool, authorizedKey string) (server.Account, error)
	FindAccount(ctx context.Context, actor server.Actor, ident string) (server.Account, error)
}

// Keys knows their SSH keys.
type Keys interface {
	Keys(ctx context.Context, actor server.Actor) ([]server.Key, error)
	AddKey(ctx context.Context, actor server.Actor, authorizedKey string) (server.Key, error)
	RemoveKey(ctx context.Context, actor server.Actor, ident string) (server.Key, error)
}

// Apps knows apps.
type Apps interface {
	CreateApp(ctx context.Context, actor server.Actor, name string) (server.App, error)
	Apps(ctx context.Context, actor server.Actor) ([]server.App, error)
	App(ctx context.Context, actor server.Actor, ident string) (server.App, error)
	DestroyApp(ctx context.Context, actor server.Actor, ident string) (server.App, error)
	Sizes(ctx context.Context, app server.App) (repo, slug int64, err error)
}

// Configs reads and changes config.
type Configs interface {
	Config(ctx context.Context, actor server.Actor, app, release string) (map[string]string, error)
	SetConfig(ctx context.Context, actor server.Actor, app string, patch map[string]*string) (server.Deploy, error)
}

// Releases reads releases and goes back to them.
type Releases interface {
	Releases(ctx context.Context, actor server.Actor, app string, p server.Page) ([]server.Release, error)
	Release(ctx context.Context, actor server.Actor, app, ident string) (server.Release, error)
	Rollback(ctx context.Context, actor server.Actor, app, ident string) (server.Deploy, error)
}

// Formations scales.
type Formations interface {
	Formation(ctx context.Context, actor server.Actor, app string) ([]server.Formation, error)
	Scale(ctx context.Context, actor server.Actor, app string, c []server.Scaling) ([]server.Formation, error)
}

// Dynos reads and replaces instances.
type Dynos interface {
	Instances(ctx context.Context, actor server.Actor, app string) ([]server.Instance, error)
	Instance(ctx context.Context, actor server.Actor, app, ident string) (server.Instance, error)
	Restart(ctx context.Context, actor server.Actor, app, ident string) error
	StopDyno(ctx context.Context, actor server.Actor, app, ident string) error
}

// Builds reads builds.
type Builds interface {
	Builds(ctx context.Context, actor server.Actor, app string, p server.Page) ([]server.Build, error)
	Build(ctx context.Context, actor server.Actor, app, id string) (server.Build, error)
}

// Deploys reads deploys and follows what they print.
type Deploys interface {
	Deploys(ctx context.Context, actor server.Actor, app string, p server.Page) ([]server.Deploy, error)
	Deploy(ctx context.Context, actor server.Actor, app, id string) (server.Deploy, error)
	Follow(ctx context.Context, actor server.Actor, app, deployID string, out io.Writer) (server.Deploy, error)
	Events(ctx context.Context, actor server.Actor, app string) ([]server.Event, error)
	Cancel(ctx context.Context, actor server.Actor, app, id string) (server.Deploy, error)
}

// LogReader reads and follows logs.
type LogReader interface {
	Logs(ctx context.Context, actor server.Actor, app string, q server.LogQuery, line func(server.LogLine) error) error
}

var _ Services = (*server.Service)(nil)
