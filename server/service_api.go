package server

import (
	"context"
	"io"
)

// Service is what people can do: every use case of API, CLI, git and (later)
// dashboard. Each method takes the acting account first and decides in one
// place (authorize) whether it may.
type Service struct{}

// Login makes a token for an account; the secret is shown once.
func (s *Service) Login(ctx context.Context, accountID string) (secret string, t Token, err error) {
	panic("wip")
}

// Authenticate finds the account of a token's secret.
func (s *Service) Authenticate(ctx context.Context, secret string) (Account, error) { panic("wip") }

// Operator is the account of the local operator (the unix socket).
func (s *Service) Operator() Account { panic("wip") }

// CreateAccount makes an account or gives the one with that e-mail. Admins only.
func (s *Service) CreateAccount(ctx context.Context, actor Account, email string, admin bool) (Account, error) {
	panic("wip")
}

// FindAccount finds an account by id or e-mail; "~" or "" is the actor.
func (s *Service) FindAccount(ctx context.Context, actor Account, ident string) (Account, error) {
	panic("wip")
}

// CreateApp makes an app; an empty name gets a generated one.
func (s *Service) CreateApp(ctx context.Context, actor Account, name string) (App, error) {
	panic("wip")
}
func (s *Service) Apps(ctx context.Context, actor Account) ([]App, error) { panic("wip") }

// App finds an app by name or id. One the actor may not see is not found.
func (s *Service) App(ctx context.Context, actor Account, ident string) (App, error) { panic("wip") }
func (s *Service) DestroyApp(ctx context.Context, actor Account, ident string) (App, error) {
	panic("wip")
}

// RepoSize and SlugSize are bytes, for the app resource.
func (s *Service) Sizes(ctx context.Context, app App) (repo, slug int64, err error) { panic("wip") }

func (s *Service) Keys(ctx context.Context, actor Account) ([]Key, error) { panic("wip") }
func (s *Service) AddKey(ctx context.Context, actor Account, owner Account, authorizedKey string) (Key, error) {
	panic("wip")
}

// RemoveKey removes by id, fingerprint or comment.
func (s *Service) RemoveKey(ctx context.Context, actor Account, ident string) (Key, error) {
	panic("wip")
}

// Config is the config of the current release (of release, when not empty: id or version).
func (s *Service) Config(ctx context.Context, actor Account, app, release string) (map[string]string, error) {
	panic("wip")
}

// SetConfig starts a deploy that sets the keys (nil removes) and returns when
// its release is written; the deploy goes on until live or failed.
func (s *Service) SetConfig(ctx context.Context, actor Account, app string, patch map[string]*string) (Deploy, error) {
	panic("wip")
}

func (s *Service) Releases(ctx context.Context, actor Account, app string, p Page) ([]Release, error) {
	panic("wip")
}

// Release finds by id or version ("12" or "v12").
func (s *Service) Release(ctx context.Context, actor Account, app, ident string) (Release, error) {
	panic("wip")
}

// Rollback starts a deploy of a new release with the old one's code and
// config; an empty ident means the newest succeeded release before the current.
func (s *Service) Rollback(ctx context.Context, actor Account, app, ident string) (Deploy, error) {
	panic("wip")
}

func (s *Service) Formation(ctx context.Context, actor Account, app string) ([]Formation, error) {
	panic("wip")
}

// Scaling is one change of a formation; nil leaves as it is.
type Scaling struct {
	Type     string // or the formation's id
	Quantity *int
	Size     *string
}

func (s *Service) Scale(ctx context.Context, actor Account, app string, c []Scaling) ([]Formation, error) {
	panic("wip")
}

func (s *Service) Instances(ctx context.Context, actor Account, app string) ([]Instance, error) {
	panic("wip")
}

// Instance finds by id or name ("web.1").
func (s *Service) Instance(ctx context.Context, actor Account, app, ident string) (Instance, error) {
	panic("wip")
}

// Restart replaces instances start-first: all, those of a type, or one ("web.1" or id).
func (s *Service) Restart(ctx context.Context, actor Account, app, ident string) error { panic("wip") }

func (s *Service) Builds(ctx context.Context, actor Account, app string, p Page) ([]Build, error) {
	panic("wip")
}
func (s *Service) Build(ctx context.Context, actor Account, app, id string) (Build, error) {
	panic("wip")
}

func (s *Service) Deploys(ctx context.Context, actor Account, app string, p Page) ([]Deploy, error) {
	panic("wip")
}
func (s *Service) Deploy(ctx context.Context, actor Account, app, id string) (Deploy, error) {
	panic("wip")
}

// Follow copies a deploy's output from the beginning and goes on until the
// deploy has ended, then gives the deploy as it ended.
func (s *Service) Follow(ctx context.Context, actor Account, app, deployID string, out io.Writer) (Deploy, error) {
	panic("wip")
}

// Logs authorizes and reads; q.AppID is filled from app.
func (s *Service) Logs(ctx context.Context, actor Account, app string, q LogQuery, line func(LogLine) error) error {
	panic("wip")
}

// Sizes of instances (dyno-size).
type Size struct {
	Name     string
	Memory   int64 // bytes
	MilliCPU int64
}
