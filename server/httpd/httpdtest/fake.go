// Package httpdtest has an in-memory platform behind the API's interfaces, for
// tests of the API and of its clients. The product does not import it.
package httpdtest

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"paas/scheduler"
	"paas/server"
)

// Tokens that the fake knows from the start.
const (
	Token      = "paas_test_ann"   // of ann@example.com
	OtherToken = "paas_test_bob"   // of bob@example.com
	AdminToken = "paas_test_admin" // of admin@example.com
)

// Fake is a platform in memory. Hold may be set before it is used.
type Fake struct {
	// What the fake does not do is nobody's: calling it panics. Those use cases
	// are tested on the real platform.
	*server.Service

	// Hold, when not nil, keeps deploys rolling until it is closed.
	Hold chan struct{}

	mu       sync.Mutex
	fail     string
	err      error
	next     int
	accounts []server.Account
	tokens   map[string]string // secret → account id
	keys     []server.Key
	apps     []*app
	hosts    []server.HostRow
	drill    *server.Drill
	links    []server.Link
	moved    int // calls of Rebalance that moved or waited
	routers  []server.RouterRow
	servers  []server.ServerEntry
}

type app struct {
	server.App
	releases  []server.Release
	config    map[string]map[string]string // release id → vars
	formation []server.Formation
	instances []server.Instance
	builds    []server.Build
	deploys   []server.Deploy
	lines     []server.LogLine
	placement scheduler.Placement
	volumes   []server.Volume
}

// New makes a platform with three accounts, a host and no app.
func New() *Fake {
	f := &Fake{tokens: map[string]string{}}
	for secret, email := range map[string]string{Token: "ann@example.com", OtherToken: "bob@example.com", AdminToken: "admin@example.com"} {
		a := f.account(email, secret == AdminToken)
		f.tokens[secret] = a.ID
	}
	f.hosts, f.routers, f.servers = firstHosts(), firstRouters(), firstServers()
	return f
}

// Fail makes the deploys that end from now on fail with a reason; an empty one
// lets them live.
func (f *Fake) Fail(reason string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fail = reason
}

// Break makes every call from now on answer err; nil repairs it.
func (f *Fake) Break(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err = err
}

// id is a new UUID; later ones sort behind.
func (f *Fake) id() string {
	f.next++
	return fmt.Sprintf("%08x-0000-4000-8000-000000000000", f.next)
}

func (f *Fake) account(email string, admin bool) server.Account {
	now := time.Now()
	a := server.Account{ID: f.id(), Email: email, Admin: admin, CreatedAt: now, UpdatedAt: now}
	f.accounts = append(f.accounts, a)
	return a
}

func (f *Fake) enter() (leave func(), err error) {
	f.mu.Lock()
	if f.err != nil {
		f.mu.Unlock()
		return func() {}, f.err
	}
	return f.mu.Unlock, nil
}

// Authenticate knows the tokens.
func (f *Fake) Authenticate(_ context.Context, secret string) (server.Actor, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	id, ok := f.tokens[secret]
	if !ok {
		return server.Actor{}, server.Errorf(server.ErrUnauthorized, "no such token")
	}
	a, err := f.accountBy(id)
	return server.Actor{Account: a, Via: "api"}, err
}

func (f *Fake) accountBy(ident string) (server.Account, error) {
	for _, a := range f.accounts {
		if a.ID == ident || a.Email == ident {
			return a, nil
		}
	}
	return server.Account{}, server.Errorf(server.ErrNotFound, "Couldn't find that account.")
}

// Revoke leaves the tokens that tests go on with.
func (f *Fake) Revoke(context.Context, server.Actor, string) (server.Token, error) {
	return server.Token{}, nil
}

// Operator is the local operator.
func (f *Fake) Operator() server.Actor {
	return server.Actor{Account: server.Account{ID: "ffffffff-0000-4000-8000-000000000000", Email: "operator@localhost", Admin: true}}
}

// CreateAccount finds or makes.
func (f *Fake) CreateAccount(_ context.Context, actor server.Actor, email string, admin bool, _ string) (server.Account, error) {
	leave, err := f.enter()
	if err != nil {
		return server.Account{}, err
	}
	defer leave()
	if !actor.Admin {
		return server.Account{}, server.Errorf(server.ErrForbidden, "Only admins make accounts. Nothing was changed.")
	}
	if a, err := f.accountBy(email); err == nil {
		return a, nil
	}
	return f.account(email, admin), nil
}

// FindAccount finds by id or e-mail.
func (f *Fake) FindAccount(_ context.Context, actor server.Actor, ident string) (server.Account, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if ident == "" || ident == "~" {
		return actor.Account, nil
	}
	return f.accountBy(ident)
}

// Keys lists the actor's.
func (f *Fake) Keys(_ context.Context, actor server.Actor) ([]server.Key, error) {
	leave, err := f.enter()
	if err != nil {
		return nil, err
	}
	defer leave()
	var own []server.Key
	for _, k := range f.keys {
		if k.AccountID == actor.ID {
			own = append(own, k)
		}
	}
	return own, nil
}

