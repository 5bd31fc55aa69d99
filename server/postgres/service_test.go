package postgres_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"reflect"
	"slices"
	"testing"
	"time"

	"paas/server"
)

// house is the use cases on a real database.
type house struct {
	*world
	svc *server.Service
}

func newHouse(t *testing.T) *house {
	t.Helper()
	w := newWorld(t, time.Minute)
	master := make([]byte, server.MasterKeySize)
	rand.Read(master)
	k, err := server.NewKeyring(master)
	w.must(err)
	bell, ears := server.NewBell(), make(chan struct{}, 100)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- w.Listen(ctx, func(topic string) {
			bell.Ring(topic)
			select {
			case ears <- struct{}{}:
			default:
			}
		})
	}()
	t.Cleanup(func() { cancel(); <-ended })
	<-ears // it listens
	svc, err := server.NewService(w.ctx, server.ServiceConfig{TokenLife: time.Hour, MaxSlots: 100, VolumeDrivers: []string{"lakes"}, Sizes: server.DefaultSizes(), Domain: "example.com",
		DiskUsed: func() (int, error) { return 1, nil }, Fleet: func() server.FleetAddress { return server.FleetAddress{Addr: "paas.example.com:8443", CA: "ab12"} }}, w.Store, noRepos{}, k, bell, server.NewSessions(), noLogs{}, nil,
		slog.New(slog.NewTextHandler(io.Discard, nil)))
	w.must(err)
	return &house{world: w, svc: svc}
}

// noRepos and noLogs keep nothing: what is tested does not come that far.
type noRepos struct{ server.Repos }

func (noRepos) Destroy(string) error                        { return nil }
func (noRepos) Size(context.Context, string) (int64, error) { return 0, nil }

type noLogs struct{ server.Logs }

func (noLogs) Append(...server.LogLine)                                                {}
func (noLogs) Read(context.Context, server.LogQuery, func(server.LogLine) error) error { return nil }
func (noLogs) Drop(string)                                                             {}

// person makes an account and its actor.
func (h *house) person(email string, scope ...server.Scope) server.Actor {
	h.t.Helper()
	a, err := h.EnsureAccount(h.ctx, email, false)
	h.must(err)
	return server.Actor{Account: a, Scope: scope, Via: "api"}
}

func (h *house) as(a server.Actor) context.Context { return server.WithActor(h.ctx, a) }

// guard is what a use case asks of who calls it.
type guard string

const (
	needsView  guard = "view"    // whoever sees the app
	needsMore  guard = "more"    // a permission beyond view, and a token that may write
	needsFound guard = "found"   // as more, but what is more depends on what it finds
	needsRead  guard = "read"    // no app: a token that may look at apps
	needsWrite guard = "write"   // no app: a token that may change apps
	needsAll   guard = "account" // a token for everything
	needsAdmin guard = "admin"   // an admin, and as before
	needsWatch guard = "watch"   // an admin, and a token that may look at apps
	needsNone  guard = "open"    // nothing; the reason stands beside it
)

