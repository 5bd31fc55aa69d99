package postgres_test

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"paas/server"
)

// kept is a log in memory. What it does not do is nobody's.
type kept struct {
	server.Logs
	lines []server.LogLine
}

func (k *kept) Append(lines ...server.LogLine) { k.lines = append(k.lines, lines...) }

func (k *kept) Read(_ context.Context, q server.LogQuery, line func(server.LogLine) error) error {
	for _, l := range k.lines {
		if l.AppID == q.AppID && q.Matches(l) {
			if err := line(l); err != nil {
				return err
			}
		}
	}
	return nil
}

// service gives the use cases on the world's store, and who may use them.
func (w *world) service() (*server.Service, *kept, func(perms ...server.Permission) server.Actor) {
	w.t.Helper()
	logs := &kept{}
	s, err := server.NewService(w.ctx, server.ServiceConfig{Domain: "apps.test", Sizes: server.DefaultSizes()}, w.Store, nil, nil, server.NewBell(), nil, logs, nil, slog.New(slog.DiscardHandler))
	w.must(err)
	n := 0
	return s, logs, func(perms ...server.Permission) server.Actor {
		n++
		a, err := w.EnsureAccount(w.ctx, string(rune('a'+n))+"@example.com", false)
		w.must(err)
		if len(perms) > 0 {
			_, err = w.AddCollaborator(w.ctx, server.Collaborator{AppID: w.app.ID, App: w.app.Name, AccountID: a.ID, Email: a.Email, Permissions: perms}, "ann")
			w.must(err)
		}
		return server.Actor{Account: a, Via: "api"}
	}
}

func TestWhoMayAdministrate(t *testing.T) {
	w := newWorld(t, time.Minute)
	s, logs, person := w.service()
	view, operate, manage := person(server.PermView), person(server.PermView, server.PermOperate), person(server.PermView, server.PermManage)
	stranger, owner := person(), server.Actor{Account: w.user}
	changes := map[string]server.AppChange{"name": {Name: ref("named")}, "maintenance": {Maintenance: ref(true)}, "lock": {Locked: ref(true)},
		"settings": {Settings: map[string]*int{"log_days": ref(3)}}, "both": {Name: ref("named"), Maintenance: ref(true)}}
	for _, c := range []struct {
		who  server.Actor
		may  []string
		id   server.ErrID
		move bool // may give it away
	}{
		{stranger, nil, server.ErrNotFound, false}, {view, nil, server.ErrForbidden, false},
		{operate, []string{"maintenance", "settings"}, server.ErrForbidden, false},
		{manage, []string{"name", "lock"}, server.ErrForbidden, false},
		{owner, []string{"name", "maintenance", "lock", "settings", "both"}, "", true},
	} {
		for what, change := range changes {
			_, err := s.ChangeApp(w.ctx, c.who, w.app.ID, change)
			if may := slices.Contains(c.may, what); may != (err == nil) || !may && !server.IsID(err, c.id) {
				t.Errorf("%s: %s: %v", c.who.Email, what, err)
			}
			_, err = w.ChangeApp(w.ctx, w.app.ID, "test", server.AppChange{Locked: ref(false), Maintenance: ref(false), Name: ref("web-shop")})
			w.must(err)
		}
		_, err := s.ChangeApp(w.ctx, c.who, w.app.ID, server.AppChange{})
		if want := server.ErrInvalid; c.who.ID == stranger.ID && !server.IsID(err, server.ErrNotFound) || c.who.ID != stranger.ID && !server.IsID(err, want) {
			t.Errorf("%s: nothing to change: %v", c.who.Email, err)
		}
		_, err = s.TransferApp(w.ctx, c.who, w.app.ID, stranger.Email, false)
		if c.move != (err == nil) || !c.move && !server.IsID(err, c.id) {
			t.Errorf("%s gives it away: %v", c.who.Email, err)
		}
	}
	if _, err := s.App(w.ctx, stranger, w.app.ID); err != nil {
		t.Errorf("the new owner: %v", err)
	}
	if len(logs.lines) == 0 || !strings.HasPrefix(logs.lines[len(logs.lines)-1].Text, "Transferred from ") {
		t.Errorf("log %+v", logs.lines)
	}
}