// AddKey takes "type base64 comment".
func (f *Fake) AddKey(_ context.Context, owner server.Actor, line string) (server.Key, error) {
	leave, err := f.enter()
	if err != nil {
		return server.Key{}, err
	}
	defer leave()
	parts := strings.SplitN(strings.TrimSpace(line), " ", 3)
	if len(parts) < 2 || !strings.HasPrefix(parts[0], "ssh-") {
		return server.Key{}, server.Errorf(server.ErrInvalid, "That is no public key. Nothing was changed.")
	}
	k := server.Key{
		ID: f.id(), AccountID: owner.ID, Email: owner.Email, PublicKey: parts[0] + " " + parts[1],
		Fingerprint: "SHA256:finger/print+" + strconv.Itoa(f.next), CreatedAt: time.Now(),
	}
	if len(parts) == 3 {
		k.Comment = parts[2]
	}
	f.keys = append(f.keys, k)
	return k, nil
}

// RemoveKey removes by id, fingerprint or comment.
func (f *Fake) RemoveKey(_ context.Context, actor server.Actor, ident string) (server.Key, error) {
	leave, err := f.enter()
	if err != nil {
		return server.Key{}, err
	}
	defer leave()
	for i, k := range f.keys {
		if k.AccountID == actor.ID && slices.Contains([]string{k.ID, k.Fingerprint, k.Comment}, ident) {
			f.keys = slices.Delete(f.keys, i, i+1)
			return k, nil
		}
	}
	return server.Key{}, server.Errorf(server.ErrNotFound, "Couldn't find that key. Nothing was changed.")
}

// CreateApp makes an app with release v1.
func (f *Fake) CreateApp(_ context.Context, actor server.Actor, name string) (server.App, error) {
	leave, err := f.enter()
	if err != nil {
		return server.App{}, err
	}
	defer leave()
	if name == "" {
		name = "quiet-river-" + strconv.Itoa(f.next)
	}
	for _, a := range f.apps {
		if a.Name == name {
			return server.App{}, server.Errorf(server.ErrInvalid, "Name %s is already taken. Nothing was changed.", name)
		}
	}
	now := time.Now()
	a := &app{
		App:    server.App{ID: f.id(), Name: name, OwnerID: actor.ID, OwnerEmail: actor.Email, CreatedAt: now, UpdatedAt: now},
		config: map[string]map[string]string{},
	}
	f.apps = append(f.apps, a)
	f.release(a, actor.Account, "Initial release", server.Release{}, nil)
	return a.App, nil
}

// release appends a release with the contents of another and makes it current.
func (f *Fake) release(a *app, actor server.Account, what string, like server.Release, vars map[string]string) *server.Release {
	now := time.Now()
	r := server.Release{
		ID: f.id(), AppID: a.ID, App: a.Name, Version: len(a.releases) + 1, Status: server.ReleaseSucceeded,
		Description: what, UserID: actor.ID, User: actor.Email, BuildID: like.BuildID, Commit: like.Commit,
		Image: like.Image, Current: true, CreatedAt: now, UpdatedAt: now,
	}
	for i := range a.releases {
		a.releases[i].Current = false
	}
	a.releases = append(a.releases, r)
	a.config[r.ID] = maps.Clone(vars)
	a.Current = r.ID
	return &a.releases[len(a.releases)-1]
}

// Apps lists the actor's, an admin's are all.
func (f *Fake) Apps(_ context.Context, actor server.Actor) ([]server.App, error) {
	leave, err := f.enter()
	if err != nil {
		return nil, err
	}
	defer leave()
	var own []server.App
	for _, a := range f.apps {
		if a.OwnerID == actor.ID || actor.Admin {
			own = append(own, a.App)
		}
	}
	return own, nil
}

func (f *Fake) find(actor server.Actor, ident string) (*app, error) {
	for _, a := range f.apps {
		if (a.Name == ident || a.ID == ident) && (a.OwnerID == actor.ID || actor.Admin) {
			return a, nil
		}
	}
	return nil, server.Errorf(server.ErrNotFound, "Couldn't find that app.")
}

// App finds one.
func (f *Fake) App(_ context.Context, actor server.Actor, ident string) (server.App, error) {
	leave, err := f.enter()
	if err != nil {
		return server.App{}, err
	}
	defer leave()
	a, err := f.find(actor, ident)
	if err != nil {
		return server.App{}, err
	}
	return a.App, nil
}

// DestroyApp forgets one.
func (f *Fake) DestroyApp(_ context.Context, actor server.Actor, ident string) (server.App, error) {
	leave, err := f.enter()
	if err != nil {
		return server.App{}, err
	}
	defer leave()
	a, err := f.find(actor, ident)
	if err != nil {
		return server.App{}, err
	}
	f.apps = slices.DeleteFunc(f.apps, func(o *app) bool { return o == a })
	return a.App, nil
}

// Sizes are fixed.
func (f *Fake) Sizes(context.Context, server.App) (repo, slug int64, err error) {
	return 2048, 20 << 20, nil
}

// AppSummary knows formation and release; the fake has nothing else.
func (f *Fake) AppSummary(ctx context.Context, actor server.Actor, name string) (server.AppSummary, error) {
	a, err := f.App(ctx, actor, name)
	if err != nil {
		return server.AppSummary{}, err
	}
	sum := server.AppSummary{App: a, Domains: []server.Domain{{AppID: a.ID, App: a.Name, Hostname: a.Name + ".example.com", Own: true}}}
	if sum.Repo, sum.Slug, err = f.Sizes(ctx, a); err != nil {
		return sum, err
	}
	if sum.Formation, err = f.Formation(ctx, actor, name); err != nil {
		return sum, err
	}
	releases, err := f.Releases(ctx, actor, name, server.Page{Max: 1000, Desc: true})
	for _, r := range releases {
		if r.Current {
			sum.Release = &r
		}
	}
	return sum, err
}