// guards is every use case of the platform. One that is not here fails the
// test until somebody has thought about who may call it.
func guards() map[string]guard {
	g := map[string]guard{
		"Authenticate": needsNone, // it finds the actor
		"Operator":     needsNone, // its caller is the operator
		"Join":         needsNone, // the code of an invitation proves it
		"Ready":        needsNone, // tells nothing of anybody
		"Push":         needsNone, // Repository has decided
		"Sizes":        needsNone, // takes an app that App has given
		"AllDrains":    needsNone, // the platform's own: what it sends log lines to
		"WhileAllowed": needsNone, // a context; tested below
		"FindAccount":  needsNone, // oneself; of others see TestAccountsAreAdmins

		// Whoever signs in to the dashboard is nobody yet, and proves it by these.
		"PeekSignInLink": needsNone, "SignIn": needsNone, "SessionActor": needsNone, "SignOut": needsNone, "SignInRefused": needsNone,
		"KeepChallenge": needsNone, "TakeChallenge": needsNone, "Passkey": needsNone, "SignInByPasskey": needsNone, "SignInByIdentity": needsNone,
	}
	for need, names := range map[guard][]string{
		needsView: {"App", "Allowed", "Watch", "AppSummary", "AppErrors", "Formation", "Instances", "Instance", "Releases", "Release", "ReleaseOutput",
			"Builds", "Build", "Deploys", "Deploy", "DeploySteps", "DeployOutput", "Follow", "Events", "Logs", "Collaborators", "Collaborator",
			"Domains", "Domain", "Links", "Drains", "Drain", "Crons", "Cron", "CronHistory", "Runs", "Run", "AwaitRun", "Metrics", "Overview", "Activity", "Placement", "Why", "Volumes", "Volume"},
		needsMore: {"AddCollaborator", "UpdateCollaborator", "RemoveCollaborator", "Invitations", "RevokeInvitation", "Audit",
			"ChangeApp", "TransferApp", "DestroyApp", "SuspendCron", "RunCron", "Retry", "Rollback", "Cancel",
			"AddDomain", "RemoveDomain", "ClearDomains", "AddLink", "RemoveLink", "AddDrain", "RemoveDrain", "Scale", "Restart", "Diff",
			"Config", "TypeConfig", "ConfigSheet", "RehearseConfig", "SetConfig", "ChangeConfig", "History", "Files", "File", "Staged", "StageConfig", "Unstage", "ApplyStaged",
			"Repository", "Open", "StartRun", "SetPlacement", "CreateVolume", "AttachVolume", "DetachVolume", "DestroyVolume"},
		needsFound: {"StopDyno"}, // of a one-off deploy, of others operate
		needsRead:  {"Apps", "Sparks", "AppList", "Hosts", "Host", "Routers", "Router"},
		needsWrite: {"CreateApp"},
		needsAll: {"Keys", "AddKey", "RemoveKey", "Login", "Authorizations", "Authorization", "Authorize", "Revoke", "Rotate", "JoinAs", "CommandToken",
			"CreateSignInLink", "WebSessions", "EndWebSession", "Passkeys", "AddPasskey", "RemovePasskey"},
		needsAdmin: {"Accounts", "CreateAccount", "SetAdmin", "RemoveAccount", "AuditAll", "SearchAudit", "VerifyAudit", "MasterKey", "RotateMasterKey", "AddHost", "ChangeHost", "RemoveHost",
			"PlanDrill", "PlanRebalance", "Rebalance", "StartDrill", "Drill", "EndDrill", "AddRouter", "RemoveRouter", "ServerList"},
		needsWatch: {"Gauges"},
	} {
		for _, name := range names {
			g[name] = need
		}
	}
	return g
}

// TestEveryUseCaseIsGuarded calls every use case as those who may not, by
// reflection, so that none can be added without a guard.
func TestEveryUseCaseIsGuarded(t *testing.T) {
	h := newHouse(t)
	known, typ := guards(), reflect.TypeOf(h.svc)
	for i := range typ.NumMethod() {
		name := typ.Method(i).Name
		need, ok := known[name]
		delete(known, name)
		if !ok {
			t.Errorf("Service.%s is new: say in guards who may call it", name)
			continue
		}
		for _, c := range h.refusals(need) {
			err := h.call(name, c.who)
			if !c.want(err) {
				t.Errorf("Service.%s (needs %s) by %s: %v", name, need, c.label, err)
			}
		}
	}
	for name := range known {
		t.Errorf("Service.%s is no more: take it out of guards", name)
	}
}

// attempt is a caller and what a use case must say to them.
type attempt struct {
	label string
	who   server.Actor
	want  func(error) bool
}

func is(id server.ErrID) func(error) bool {
	return func(err error) bool { return server.IsID(err, id) }
}

func notForbidden(err error) bool {
	return !server.IsID(err, server.ErrForbidden) && (err == nil || err.Error() != noSuchApp)
}

// noSuchApp is what everybody is told of an app they may not see.
const noSuchApp = "Couldn't find that app.\nSee which there are: paas apps"

func isHidden(err error) bool { return err != nil && err.Error() == noSuchApp }

func (h *house) refusals(need guard) []attempt {
	viewer := h.person("viewer@example.com")
	_, err := h.AddCollaborator(h.ctx, server.Collaborator{AppID: h.app.ID, AccountID: viewer.ID, Permissions: []server.Permission{server.PermView}}, "x")
	if err != nil && err != server.ErrStale {
		h.t.Fatal(err)
	}
	owner := func(s ...server.Scope) server.Actor { return server.Actor{Account: h.user, Scope: s, Via: "api"} } // an admin, too
	person := func(s ...server.Scope) server.Actor { return h.person("someone@example.com", s...) }
	stranger := attempt{"a stranger", person(), isHidden}
	identity := attempt{"the owner's identity token", owner(server.ScopeIdentity), isHidden}
	switch need {
	case needsView:
		return []attempt{stranger, identity, {"a viewer", viewer, notForbidden}, {"a read token", owner(server.ScopeRead), notForbidden}}
	case needsMore:
		return []attempt{stranger, identity, {"a viewer", viewer, is(server.ErrForbidden)}, {"the owner's read token", owner(server.ScopeRead), is(server.ErrForbidden)}}
	case needsFound:
		some := func(err error) bool { return err != nil }
		return []attempt{stranger, identity, {"a viewer", viewer, some}, {"the owner's read token", owner(server.ScopeRead), some}}
	case needsRead:
		return []attempt{{"an identity token", person(server.ScopeIdentity), is(server.ErrForbidden)}, {"a read token", person(server.ScopeRead), notForbidden}}
	case needsWrite:
		return []attempt{{"an identity token", person(server.ScopeIdentity), is(server.ErrForbidden)}, {"a read token", person(server.ScopeRead), is(server.ErrForbidden)},
			{"a write token", person(server.ScopeWrite), notForbidden}}
	case needsWatch:
		return []attempt{{"no admin", person(), is(server.ErrForbidden)}, {"an admin's identity token", owner(server.ScopeIdentity), is(server.ErrForbidden)},
			{"an admin's read token", owner(server.ScopeRead), notForbidden}}
	case needsAll, needsAdmin:
		all := []attempt{{"a write token", owner(server.ScopeWrite, server.ScopeRead), is(server.ErrForbidden)}, {"a read token", owner(server.ScopeRead), is(server.ErrForbidden)},
			{"an identity token", owner(server.ScopeIdentity), is(server.ErrForbidden)}}
		if need == needsAdmin {
			all = append(all, attempt{"no admin", person(), is(server.ErrForbidden)})
		}
		return all
	}
	return nil
}

