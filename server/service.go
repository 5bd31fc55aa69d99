package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
)

// Service is what people can do: every use case of API, CLI, git and
// dashboard. Each method takes the acting account first and decides in one
// place (app, admin) whether it may.
type Service struct {
	cfg      ServiceConfig
	store    Store
	repos    Repos
	keyring  *Keyring
	bell     *Bell
	sessions *Sessions
	readers  logReaders
	logs     Logs
	pipeline *Pipeline
	log      *slog.Logger
	operator Actor

	signIns, begun, refusals *Tries // of the dashboard
}

// ServiceConfig are the limits of the use cases.
type ServiceConfig struct {
	TokenLife time.Duration
	MaxSlots  int                             // apps the network pool has room for
	Domain    string                          // apps are found at names below it
	Sizes     []Size                          // the first is the default
	DiskUsed  func() (percent int, err error) // of the file system with the data
	Keys      KeyFile                         // nil: the master key is kept elsewhere
	Drains    DrainGuard                      // nil: there are no log drains
	Meter     *Meter                          // nil: one that counts nothing
	Fleet     func() FleetAddress             // nil: no other machine can join
	Server    string                          // id of this server
	Reach     string                          // where other machines reach the dynos of this one; empty: nowhere
	Routers   *Routers                        // nil: nothing is known of any
	// VolumeDrivers of Docker that apps may have volumes by: what a driver can
	// reach, all who operate an app can.
	VolumeDrivers []string
}

// Size is a preset of what one instance may use (Heroku: dyno size).
type Size struct {
	Name     string
	Memory   int64 // bytes; a limit, and reserved on the host
	MilliCPU int64 // a limit
	// Reserved is the milli-CPU that placement counts. It is far below the
	// limit: most instances wait most of the time, and CPU, unlike memory, can
	// be shared without harm.
	Reserved int64
}

// DefaultSizes are the presets of a new installation, named as Heroku's.
func DefaultSizes() []Size {
	return []Size{
		{Name: "Standard-1X", Memory: 512 << 20, MilliCPU: 1000, Reserved: 50},
		{Name: "Standard-2X", Memory: 1 << 30, MilliCPU: 2000, Reserved: 100},
		{Name: "Performance-M", Memory: 2560 << 20, MilliCPU: 4000, Reserved: 500},
	}
}

// NewService makes it, and the operator's account on the first start.
func NewService(ctx context.Context, cfg ServiceConfig, store Store, repos Repos, k *Keyring, bell *Bell, sessions *Sessions, logs Logs, p *Pipeline, log *slog.Logger) (*Service, error) {
	operator, err := store.EnsureAccount(ctx, OperatorEmail, true)
	if err != nil {
		return nil, fmt.Errorf("operator's account: %w", err)
	}
	if cfg.Meter == nil {
		cfg.Meter = NewMeter(log)
	}
	return &Service{cfg: cfg, store: store, repos: repos, keyring: k, bell: bell, sessions: sessions, logs: logs, pipeline: p, log: log, operator: Actor{Account: operator, Via: "socket"},
		signIns: NewTries(signInTries, signInWindow), begun: NewTries(beginTries, signInWindow), refusals: NewTries(failuresKept, signInWindow)}, nil
}

// OperatorEmail names the account of whoever holds the operator socket of the machine.
const OperatorEmail = "operator@localhost"

// Operator is the account of the local operator (the unix socket).
func (s *Service) Operator() Actor { return s.operator }

var appName = regexp.MustCompile(`^[a-z]([a-z0-9-]{0,28}[a-z0-9])?$`)

// CreateApp makes an app; an empty name gets a generated one.
func (s *Service) CreateApp(ctx context.Context, actor Actor, name string) (App, error) {
	if err := allowAccount(actor, ScopeWrite); err != nil {
		return App{}, err
	}
	if name == "" {
		name = generateName()
	}
	if err := checkAppName(name, "No app was created."); err != nil {
		return App{}, err
	}
	n := NewApp{ID: uuid.NewString(), ReleaseID: uuid.NewString(), Name: name, OwnerID: actor.ID, Actor: actor.Email, MaxSlots: s.cfg.MaxSlots}
	var app App
	err := s.keyring.Making(func() (err error) {
		if n.DataKey, err = s.keyring.NewDataKey(n.ID); err != nil {
			return err
		}
		if n.Config, err = s.keyring.SealConfig(n.DataKey, n.ID, n.ReleaseID, map[string]string{}); err != nil {
			return err
		}
		app, err = s.store.CreateApp(ctx, n)
		return err
	})
	if err != nil {
		return App{}, err
	}
	s.logs.Append(AppLine(app.ID, "api", "Release v1 created by user "+actor.Email), AppLine(app.ID, "api", "Initial release by user "+actor.Email))
	return app, nil
}

// PlatformHost is the host name under the domain that is the platform's own:
// the dashboard's. No app can have it.
const PlatformHost = "paas"

// Apps lists the actor's apps, every app for an admin.
func (s *Service) Apps(ctx context.Context, actor Actor) ([]App, error) {
	if err := allowAccount(actor, ScopeRead, ScopeWrite); err != nil {
		return nil, err
	}
	owner := actor.ID
	if actor.Admin {
		owner = ""
	}
	return s.store.Apps(ctx, owner)
}

