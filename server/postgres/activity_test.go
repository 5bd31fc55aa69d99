package postgres_test

import (
	"testing"

	"paas/server"
)

// What people did is told with where they did it from, to who manages the app;
// what the platform did has no such place.
func TestActivityTellsFromWhere(t *testing.T) {
	h := newHouse(t)
	bob, app := h.owner("bob@example.com", "busy")
	bob.Via, bob.From = "web", "192.0.2.7"
	viewer := h.person("viewer@example.com")
	_, err := h.svc.AddCollaborator(h.as(bob), bob, app.Name, viewer.Email, []server.Permission{server.PermView})
	h.must(err)
	for _, name := range []string{"www.example.org", "shop.example.org"} {
		_, err := h.svc.AddDomain(h.as(bob), bob, app.Name, name)
		h.must(err)
	}
	h.sql(`insert into events (app_id, actor, kind, text) values ('` + app.ID + `', 'paas', 'instance.crashed', 'web.1 v3 exit 1')`)

	list, err := h.svc.Activity(h.as(bob), bob, app.Name, server.ActivityQuery{Max: 3})
	h.must(err)
	if len(list) != 3 || list[0].Kind != "instance.crashed" || list[0].Via != "" || list[1].Text != "shop.example.org" || list[1].Via != "web" || list[1].From != "192.0.2.7" {
		t.Fatalf("%+v", list)
	}
	older, err := h.svc.Activity(h.as(bob), bob, app.Name, server.ActivityQuery{Max: 3, Before: list[2].ID})
	h.must(err)
	if len(older) == 0 || older[0].ID >= list[2].ID {
		t.Fatalf("%+v", older)
	}
	for _, c := range []struct {
		q    server.ActivityQuery
		want int
	}{
		{server.ActivityQuery{Max: 10, Kinds: []string{"domain"}}, 2},
		{server.ActivityQuery{Max: 10, Person: "paas"}, 1},
		{server.ActivityQuery{Max: 10, Person: "paas", Kinds: []string{"domain"}}, 0},
	} {
		if got, err := h.svc.Activity(h.as(bob), bob, app.Name, c.q); err != nil || len(got) != c.want {
			t.Errorf("%+v: %+v, %v", c.q, got, err)
		}
	}
	seen, err := h.svc.Activity(h.as(viewer), viewer, app.Name, server.ActivityQuery{Max: 10})
	h.must(err)
	for _, a := range seen {
		if a.Via != "" || a.From != "" {
			t.Errorf("a viewer sees from where %+v", a)
		}
	}
	if _, err := h.svc.Activity(h.as(bob), bob, app.Name, server.ActivityQuery{Max: server.MaxAudit + 1}); !server.IsID(err, server.ErrInvalid) {
		t.Error(err)
	}
}

func TestSearchAudit(t *testing.T) {
	h := newHouse(t)
	op := h.svc.Operator()
	bob, app := h.owner("bob@example.com", "gone")
	_, err := h.svc.AddDomain(h.as(bob), bob, app.Name, "www.example.org")
	h.must(err)
	_, err = h.svc.DestroyApp(h.as(bob), bob, app.Name)
	h.must(err)
	// By the name of an app that is no more, by its id, by who it was.
	for _, q := range []server.ActivityQuery{{App: "gone"}, {App: app.ID}, {App: "gone", Person: bob.Email, Kinds: []string{"domain"}}} {
		q.Max = 100
		list, err := h.svc.SearchAudit(h.as(op), op, q)
		h.must(err)
		if len(list) == 0 || list[0].Kind != "domain.added" || list[0].App != "gone" {
			t.Errorf("%+v: %+v", q, list)
		}
	}
	all, err := h.svc.SearchAudit(h.as(op), op, server.ActivityQuery{Max: 2})
	h.must(err)
	next, err := h.svc.SearchAudit(h.as(op), op, server.ActivityQuery{Max: 2, Before: all[1].ID})
	h.must(err)
	if len(next) == 0 || next[0].ID >= all[1].ID {
		t.Fatalf("%+v then %+v", all, next)
	}
}
