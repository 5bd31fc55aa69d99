package server

import (
	"context"
	"slices"
)

// Actor is who asks: an account, the credential that proved it, and where the
// request came from. Every use case takes one first.
type Actor struct {
	Account
	// Scope is what the credential lets the account do; empty is everything
	// (an SSH key, the operator's socket, a login).
	Scope   []Scope
	Token   string // id of the token, empty for a key and the socket
	Session string // id of the dashboard's session, empty otherwise
	Via     string // "api", "ssh", "socket", "web"; for the audit log
	From    string // remote address, empty for the socket
}

// Scope bounds an API token, as Heroku's OAuth scopes do.
type Scope string

// The scopes of a token.
const (
	ScopeGlobal   Scope = "global"   // everything the account may
	ScopeRead     Scope = "read"     // look at apps, but not at config
	ScopeWrite    Scope = "write"    // look at and change apps, but not who has access, nor the account
	ScopeIdentity Scope = "identity" // see whose token it is, nothing else
)

// has says whether the credential carries one of the scopes; global is always one.
func (a Actor) has(scopes ...Scope) bool {
	if len(a.Scope) == 0 || slices.Contains(a.Scope, ScopeGlobal) {
		return true
	}
	return slices.ContainsFunc(scopes, func(s Scope) bool { return slices.Contains(a.Scope, s) })
}

// Permission is what an account may do with an app of another (Heroku's names).
// View is part of every other; the rest are independent of each other.
type Permission string

// The permissions on an app.
const (
	PermView    Permission = "view"    // see the app, what runs, its releases, logs and history
	PermDeploy  Permission = "deploy"  // push, roll back, cancel, run and exec, and read the config
	PermOperate Permission = "operate" // change config, scale, restart, domains, drains, cron, maintenance
	PermManage  Permission = "manage"  // give access, rename, transfer, lock, destroy
)

// Permissions are all of them, weakest first.
func Permissions() []Permission {
	return []Permission{PermView, PermDeploy, PermOperate, PermManage}
}

// Describe says what a permission allows, for people.
func (p Permission) Describe() string {
	switch p {
	case PermView:
		return "Can see the app, what runs, its releases, logs and history."
	case PermDeploy:
		return "Can push, roll back, run commands and read the config."
	case PermOperate:
		return "Can change config, scale, restart and set domains, drains, cron and maintenance."
	case PermManage:
		return "Can give access, rename, lock and destroy."
	}
	return ""
}

type actorKey struct{}

// WithActor says on whose behalf a context works: the store writes it into the
// audit log beside each change.
func WithActor(ctx context.Context, a Actor) context.Context {
	return context.WithValue(ctx, actorKey{}, a)
}

// ActorOf gives the request's identity; false for the platform's own work.
func ActorOf(ctx context.Context) (Actor, bool) {
	a, ok := ctx.Value(actorKey{}).(Actor)
	return a, ok
}
