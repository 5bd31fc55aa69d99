package httpdtest

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"paas/scheduler/agent"
	"paas/server"
)

// Push does what a push of a commit that builds and runs would have done: a
// build, a deploy, a release with an image, and one web dyno.
func (f *Fake) Push(name, commit string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	i := slices.IndexFunc(f.apps, func(a *app) bool { return a.Name == name })
	if i < 0 {
		panic("no app " + name)
	}
	a, now := f.apps[i], time.Now()
	who := server.Account{ID: a.OwnerID, Email: a.OwnerEmail}
	b := server.Build{
		ID: f.id(), AppID: a.ID, App: a.Name, UserID: who.ID, User: who.Email, Commit: commit, Status: "succeeded",
		Image: server.Image{Digest: "sha256:" + strings.Repeat("ab", 32)}, CreatedAt: now, UpdatedAt: now,
	}
	vars := a.config[a.Current]
	r := f.release(a, who, "Deploy "+commit[:8], server.Release{BuildID: b.ID, Image: b.Image, Commit: commit}, vars)
	d := f.deploy(a, who, server.KindPush, r)
	b.DeployID, b.ReleaseID = d.ID, r.ID
	a.builds = append(a.builds, b)
	a.ReleasedAt = now
	if len(a.formation) == 0 {
		a.formation = []server.Formation{f.formationOf(a, "web", 1), f.formationOf(a, "worker", 0)}
	}
	f.fill(a)
}

func (f *Fake) formationOf(a *app, kind string, n int) server.Formation {
	now := time.Now()
	return server.Formation{
		ID: f.id(), AppID: a.ID, App: a.Name, Type: kind, Quantity: n, Size: "Standard-1X",
		Command: "bin/" + kind, CreatedAt: now, UpdatedAt: now,
	}
}

// fill makes the instances that the formation wants.
func (f *Fake) fill(a *app) {
	a.instances = nil
	cur := a.releases[len(a.releases)-1]
	for _, want := range a.formation {
		for n := range want.Quantity {
			a.instances = append(a.instances, server.Instance{
				ID: f.id(), AppID: a.ID, App: a.Name, ReleaseID: cur.ID, Release: cur.Version, Type: want.Type, Ordinal: n + 1,
				State: "up", Command: want.Command, Size: want.Size,
				Wrote: scribbled(a.Name), CreatedAt: time.Now(), UpdatedAt: time.Now().Add(-5*time.Minute - 10*time.Second),
			})
		}
	}
}

// scribbled is what the dynos of an app of that name have written outside volumes.
func scribbled(app string) []agent.Written {
	if app != "scribbler" {
		return nil
	}
	return []agent.Written{{Path: "/my data", Bytes: 12 << 20}, {Path: "/app", Bytes: 64 << 10, Mixed: true}}
}

func (f *Fake) deploy(a *app, who server.Account, kind server.DeployKind, r *server.Release) server.Deploy {
	now := time.Now()
	d := server.Deploy{
		ID: f.id(), AppID: a.ID, App: a.Name, Kind: kind, State: server.DeployRolling, UserID: who.ID, User: who.Email,
		Description: r.Description, ReleaseID: r.ID, Version: r.Version, Commit: r.Commit, CreatedAt: now, UpdatedAt: now,
	}
	if f.Hold == nil {
		f.end(a, &d)
	}
	a.deploys = append(a.deploys, d)
	return d
}

func (f *Fake) end(a *app, d *server.Deploy) {
	d.State = server.DeployLive
	if f.fail == "" {
		return
	}
	d.State, d.Stage, d.Reason = server.DeployFailed, server.DeployRolling, f.fail
	for i := range a.releases {
		if a.releases[i].ID == d.ReleaseID {
			a.releases[i].Status, a.releases[i].Reason, a.releases[i].Current = server.ReleaseFailed, f.fail, false
			a.releases[i-1].Current = true
		}
	}
}

