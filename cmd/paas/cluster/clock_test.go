package cluster

import (
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"

	"paas/cmd/paas/platformtest"
	"paas/scheduler/agent/machinetest"
)

// sql runs statements in the scene's database.
func (s *scene) sql(statements string) {
	s.t.Helper()
	out, err := exec.Command("psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", s.dsn, "-c", statements).CombinedOutput()
	if err != nil {
		s.t.Fatalf("psql: %v\n%s", err, out)
	}
}

// withClock gives the scene's database a clock that a test can set: every
// server that starts from now on finds it before the real one.
func (s *scene) withClock() (set func(ahead string)) {
	s.t.Helper()
	s.sql(`create schema shifted;
		create table shifted.clock (ahead interval not null);
		insert into shifted.clock values ('0');
		create function shifted.now() returns timestamptz language sql stable as 'select pg_catalog.now() + ahead from shifted.clock';
		create function shifted.clock_timestamp() returns timestamptz language sql volatile as 'select pg_catalog.clock_timestamp() + ahead from shifted.clock';
		do $$ begin execute format('alter database %I set search_path = shifted, pg_catalog, public', current_database()); end $$`)
	return func(ahead string) {
		s.t.Helper()
		s.sql("update shifted.clock set ahead = '" + ahead + "'")
	}
}

// The database's clock is set an hour on, back, and an hour behind (R9): no host
// is given up, no request fails, one server leads, and deploys go on.
func TestClockJumps(t *testing.T) {
	platformtest.Thorough(t)
	s := newScene(t).withPostgres().withBuildkit()
	set := s.withClock()
	s.server()
	s.server()
	s.shop()
	h := s.host(s.follower())
	router := s.edge("edge-1")
	r := s.repo()
	r.Write("Procfile", "web: /app\n")
	r.Commit(t, "one")
	r.Git(t, "push", url(s.follower(), "shop"), "main")
	machinetest.Await(t, 60*time.Second, "served", func() bool { return ask(t.Context(), router) == http.StatusOK })
	end := load(t, []string{router})
	for _, ahead := range []string{"1 h", "0", "-1 h"} {
		old, began := s.leader(), time.Now()
		set(ahead)
		r.Commit(t, "ahead by "+ahead)
		out := r.Git(t, "push", url(s.follower(), "shop"), "main")
		if !strings.Contains(out, "Released v") {
			t.Errorf("a push with the clock ahead by %s:\n%s", ahead, out)
		}
		released := time.Since(began)
		machinetest.Await(t, 60*time.Second, "one leader", func() bool { return s.leaders() == 1 })
		next := s.leader()
		machinetest.Await(t, 60*time.Second, "the host with "+next.name, func() bool { return h.with(next) })
		machinetest.Await(t, 60*time.Second, "the host ready", func() bool { return next.allReady("hosts", 1) })
		t.Logf("R9: the database's clock ahead by %s: a push was released after %s; the same server leads: %t", ahead, round(released), next == old)
	}
	asked, failed := end()
	t.Logf("R9: %d requests, %d failed", asked, failed)
	if failed > 0 {
		t.Errorf("%d of %d requests failed", failed, asked)
	}
	for _, n := range s.servers {
		if strings.Contains(n.Log.String(), "host is lost") {
			t.Errorf("%s has declared the host lost", n.name)
		}
	}
}

// leaders counts the servers that lead, as each of them says.
func (s *scene) leaders() (count int) {
	for _, n := range s.servers {
		if n.leads() {
			count++
		}
	}
	return count
}