// call calls a use case by name. The first string behind the actor is the
// app, where there is one; everything else is as empty as it can be.
func (h *house) call(name string, who server.Actor) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("went on: %v", p)
		}
	}()
	ctx, done := context.WithTimeout(h.as(who), 5*time.Second)
	defer done()
	m := reflect.ValueOf(h.svc).MethodByName(name)
	args := make([]reflect.Value, m.Type().NumIn())
	strings := 0
	for i := range args {
		in := m.Type().In(i)
		switch {
		case in == reflect.TypeFor[context.Context]():
			args[i] = reflect.ValueOf(ctx)
		case in == reflect.TypeFor[server.Actor]():
			args[i] = reflect.ValueOf(who)
		case in == reflect.TypeFor[io.Writer]():
			args[i] = reflect.ValueOf(io.Discard)
		case in.Kind() == reflect.String:
			args[i] = reflect.ValueOf("x")
			if strings++; strings == 1 && slices.Contains([]guard{needsView, needsMore, needsFound}, guards()[name]) {
				args[i] = reflect.ValueOf(h.app.ID)
			}
		case in == reflect.TypeFor[func(server.LogLine) error]():
			args[i] = reflect.ValueOf(func(server.LogLine) error { return nil })
		default:
			args[i] = reflect.Zero(in)
		}
	}
	if name == "ChangeApp" { // it asks for what the change needs
		off := false
		args[3] = reflect.ValueOf(server.AppChange{Maintenance: &off})
	}
	out := m.Call(args)
	err, _ = out[len(out)-1].Interface().(error)
	return err
}

// What lasts ends when the right to it does: access taken away, token revoked,
// account removed.
func TestWhileAllowedEnds(t *testing.T) {
	h := newHouse(t)
	for label, end := range map[string]func(who server.Actor){
		"signed out": func(who server.Actor) { h.must(h.svc.EndWebSession(h.as(who), who, who.Session)) },
		"access taken away": func(who server.Actor) {
			c, err := h.svc.RemoveCollaborator(h.as(who), server.Actor{Account: h.user}, h.app.Name, who.Email)
			h.must(err)
			if c.AccountID != who.ID {
				t.Error("another was removed")
			}
		},
		"token revoked": func(who server.Actor) {
			_, err := h.svc.Revoke(h.as(who), who, "~")
			h.must(err)
		},
		"account removed": func(who server.Actor) {
			_, err := h.svc.RemoveAccount(h.as(who), h.svc.Operator(), who.Email)
			h.must(err)
		},
	} {
		t.Run(label, func(t *testing.T) {
			who := h.person(fmt.Sprintf("live%d@example.com", len(label)))
			_, err := h.svc.AddCollaborator(h.as(who), server.Actor{Account: h.user}, h.app.Name, who.Email, nil)
			h.must(err)
			if label == "signed out" {
				who = h.signedIn(who)
			} else {
				secret, _, err := h.svc.Login(h.as(who), who)
				h.must(err)
				who, err = h.svc.Authenticate(h.ctx, secret)
				h.must(err)
			}
			ctx, done := h.svc.WhileAllowed(h.ctx, who, h.app.ID, server.PermDeploy)
			defer done()
			if ctx.Err() != nil {
				t.Fatal(context.Cause(ctx))
			}
			end(who)
			select {
			case <-ctx.Done():
			case <-time.After(4 * time.Second): // it is told, and need not look
				t.Fatal("it goes on")
			}
			if err := context.Cause(ctx); !server.IsID(err, server.ErrNotFound) && !server.IsID(err, server.ErrUnauthorized) {
				t.Errorf("it ended by %v", err)
			}
		})
	}
}