// App finds an app by name or id for someone who may see it.
func (s *Service) App(ctx context.Context, actor Actor, ident string) (App, error) {
	return s.app(ctx, actor, ident, PermView)
}

// app finds an app by name or id for someone who may do with it what needs
// that permission. This is the one place that decides it: an app the actor may
// not see is not found; what may not be done with one that is seen is
// forbidden, and so is a change of a locked app except by who manages it.
func (s *Service) app(ctx context.Context, actor Actor, ident string, need Permission) (App, error) {
	app, err := s.appToRead(ctx, actor, ident, need)
	if err == nil && app.Locked && need != PermView && need != PermManage {
		return App{}, &Error{ID: ErrForbidden, Message: app.Name + " is locked: nothing of it can be changed. Nothing was changed.", Next: "Unlock it: paas apps:unlock -a " + app.Name}
	}
	return app, err
}

// appToRead is app for what only reads: a lock does not keep from it.
func (s *Service) appToRead(ctx context.Context, actor Actor, ident string, need Permission) (App, error) {
	if !appName.MatchString(ident) && uuid.Validate(ident) != nil {
		ident = "" // names nothing, whatever bytes it has
	}
	app, err := s.store.App(ctx, ident)
	if err != nil && !IsID(err, ErrNotFound) {
		return App{}, err
	}
	var may []Permission
	if err == nil {
		if may, err = s.permissions(ctx, actor, app); err != nil {
			return App{}, err
		}
	}
	if !slices.Contains(may, PermView) || !actor.has(ScopeRead, ScopeWrite) {
		return App{}, &Error{ID: ErrNotFound, Message: "Couldn't find that app.", Next: "See which there are: paas apps"}
	}
	if err := allow(actor, app, may, need); err != nil {
		return App{}, err
	}
	return app, nil
}

// permissions are what the account may do with an app: its owner and admins
// everything.
func (s *Service) permissions(ctx context.Context, actor Actor, app App) ([]Permission, error) {
	if actor.Admin || app.OwnerID == actor.ID {
		return Permissions(), nil
	}
	return s.store.Permissions(ctx, app.ID, actor.ID)
}

// allow says why someone who sees an app may not do more with it, or nil.
func allow(actor Actor, app App, may []Permission, need Permission) error {
	switch {
	case need == PermView:
		return nil
	case !slices.Contains(may, need):
		return &Error{ID: ErrForbidden, Message: fmt.Sprintf("You may not do this with %s: it needs the permission %q, and you have %s. Nothing was changed.", app.Name, need, spellPermissions(may)),
			Next: fmt.Sprintf("Ask %s to run: paas access:update %s -p %s -a %s", app.OwnerEmail, actor.Email, spellPermissions(append(slices.Clone(may), need)), app.Name)}
	case !actor.has(ScopeWrite), need == PermManage && !actor.has():
		return allowAccount(actor)
	}
	return nil
}

// spellPermissions is "view,deploy".
func spellPermissions(list []Permission) string {
	var names []string
	for _, p := range list {
		names = append(names, string(p))
	}
	return strings.Join(names, ",")
}

// DestroyApp removes an app with everything of it: containers, config,
// releases, repository, logs.
func (s *Service) DestroyApp(ctx context.Context, actor Actor, ident string) (App, error) {
	app, err := s.app(ctx, actor, ident, PermManage)
	if err != nil {
		return app, err
	}
	if app.Locked {
		return app, &Error{ID: ErrForbidden, Message: app.Name + " is locked. Nothing was destroyed.", Next: "Unlock it: paas apps:unlock -a " + app.Name}
	}
	if err := s.store.DeleteApp(ctx, app.ID, actor.Email); err != nil {
		return app, err
	}
	s.logs.Drop(app.ID)
	if err := s.repos.Destroy(app.ID); err != nil {
		s.log.Error("remove repository", "app", app.Name, "err", err)
	}
	return app, nil
}

// Sizes are the bytes of an app's repository and of its current image.
func (s *Service) Sizes(ctx context.Context, app App) (repo, slug int64, err error) {
	if repo, err = s.repos.Size(ctx, app.ID); err != nil {
		return 0, 0, err
	}
	if app.Current != "" {
		r, err := s.store.Release(ctx, app.ID, app.Current)
		if err != nil {
			return repo, 0, err
		}
		slug = r.Image.Size
	}
	return repo, slug, nil
}

// Logs authorizes and reads; q.AppID is filled from app.
func (s *Service) Logs(ctx context.Context, actor Actor, app string, q LogQuery, line func(LogLine) error) error {
	a, err := s.App(ctx, actor, app)
	if err != nil {
		return err
	}
	// The URL of a log session may be opened after its token was revoked.
	if actor, err = s.actorNow(ctx, actor); err != nil {
		return err
	}
	q.AppID = a.ID
	leave, err := s.readers.enter(a.ID)
	if err != nil {
		return errors.Join(err, line(notRead(a.ID, err)))
	}
	defer leave()
	if q.Tail {
		return s.tail(ctx, actor, q, line)
	}
	return s.logs.Read(ctx, q, line)
}