// Config reads that of a release, of the current when empty.
func (f *Fake) Config(_ context.Context, actor server.Actor, name, release string) (map[string]string, error) {
	leave, err := f.enter()
	if err != nil {
		return nil, err
	}
	defer leave()
	a, err := f.find(actor, name)
	if err != nil {
		return nil, err
	}
	if release == "" {
		return maps.Clone(a.config[a.Current]), nil
	}
	r, err := a.releaseBy(release)
	return maps.Clone(a.config[r.ID]), err
}

func (a *app) releaseBy(ident string) (server.Release, error) {
	for _, r := range a.releases {
		if v := strconv.Itoa(r.Version); r.ID == ident || v == ident || "v"+v == ident {
			return r, nil
		}
	}
	return server.Release{}, server.Errorf(server.ErrNotFound, "Couldn't find that release.")
}

// SetConfig makes a release at once; its deploy ends as Hold and Fail say.
func (f *Fake) SetConfig(_ context.Context, actor server.Actor, name string, patch map[string]*string) (server.Deploy, error) {
	leave, err := f.enter()
	if err != nil {
		return server.Deploy{}, err
	}
	defer leave()
	a, err := f.find(actor, name)
	if err != nil {
		return server.Deploy{}, err
	}
	vars := maps.Clone(a.config[a.Current])
	if vars == nil {
		vars = map[string]string{}
	}
	what := "Set "
	for k, v := range patch {
		if k == "PORT" {
			return server.Deploy{}, server.Errorf(server.ErrInvalid, "Config var %s is reserved. Nothing was changed.", k)
		}
		if v == nil {
			what = "Remove "
			delete(vars, k)
			continue
		}
		vars[k] = *v
	}
	keys := slices.Sorted(maps.Keys(patch))
	last := a.releases[len(a.releases)-1]
	r := f.release(a, actor.Account, what+strings.Join(keys, ", ")+" config vars", last, vars)
	return f.deploy(a, actor.Account, server.KindConfig, r), nil
}

// Releases pages by version.
func (f *Fake) Releases(_ context.Context, actor server.Actor, name string, p server.Page) ([]server.Release, error) {
	leave, err := f.enter()
	if err != nil {
		return nil, err
	}
	defer leave()
	a, err := f.find(actor, name)
	if err != nil {
		return nil, err
	}
	return page(a.releases, p, func(r server.Release, after string) bool {
		n, _ := strconv.Atoi(after)
		return r.Version > n && !p.Desc || r.Version < n && p.Desc
	}), nil
}

func page[T any](all []T, p server.Page, behind func(T, string) bool) []T {
	all = slices.Clone(all)
	if p.Desc {
		slices.Reverse(all)
	}
	if p.After != "" {
		all = slices.DeleteFunc(all, func(t T) bool { return !behind(t, p.After) })
	}
	return all[:min(len(all), p.Max)]
}

func newest[T any](all []T, p server.Page) []T {
	all = slices.Clone(all)
	slices.Reverse(all)
	return all[:min(len(all), p.Max)]
}

// Release finds one.
func (f *Fake) Release(_ context.Context, actor server.Actor, name, ident string) (server.Release, error) {
	leave, err := f.enter()
	if err != nil {
		return server.Release{}, err
	}
	defer leave()
	a, err := f.find(actor, name)
	if err != nil {
		return server.Release{}, err
	}
	return a.releaseBy(ident)
}

// Rollback makes a release like an old one.
func (f *Fake) Rollback(_ context.Context, actor server.Actor, name, ident string) (server.Deploy, error) {
	leave, err := f.enter()
	if err != nil {
		return server.Deploy{}, err
	}
	defer leave()
	a, err := f.find(actor, name)
	if err != nil {
		return server.Deploy{}, err
	}
	old, err := a.releaseBy(ident)
	if err != nil {
		return server.Deploy{}, err
	}
	r := f.release(a, actor.Account, fmt.Sprintf("Rollback to v%d", old.Version), old, a.config[old.ID])
	return f.deploy(a, actor.Account, server.KindRollback, r), nil
}

