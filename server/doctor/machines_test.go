package doctor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"paas/server/api"
)

func says(t *testing.T, name string, r Result, status Status, text string) {
	t.Helper()
	if r.Status != status || !strings.Contains(r.Found+"\n"+r.Cause+"\n"+r.Next, text) {
		t.Errorf("%s: %+v, want %s and %q", name, r, status, text)
	}
}

func TestChecksOfWhatHasJoined(t *testing.T) {
	now := time.Now()
	j := Joined{Role: "router", Name: "edge-1", Server: "p:8443", Start: "paas router", From: now.Add(-time.Hour), Until: now.Add(23 * time.Hour)}
	says(t, "running", checkRunning(j, true), OK, "runs")
	says(t, "stopped", checkRunning(j, false), Warn, "paas router")
	says(t, "known", checkKnown(j, false, nil), OK, "p:8443 answers")
	says(t, "removed", checkKnown(j, true, errors.New("gone")), Fail, "paas routers:add edge-1")
	says(t, "away", checkKnown(j, false, errors.New("no route")), Warn, "a way to p:8443")
	says(t, "certificate", checkCertificate(j, now), OK, "good until")
	says(t, "certificate that was not renewed", checkCertificate(j, now.Add(18*time.Hour)), Warn, "half of its life")
	says(t, "certificate that ended", checkCertificate(j, now.Add(24*time.Hour)), Fail, "ended at")

	says(t, "table", checkTable(Table{Have: "3.1", Newest: "3.1"}, nil), OK, "the newest")
	says(t, "old table", checkTable(Table{Have: "3.1", Newest: "3.4"}, nil), Warn, "the newest is 3.4")
	says(t, "no table", checkTable(Table{}, nil), Warn, "none yet")
	says(t, "table alone", checkTable(Table{Have: "3.1"}, errors.New("no route")), Warn, "no route")
	says(t, "table of a follower", checkTable(Table{Have: "3.1"}, nil), OK, "3.1")
	says(t, "no dynos", checkWays(0, nil), OK, "no dynos")
	says(t, "ways", checkWays(3, nil), OK, "each of 3")
	says(t, "a way that is closed", checkWays(3, []string{"10.0.0.2:20001"}), Warn, "1 of 3 do not answer: 10.0.0.2:20001")
}

// What is on the file system is looked at as it is: a lock that is held, ports
// that answer, dynos that do not.
func TestRunRouterOnThisMachine(t *testing.T) {
	open, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	shut, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = shut.Close()
	dir := t.TempDir()
	lock := filepath.Join(dir, "lock")
	f, err := os.Create(lock)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	cfg := RouterConfig{DataDir: dir, Listen: []string{open.Addr().String()},
		Joined: &Joined{Role: "router", Name: "edge-1", Server: "p:8443", Start: "paas router", Lock: lock, From: now.Add(-time.Hour), Until: now.Add(time.Hour * 23),
			Known: func(context.Context) (bool, error) { return false, nil }},
		Clock: func(context.Context) (time.Duration, error) { return 0, nil },
		Table: func(context.Context) (Table, error) {
			return Table{Have: "1.2", Newest: "1.2", Dynos: []string{open.Addr().String(), shut.Addr().String()}}, nil
		}}
	r := RunRouter(t.Context(), cfg)
	for check, want := range map[string]Status{"this machine": OK, "paas router": OK, "control plane": OK, "certificate": OK, "clock": OK, "data directory": OK, "routing table": OK,
		"ways to hosts": Warn, "port " + open.Addr().String(): OK} {
		if x := find(t, r, check); x.Status != want {
			t.Errorf("%+v, want %s", x, want)
		}
	}
	for _, x := range r.Results {
		if x.Check == "Docker Engine" || x.Check == "buildkitd" || strings.Contains(x.Found+x.Cause+x.Next, "standalone") {
			t.Errorf("a router needs none: %+v", x)
		}
	}
	_ = f.Close()
	if x := find(t, RunRouter(t.Context(), cfg), "paas router"); x.Status != Warn {
		t.Errorf("%+v, and nobody holds the lock", x)
	}
}

func TestChecksOfTheFleet(t *testing.T) {
	says(t, "hosts", checkHosts([]api.Host{{Name: "a"}}), OK, "1, all heard of")
	says(t, "lost", checkHosts([]api.Host{{Name: "a", State: api.HostLost}, {Name: "b", Silent: true}}), Warn, "a is lost; b is silent")
	says(t, "findings", checkHosts([]api.Host{{Name: "a", Findings: []api.Finding{{Check: "runc", Found: "1.1.5"}, {}}}}), Warn, "a: runc 1.1.5, and 1 more")
	var many []api.Host
	for i := range 8 {
		many = append(many, api.Host{Name: fmt.Sprint("h", i), State: api.HostLost})
	}
	says(t, "many", checkHosts(many), Warn, "h4 is lost; and 3 more")
	says(t, "no routers", checkRouters(nil), OK, "none")
	says(t, "behind", checkRouters([]api.Router{{Name: "e", State: api.RouterBehind}}), Warn, "e is behind")
	says(t, "a router's clock", checkRouters([]api.Router{{Name: "e", State: api.RouterReady, Findings: []api.Finding{{Check: "clock", Found: "an hour behind"}}}}), Warn, "e: clock an hour behind")
	if list := checkServers([]serverFacts{{Server: api.Server{Name: "s1"}}}); list != nil {
		t.Errorf("one server is none of several: %+v", list)
	}
	list := checkServers([]serverFacts{{Server: api.Server{Name: "s1", State: api.ServerLeads}, asked: true},
		{Server: api.Server{Name: "s2", State: api.ServerFollows}, asked: true, ahead: time.Hour},
		{Server: api.Server{Name: "s3", State: api.ServerFollows, Address: "s3:1"}, asked: true, err: errors.New("no route")}, {Server: api.Server{Name: "s4", State: api.ServerSilent}}})
	says(t, "leader", list[0], OK, "leads, the clock here is as its")
	says(t, "clock", list[1], Warn, "1h0m0s ahead of its")
	says(t, "unreached", list[2], Warn, "s3:1 was not reached")
	says(t, "silent", list[3], Warn, "paas doctor")
}

// A control plane that runs is asked over its socket for the machines it knows.
func TestFleetOfARunningPaas(t *testing.T) {
	dir := t.TempDir()
	serve(t, dir, http.StatusOK, "ok")
	cfg := Config{DataDir: dir, ServerOnly: true, Clock: func(context.Context, string) (time.Duration, error) { return 0, nil }}
	r := Run(t.Context(), cfg)
	says(t, "role", find(t, r, "this machine"), OK, "paas server")
	says(t, "hosts", find(t, r, "hosts"), Warn, "host-2 is lost")
	says(t, "routers", find(t, r, "routers"), OK, "1, all serve")
	says(t, "server", find(t, r, "server s2"), OK, "follows")
	for _, x := range r.Results {
		if x.Check == "Docker Engine" || x.Check == "PostgreSQL server" {
			t.Errorf("paas server needs none: %+v", x)
		}
	}
}
