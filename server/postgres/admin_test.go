package postgres_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"paas/server"
)

func ref[T any](v T) *T { return &v }

// kinds lists the kinds of an app's newest events, newest first.
func (w *world) kinds(n int) string {
	w.t.Helper()
	list, err := w.Events(w.ctx, w.app.ID, n)
	w.must(err)
	var all []string
	for _, e := range list {
		all = append(all, e.Kind+" "+e.Text)
	}
	return strings.Join(all, "; ")
}

func TestChangeApp(t *testing.T) {
	w := newWorld(t, time.Minute)
	other := w.newApp("other")
	a, err := w.ChangeApp(w.ctx, w.app.ID, "ann", server.AppChange{Name: ref("new-shop"), Maintenance: ref(true),
		Settings: map[string]*int{"stop_timeout": ref(60)}})
	w.must(err)
	if a.Name != "new-shop" || !a.Maintenance || a.Settings.StopTimeout != 60 || a.Revision <= w.app.Revision {
		t.Fatalf("%+v", a)
	}
	if got := w.kinds(3); got != "settings.changed stop-timeout=60; maintenance.on ; app.renamed web-shop to new-shop" {
		t.Errorf("events %q", got)
	}
	if _, err := w.App(w.ctx, "web-shop"); !server.IsID(err, server.ErrNotFound) {
		t.Errorf("the old name: %v", err)
	}
	w.newApp("web-shop") // free at once
	if _, err := w.ChangeApp(w.ctx, w.app.ID, "ann", server.AppChange{Name: ref(other.Name), Maintenance: ref(false)}); !server.IsID(err, server.ErrInvalid) {
		t.Errorf("a name that is taken: %v", err)
	}
	snap, err := w.Snapshot(w.ctx, w.app.ID)
	w.must(err)
	if !snap.App.Maintenance || snap.App.Name != "new-shop" {
		t.Errorf("half of a refused change was made: %+v", snap.App)
	}
	if a, err = w.ChangeApp(w.ctx, w.app.ID, "ann", server.AppChange{Settings: map[string]*int{"stop_timeout": nil, "log_days": ref(3)}}); err != nil || a.Settings != (server.AppSettings{LogDays: 3}) {
		t.Errorf("settings %+v, %v", a.Settings, err)
	}
	if _, err = w.ChangeApp(w.ctx, w.app.ID, "ann", server.AppChange{Locked: ref(true)}); err != nil {
		t.Fatal(err)
	}
	// A lock that came between the look and the change holds.
	if _, err = w.ChangeApp(w.ctx, w.app.ID, "ann", server.AppChange{Name: ref("third")}); !server.IsID(err, server.ErrForbidden) {
		t.Errorf("a locked app: %v", err)
	}
	if a, err = w.ChangeApp(w.ctx, w.app.ID, "ann", server.AppChange{Locked: ref(false), Name: ref("third")}); err != nil || a.Locked || a.Name != "third" {
		t.Errorf("unlocked: %+v %v", a, err)
	}
}

func TestGiveApp(t *testing.T) {
	w := newWorld(t, time.Minute)
	bob, err := w.EnsureAccount(w.ctx, "bob@example.com", false)
	w.must(err)
	a, err := w.GiveApp(w.ctx, w.app.ID, bob.ID, "ann", true)
	w.must(err)
	may, err := w.Permissions(w.ctx, w.app.ID, w.user.ID)
	w.must(err)
	if a.OwnerID != bob.ID || a.OwnerEmail != bob.Email || !slices.Equal(may, server.Permissions()) {
		t.Errorf("%+v, the old owner may %v", a, may)
	}
	if got := w.kinds(1); got != "app.transferred ann@example.com to bob@example.com" {
		t.Errorf("event %q", got)
	}
	// Back, and nothing stays for bob; ann owns it and is no collaborator.
	_, err = w.GiveApp(w.ctx, w.app.ID, w.user.ID, "bob", false)
	w.must(err)
	if n, err := w.CountCollaborators(w.ctx, w.app.ID); err != nil || n != 0 {
		t.Errorf("%d collaborators, %v", n, err)
	}
}

