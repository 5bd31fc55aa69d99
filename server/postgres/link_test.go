package postgres_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"paas/server"
)

// makeApp makes an app of an account.
func (w *world) makeApp(name, owner string) server.App {
	w.t.Helper()
	a, err := w.CreateApp(w.ctx, server.NewApp{ID: uuid.NewString(), Name: name, OwnerID: owner, Actor: "x",
		DataKey: []byte("key"), ReleaseID: uuid.NewString(), Config: []byte("{}"), MaxSlots: 100})
	w.must(err)
	return a
}

// share lets somebody do exactly that with an app.
func (w *world) share(app server.App, who server.Actor, perms ...server.Permission) {
	w.t.Helper()
	c := server.Collaborator{AppID: app.ID, App: app.Name, AccountID: who.ID, Email: who.Email, Permissions: perms}
	if _, err := w.AddCollaborator(w.ctx, c, "x"); err != nil {
		_, err = w.UpdateCollaborator(w.ctx, c, "x")
		w.must(err)
	}
}

func (w *world) revision() int64 {
	w.t.Helper()
	all, err := w.Revisions(w.ctx)
	w.must(err)
	return all[w.app.ID]
}

func TestLinks(t *testing.T) {
	w := newWorld(t, time.Minute)
	s, logs, person := w.service()
	ann := server.Actor{Account: w.user}
	bob := person()
	other := w.makeApp("other", bob.ID)
	operate := person(server.PermView, server.PermOperate)

	// It takes both sides.
	if _, err := s.AddLink(w.ctx, operate, "web-shop", "other"); !server.IsID(err, server.ErrNotFound) {
		t.Errorf("an app that is not seen was linked: %v", err)
	}
	if _, err := s.AddLink(w.ctx, bob, "other", "web-shop"); !server.IsID(err, server.ErrNotFound) {
		t.Errorf("an app was linked with one of somebody else: %v", err)
	}
	w.share(other, operate, server.PermView)
	if _, err := s.AddLink(w.ctx, operate, "web-shop", "other"); !server.IsID(err, server.ErrForbidden) {
		t.Errorf("an app that may only be seen was linked: %v", err)
	}
	w.share(other, operate, server.PermView, server.PermOperate)
	l, err := s.AddLink(w.ctx, operate, "web-shop", "other")
	w.must(err)
	if l.App != "web-shop" || l.Target != "other" || l.Hostname() != "other.internal" || l.AddedBy != operate.Email {
		t.Errorf("made %+v", l)
	}
	if _, err := s.AddLink(w.ctx, operate, "web-shop", "other"); !server.IsID(err, server.ErrInvalid) {
		t.Errorf("linked twice: %v", err)
	}
	if len(logs.lines) < 2 || logs.lines[len(logs.lines)-1].AppID != other.ID {
		t.Errorf("the log of the other app says nothing: %+v", logs.lines)
	}
	for app, who := range map[string]server.Actor{"web-shop": ann, "other": bob} {
		if list, err := s.Links(w.ctx, who, app); err != nil || len(list) != 1 {
			t.Errorf("%s sees %+v, %v", app, list, err)
		}
	}
	snaps, err := w.AppSnapshots(w.ctx, []string{w.app.ID, other.ID})
	w.must(err)
	for _, snap := range snaps {
		if want := []string{other.ID}; snap.App.ID == w.app.ID && !slices.Equal(snap.Links, want) || snap.App.ID == other.ID && len(snap.Links) != 0 {
			t.Errorf("%s has links %v", snap.App.Name, snap.Links)
		}
	}

	// Either side ends it, and only it.
	if _, err := s.RemoveLink(w.ctx, bob, "other", "web-shop", false); !server.IsID(err, server.ErrNotFound) {
		t.Errorf("removed in the wrong direction: %v", err)
	}
	_, err = s.RemoveLink(w.ctx, bob, "other", "web-shop", true)
	w.must(err)
	if list, err := s.Links(w.ctx, ann, "web-shop"); err != nil || len(list) != 0 {
		t.Errorf("left %+v, %v", list, err)
	}
}

// A link ends with either app, and when an app is given to somebody who may not
// operate the other.
func TestLinksEnd(t *testing.T) {
	w := newWorld(t, time.Minute)
	s, _, person := w.service()
	ann, bob := server.Actor{Account: w.user}, person()
	one, two, three := w.makeApp("one", bob.ID), w.makeApp("two", bob.ID), w.makeApp("three", bob.ID)
	for _, target := range []server.App{one, two, three} {
		_, err := w.AddLink(w.ctx, w.app.ID, target.ID, "x")
		w.must(err)
	}
	left := func(want int) {
		t.Helper()
		if list, err := w.Links(w.ctx, w.app.ID); err != nil || len(list) != want {
			t.Fatalf("%+v, %v, want %d", list, err, want)
		}
	}
	before := w.revision()
	w.must(w.DeleteApp(w.ctx, one.ID, "x"))
	left(2)
	carol := person()
	w.share(two, carol, server.PermView, server.PermOperate)
	_, err := s.TransferApp(w.ctx, ann, "web-shop", carol.Email, false)
	w.must(err)
	left(1)
	if w.revision() == before {
		t.Error("nobody was told")
	}
	for i := range server.MaxLinks - 1 {
		_, err := w.AddLink(w.ctx, w.app.ID, w.makeApp(fmt.Sprintf("many-%d", i), bob.ID).ID, "x")
		w.must(err)
	}
	if _, err := w.AddLink(w.ctx, w.app.ID, three.ID, "x"); !server.IsID(err, server.ErrInvalid) {
		t.Errorf("one too many: %v", err)
	}
}