// Builds lists newest first.
func (f *Fake) Builds(_ context.Context, actor server.Actor, name string, p server.Page) ([]server.Build, error) {
	leave, err := f.enter()
	if err != nil {
		return nil, err
	}
	defer leave()
	a, err := f.find(actor, name)
	if err != nil {
		return nil, err
	}
	return newest(a.builds, p), nil
}

// Build finds one.
func (f *Fake) Build(ctx context.Context, actor server.Actor, name, id string) (server.Build, error) {
	all, err := f.Builds(ctx, actor, name, server.Page{Max: 1000})
	for _, b := range all {
		if b.ID == id {
			return b, nil
		}
	}
	if err == nil {
		err = server.Errorf(server.ErrNotFound, "Couldn't find that build.")
	}
	return server.Build{}, err
}

// Deploys lists newest first.
func (f *Fake) Deploys(_ context.Context, actor server.Actor, name string, p server.Page) ([]server.Deploy, error) {
	leave, err := f.enter()
	if err != nil {
		return nil, err
	}
	defer leave()
	a, err := f.find(actor, name)
	if err != nil {
		return nil, err
	}
	return newest(a.deploys, p), nil
}

// Deploy finds one.
func (f *Fake) Deploy(ctx context.Context, actor server.Actor, name, id string) (server.Deploy, error) {
	all, err := f.Deploys(ctx, actor, name, server.Page{Max: 1000})
	for _, d := range all {
		if d.ID == id {
			return d, nil
		}
	}
	if err == nil {
		err = server.Errorf(server.ErrNotFound, "Couldn't find that deploy.")
	}
	return server.Deploy{}, err
}

// Cancel ends a deploy that has not ended.
func (f *Fake) Cancel(_ context.Context, actor server.Actor, name, id string) (server.Deploy, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	a, err := f.find(actor, name)
	if err != nil {
		return server.Deploy{}, err
	}
	for i := range a.deploys {
		d := &a.deploys[i]
		switch {
		case d.ID != id:
		case d.State.Final():
			return server.Deploy{}, server.Errorf(server.ErrConflict, "The deploy is %s already. Nothing was changed.", d.State)
		default:
			d.State, d.Reason = server.DeployCancelled, "cancelled by "+actor.Email
			return *d, nil
		}
	}
	return server.Deploy{}, server.Errorf(server.ErrNotFound, "Couldn't find that deploy.")
}

// Events gives one for each deploy.
func (f *Fake) Events(ctx context.Context, actor server.Actor, name string) ([]server.Event, error) {
	all, err := f.Deploys(ctx, actor, name, server.Page{Max: 1000})
	var events []server.Event
	for i, d := range all {
		events = append(events, server.Event{ID: int64(len(all) - i), AppID: d.AppID, Actor: d.User, Kind: "deploy." + string(d.State),
			Text: d.Description, Deploy: d.ID, At: d.UpdatedAt})
	}
	return events, err
}

// Follow prints two lines, the second when the deploy has ended.
func (f *Fake) Follow(ctx context.Context, actor server.Actor, name, id string, out io.Writer) (server.Deploy, error) {
	if _, err := fmt.Fprintln(out, "-----> Starting"); err != nil {
		return server.Deploy{}, err
	}
	if f.Hold != nil {
		select {
		case <-f.Hold:
		case <-ctx.Done():
			return server.Deploy{}, ctx.Err()
		}
	}
	f.mu.Lock()
	a, err := f.find(actor, name)
	if err != nil {
		f.mu.Unlock()
		return server.Deploy{}, err
	}
	for i := range a.deploys {
		if a.deploys[i].ID == id && !a.deploys[i].State.Final() {
			f.end(a, &a.deploys[i])
		}
	}
	f.mu.Unlock()
	d, err := f.Deploy(ctx, actor, name, id)
	if err != nil {
		return d, err
	}
	_, err = fmt.Fprintf(out, "-----> Ended: %s %s\n", d.State, d.Reason)
	return d, err
}