func TestDomains(t *testing.T) {
	w := newWorld(t, time.Minute)
	second := w.newApp("second")
	bob, err := w.EnsureAccount(w.ctx, "bob@example.com", false)
	w.must(err)
	bobs := w.newApp("bobs")
	_, err = w.GiveApp(w.ctx, bobs.ID, bob.ID, "ann", false)
	w.must(err)
	for _, c := range []struct {
		app, name string
		ok        bool
	}{
		{w.app.ID, "www.example.com", true}, {w.app.ID, "www.example.com", false}, {second.ID, "www.example.com", false}, {bobs.ID, "www.example.com", false},
		{w.app.ID, "*.example.org", true},
		{second.ID, "shop.example.org", true}, // ann's wildcard: hers to give
		{bobs.ID, "blog.example.org", false}, {bobs.ID, "a.blog.example.org", true}, {bobs.ID, "example.org", true},
		{bobs.ID, "x.example.net", true}, {w.app.ID, "*.example.net", false}, {bobs.ID, "*.example.net", true}, {w.app.ID, "*.x.example.net", true},
		{w.app.ID, "xexample.net", true},
	} {
		_, err := w.AddDomain(w.ctx, c.app, c.name, "ann")
		if c.ok != (err == nil) || err != nil && (!server.IsID(err, server.ErrInvalid) || strings.Contains(err.Error(), "bob")) {
			t.Errorf("%s: %v, want ok %v", c.name, err, c.ok)
		}
	}
	snap, err := w.Snapshot(w.ctx, w.app.ID)
	w.must(err)
	if got := fmt.Sprint(snap.Domains); got != "[*.example.org *.x.example.net www.example.com xexample.net]" {
		t.Errorf("snapshot has %s", got)
	}
	list, err := w.Domains(w.ctx, w.app.ID)
	w.must(err)
	gone, err := w.RemoveDomains(w.ctx, w.app.ID, list[0].ID, "ann")
	if err != nil || len(gone) != 1 || gone[0].Hostname != "*.example.org" {
		t.Errorf("removed %+v, %v", gone, err)
	}
	if gone, err = w.RemoveDomains(w.ctx, w.app.ID, "shop.example.org", "ann"); err != nil || len(gone) != 0 {
		t.Errorf("another app's: %+v, %v", gone, err)
	}
	if gone, err = w.RemoveDomains(w.ctx, w.app.ID, "", "ann"); err != nil || len(gone) != 3 {
		t.Errorf("cleared %+v, %v", gone, err)
	}
	if _, err := w.AddDomain(w.ctx, bobs.ID, "www.example.com", "bob"); err != nil {
		t.Errorf("a name that is free again: %v", err)
	}
	w.must(w.DeleteApp(w.ctx, bobs.ID, "bob")) // its names go with it
	if _, err := w.AddDomain(w.ctx, second.ID, "www.example.com", "ann"); err != nil {
		t.Errorf("a destroyed app's name: %v", err)
	}
	if _, err := w.AddDomain(w.ctx, bobs.ID, "x.example.com", "ann"); !server.IsID(err, server.ErrNotFound) {
		t.Errorf("a destroyed app: %v", err)
	}
}

func TestMostDomains(t *testing.T) {
	w := newWorld(t, time.Minute)
	conn, err := pgx.Connect(w.ctx, w.dsn)
	w.must(err)
	defer conn.Close(w.ctx)
	_, err = conn.Exec(w.ctx, `insert into domains (app_id, hostname) select $1, 'h' || i || '.example.com' from generate_series(1, $2::int) i`, w.app.ID, server.MaxDomains)
	w.must(err)
	if _, err := w.AddDomain(w.ctx, w.app.ID, "one.example.com", "ann"); !server.IsID(err, server.ErrInvalid) {
		t.Errorf("one too many: %v", err)
	}
}

// Of many who want a name, or a wildcard and a name below it, one gets it.
func TestRaceForDomains(t *testing.T) {
	w := newWorld(t, time.Minute)
	bob, err := w.EnsureAccount(w.ctx, "bob@example.com", false)
	w.must(err)
	bobs := w.newApp("bobs")
	_, err = w.GiveApp(w.ctx, bobs.ID, bob.ID, "ann", false)
	w.must(err)
	for i := range 20 {
		base := fmt.Sprintf("%d.example.com", i)
		names := map[string]string{w.app.ID: "*." + base, bobs.ID: "www." + base}
		var mu sync.Mutex
		var got []string
		var all sync.WaitGroup
		for app, name := range names {
			all.Go(func() {
				_, err := w.AddDomain(w.ctx, app, name, "x")
				var told *server.Error
				if err != nil && !errors.As(err, &told) {
					t.Error(err)
				}
				if err == nil {
					mu.Lock()
					got = append(got, name)
					mu.Unlock()
				}
			})
		}
		all.Wait()
		if len(got) != 1 {
			t.Fatalf("both or none got it: %v", got)
		}
	}
}