func TestLockedAppIsLeftAlone(t *testing.T) {
	w := newWorld(t, time.Minute)
	s, _, person := w.service()
	all := person(server.Permissions()...)
	owner := server.Actor{Account: w.user}
	_, err := s.ChangeApp(w.ctx, owner, w.app.Name, server.AppChange{Locked: ref(true)})
	w.must(err)
	for _, who := range []server.Actor{owner, all} {
		for what, do := range map[string]func() error{
			"rename": func() error {
				_, err := s.ChangeApp(w.ctx, who, w.app.Name, server.AppChange{Name: ref("x")})
				return err
			},
			"maintenance": func() error {
				_, err := s.ChangeApp(w.ctx, who, w.app.Name, server.AppChange{Maintenance: ref(true)})
				return err
			},
			"lock twice": func() error {
				_, err := s.ChangeApp(w.ctx, who, w.app.Name, server.AppChange{Locked: ref(true), Name: ref("x")})
				return err
			},
			"domain":  func() error { _, err := s.AddDomain(w.ctx, who, w.app.Name, "www.example.com"); return err },
			"cron":    func() error { _, err := s.RunCron(w.ctx, who, w.app.Name, "abcd"); return err },
			"destroy": func() error { _, err := s.DestroyApp(w.ctx, who, w.app.Name); return err },
		} {
			if err := do(); !server.IsID(err, server.ErrForbidden) {
				t.Errorf("%s by %s: %v", what, who.Email, err)
			}
		}
	}
	if _, err := s.TransferApp(w.ctx, owner, w.app.Name, all.Email, false); !server.IsID(err, server.ErrForbidden) {
		t.Errorf("transfer: %v", err)
	}
	if list, err := s.Domains(w.ctx, all, w.app.Name); err != nil || len(list) != 1 || list[0].Hostname != "web-shop.apps.test" {
		t.Errorf("reading: %+v %v", list, err)
	}
	if a, err := s.ChangeApp(w.ctx, all, w.app.Name, server.AppChange{Locked: ref(false), Maintenance: ref(true)}); err != nil || a.Locked || !a.Maintenance {
		t.Errorf("unlock and more: %+v %v", a, err)
	}
}

func TestAppErrors(t *testing.T) {
	w := newWorld(t, time.Minute)
	s, logs, _ := w.service()
	owner := server.Actor{Account: w.user}
	now := time.Now()
	say := func(ago time.Duration, source, dyno, text string) {
		logs.Append(server.LogLine{AppID: w.app.ID, At: now.Add(-ago), Source: source, Dyno: dyno, Text: text})
	}
	say(30*time.Hour, "paas", "router", `at=error code=H10 desc="App crashed" dyno= status=503`)
	say(2*time.Hour, "paas", "router", `at=error code=H12 desc="Request timeout" dyno=web.1 connect=1ms`)
	say(time.Hour, "paas", "router", `at=error code=H12 desc="Request timeout" dyno=web.2 connect=1ms`)
	say(time.Hour, "paas", "web.1", "Error R14 (Memory quota exceeded)")
	say(time.Hour, "app", "web.1", "Error R15 (Memory quota vastly exceeded)") // the app says so
	say(time.Minute, "paas", "router", `at=info method=GET path="/"`)
	list, err := s.AppErrors(w.ctx, owner, w.app.Name, 24)
	w.must(err)
	if len(list) != 2 || list[0].Code != "H12" || list[0].Count != 2 || list[0].Dyno != "web.2" || list[1].Code != "R14" {
		t.Errorf("%+v", list)
	}
	if list, err = s.AppErrors(w.ctx, owner, w.app.Name, 48); err != nil || len(list) != 3 {
		t.Errorf("%+v %v", list, err)
	}
	for _, hours := range []int{0, -1, 1 << 30} {
		if _, err := s.AppErrors(w.ctx, owner, w.app.Name, hours); !server.IsID(err, server.ErrInvalid) {
			t.Errorf("%d hours: %v", hours, err)
		}
	}
}

func TestCronByItsID(t *testing.T) {
	w := newWorld(t, time.Minute)
	s, _, person := w.service()
	operate, view := person(server.PermView, server.PermOperate), person(server.PermView)
	forbid := spec("tidy", "* * * * *")
	forbid.Policy = "forbid"
	w.release("aaaaaaaa", forbid)
	id := w.crons()[0].ID
	for _, bad := range []string{"", id[:3], "zzzz", id + "0", "%"} {
		if _, err := s.Cron(w.ctx, view, w.app.Name, bad); !server.IsID(err, server.ErrNotFound) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if _, err := s.RunCron(w.ctx, view, w.app.Name, id); !server.IsID(err, server.ErrForbidden) {
		t.Errorf("run by who may only look: %v", err)
	}
	run, err := s.RunCron(w.ctx, operate, w.app.Name, strings.ToUpper(id[:8]))
	if err != nil || run.User != operate.Email || run.Type != server.SchedulerType || run.TimeLimit != 24*time.Hour || !run.Tick.IsZero() {
		t.Fatalf("%+v %v", run, err)
	}
	if _, err := s.RunCron(w.ctx, operate, w.app.Name, id); !server.IsID(err, server.ErrConflict) {
		t.Errorf("a second though the policy forbids: %v", err)
	}
	before := w.crons()[0].NextAt
	c, err := s.SuspendCron(w.ctx, operate, w.app.Name, id, true)
	if err != nil || !c.Suspended {
		t.Errorf("%+v %v", c, err)
	}
	if c, err = s.SuspendCron(w.ctx, operate, w.app.Name, id, false); err != nil || c.Suspended || c.NextAt.Before(before) {
		t.Errorf("%+v %v", c, err)
	}
	if list, err := s.CronHistory(w.ctx, view, w.app.Name, "", 10); err != nil || len(list) != 1 || list[0].ID != run.ID {
		t.Errorf("%+v %v", list, err)
	}
}
