package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"paas/cmd/paas/platformtest"
	"paas/scheduler/agent/machinetest"
)

// standalone runs `paas standalone` with all that is its own; the servers that come
// after it are started on its data directory.
func (s *scene) standalone() *node {
	s.t.Helper()
	n := s.newNode("s1")
	s.servers = append(s.servers, n)
	images := platformtest.FreeAddr("127.0.0.1")
	s.t.Cleanup(func() {
		n.Stop(syscall.SIGTERM)
		clearEngine(n.cluster())
		dropImages(images)
		if s.t.Failed() {
			s.t.Logf("%s said:\n%s", n.name, platformtest.Tail(n.Log.String(), 60))
		}
	})
	n.launchAs("standalone", "--data-dir", n.data, "--domain", "localhost", "--http", n.dashboard, "--registry", images,
		"--buildkitd", built.Buildkitd, "--build-subnet", platformtest.FreeSubnet("10.251.%d.0/22", 0, 4, 60),
		"--fleet", n.fleet, "--ssh", n.ssh, "--api", n.api, "--boot-timeout", "20s", "--size", "Tiny=64M,0.5,0.05")
	n.awaitReady()
	return n
}

// newWork makes an app and a work tree for it, whose program keeps notes.
func (s *scene) newWork(n *node, app string) *repo {
	s.t.Helper()
	n.must("apps:create", app, "--no-remote")
	n.must("access:add", "ann@example.com", "-a", app)
	r := s.repo()
	platformtest.Must(os.Remove(filepath.Join(r.Dir, "app")))
	platformtest.BuildApp(filepath.Join(r.Dir, "app"), "../e2e/testdata/app")
	r.Write("Procfile", "web: /app\n")
	return r
}

func (r *repo) push(n *node, app, version string) {
	r.s.t.Helper()
	r.Commit(r.s.t, version)
	if out := r.Git(r.s.t, "push", url(n, app), "main"); !strings.Contains(out, "Released v") {
		r.s.t.Fatalf("the push of %s %s:\n%s", app, version, out)
	}
}

// get gives what a host name answers at a router; empty when it is no 200.
func get(ctx context.Context, router, host, path string) string {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+router+path, http.NoBody)
	platformtest.Must(err)
	r.Host = host
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return ""
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		return ""
	}
	return string(body)
}

// hostStates are the hosts' by name, as a server says them.
func (n *node) hostStates() map[string]string {
	out, err := n.paas("hosts", "--json")
	var list []struct{ Name, State string }
	states := map[string]string{}
	if err != nil || json.Unmarshal([]byte(out), &list) != nil {
		return states
	}
	for _, h := range list {
		states[h.Name] = h.State
	}
	return states
}

// moveDatabase goes the way that docs/servers.md has: the private Postgres runs
// by itself for as long as it is read.
func (s *scene) moveDatabase(n *node) {
	s.t.Helper()
	bins, err := filepath.Glob("/usr/lib/postgresql/*/bin")
	if err != nil || len(bins) == 0 {
		s.t.Skip("the programs of PostgreSQL are not where Debian has them")
	}
	ctl, data, socket, dump := filepath.Join(bins[len(bins)-1], "pg_ctl"), filepath.Join(n.data, "postgres"), filepath.Join(n.data, "postgres-socket"), filepath.Join(s.dir, "paas.sql")
	platformtest.Run(nil, "runuser", "-u", "postgres", "--", ctl, "start", "-w", "-D", data, "-l", filepath.Join(data, "move.log"), "-o", "-c listen_addresses= -k "+socket)
	platformtest.Run(nil, "pg_dump", "-h", socket, "-U", "paas", "--no-owner", "--no-privileges", "-f", dump, "paas")
	platformtest.Run(nil, "runuser", "-u", "postgres", "--", ctl, "stop", "-w", "-D", data)
	s.withPostgres()
	platformtest.Run(nil, "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "--single-transaction", "-f", dump, s.dsn)
}

// cluster is what a standalone's are named by on the engine.
func (n *node) cluster() string {
	id, err := os.ReadFile(filepath.Join(n.data, "cluster-id"))
	platformtest.Must(err)
	return strings.TrimSpace(string(id))
}

// stopLeft stops the dynos that a standalone has left on its machine.
func (n *node) stopLeft() {
	out, err := exec.Command("docker", "ps", "-q", "--filter", "label=paas.cluster="+n.cluster()).Output()
	platformtest.Must(err)
	platformtest.Run(nil, "docker", append([]string{"stop", "-t", "5"}, strings.Fields(string(out))...)...)
}

// ride asks an app all the time until it is told to end.
func ride(t *testing.T, router, host string) (end func() (asked, failed int64)) {
	ctx, cancel := context.WithCancel(t.Context())
	var n, bad atomic.Int64
	var rider sync.WaitGroup
	rider.Go(func() {
		every := time.NewTicker(20 * time.Millisecond)
		defer every.Stop()
		for ctx.Err() == nil {
			n.Add(1)
			if get(context.WithoutCancel(ctx), router, host, "/") == "" {
				bad.Add(1)
			}
			<-every.C
		}
	})
	return func() (int64, int64) {
		cancel()
		rider.Wait()
		return n.Load(), bad.Load()
	}
}

// former is what a standalone was before it became several servers.
type former struct {
	*scene
	one          *node
	own          string // its machine as a host
	edge         string // address of a router that has joined
	elsewhere    *host
	shop, keeper *repo
}

// newFormer makes one: an app on another host, and one with a volume on its own.
func newFormer(t *testing.T) *former {
	t.Helper()
	f := &former{scene: newScene(t)}
	one := f.standalone()
	f.one = one
	one.must("accounts:create", "ann@example.com", "--key", built.Key+".pub", "--admin")
	f.elsewhere = f.host(one)
	machinetest.Await(t, 60*time.Second, "both hosts ready", func() bool { return len(one.hostStates()) == 2 && one.hostStates()["host-1"] == "ready" })
	for name := range one.hostStates() {
		if name != "host-1" {
			f.own = name
		}
	}
	one.must("hosts:label", "host-1", "role=apps")
	f.edge = f.scene.edge("edge-1")
	f.shop, f.keeper = f.newWork(one, "shop"), f.newWork(one, "keeper")
	one.must("constraints:set", "role=apps", "-a", "shop")
	one.must("constraints:set", "role!=apps", "-a", "keeper")
	one.must("config:set", "COLOR=blue", "-a", "shop")
	one.must("domains:add", "www.shop.test", "-a", "shop")
	f.shop.push(one, "shop", "a")
	f.shop.push(one, "shop", "b")
	f.keeper.push(one, "keeper", "k1")
	one.must("volumes:create", "notes", "--size", "10M", "-a", "keeper")
	one.must("volumes:attach", "notes", "/notes", "-a", "keeper")
	machinetest.Await(t, 60*time.Second, "a note on the volume", func() bool { return get(t.Context(), one.dashboard, "keeper.localhost", "/note/notes/words") == "k1" })
	machinetest.Await(t, 60*time.Second, "served by the router", func() bool { return strings.HasPrefix(get(t.Context(), f.edge, "www.shop.test", "/"), "b ") })
	return f
}

// move goes the steps of docs/servers.md.
func (f *former) move() (second *node) {
	f.t.Helper()
	f.one.Stop(syscall.SIGTERM)
	f.one.stopLeft()
	f.moveDatabase(f.one)
	platformtest.Run(nil, "cp", "-a", "--", filepath.Join(f.one.data, "registry", "docker"), filepath.Join(f.dir, "registry"))
	f.withBuildkit()
	f.one.start()
	f.t.Cleanup(func() { f.one.Stop(syscall.SIGTERM) }) // before its database is
	second = f.server()
	machinetest.Await(f.t, 60*time.Second, "the other host with the servers", func() bool { return second.hostStates()["host-1"] == "ready" })
	f.hostAs(second, f.own, "--standalone", f.one.data)
	machinetest.Await(f.t, 60*time.Second, "its machine a host again", func() bool { return second.hostStates()[f.own] == "ready" })
	return second
}

// A standalone becomes two servers, a router and two hosts, one of them its own
// machine. An app on the other host answers all the time; one with a volume is
// away while its machine changes, and has its data then. All else is as it was.
func TestFromStandalone(t *testing.T) {
	platformtest.Thorough(t)
	f := newFormer(t)
	end := ride(t, f.edge, "www.shop.test")
	began := time.Now()
	second := f.move()
	machinetest.Await(t, 60*time.Second, "the volume's data", func() bool { return get(t.Context(), f.edge, "keeper.localhost", "/note/notes/words") == "k1" })
	t.Logf("the app with a volume answered %s after the standalone was told to stop", time.Since(began).Round(time.Second))

	f.keeper.push(second, "keeper", "k2")
	machinetest.Await(t, 60*time.Second, "another note", func() bool { return get(t.Context(), f.edge, "keeper.localhost", "/note/notes/words") == "k1 k2" })
	f.shop.push(second, "shop", "c")
	machinetest.Await(t, 60*time.Second, "the new release", func() bool { return strings.HasPrefix(get(t.Context(), f.edge, "shop.localhost", "/"), "c ") })
	f.rollBack(second)
	asked, failed := end()
	t.Logf("%d requests for the app on the other host from before to after, %d failed", asked, failed)
	if failed > 0 {
		t.Errorf("%d of %d requests failed", failed, asked)
	}
	f.asItWas(second)
}

// rollBack goes to a release of before, whose image is on no host any more.
func (f *former) rollBack(n *node) {
	f.t.Helper()
	var list []struct {
		Version int
		Commit  string
	}
	platformtest.Must(json.Unmarshal([]byte(n.must("releases", "-a", "shop", "--json")), &list))
	first := f.shop.Git(f.t, "rev-list", "--max-parents=0", "main")
	for _, r := range list {
		if r.Commit == first {
			dropImages(f.elsewhere.registry)
			n.must("rollback", fmt.Sprintf("v%d", r.Version), "-a", "shop")
			machinetest.Await(f.t, 60*time.Second, "the release of before", func() bool { return strings.HasPrefix(get(f.t.Context(), f.edge, "shop.localhost", "/"), "a ") })
			return
		}
	}
	f.t.Errorf("no release of %.8s among %+v", first, list)
}

// asItWas looks at what the servers know of before.
func (f *former) asItWas(second *node) {
	f.t.Helper()
	head := f.shop.Git(f.t, "rev-parse", "HEAD")
	for _, n := range f.servers {
		if out := n.must("config:get", "COLOR", "-a", "shop"); !strings.Contains(out, "blue") {
			f.t.Errorf("%s has lost the config: %s", n.name, out)
		}
		if out := f.shop.Git(f.t, "ls-remote", url(n, "shop"), "refs/heads/main"); !strings.HasPrefix(out, head) {
			f.t.Errorf("main of %s is at %.8s, not at %.8s", n.name, out, head)
		}
		if out := n.must("logs", "-a", "shop", "-n", "500"); !strings.Contains(out, "app a in mode serve") || !strings.Contains(out, "app c in mode serve") {
			f.t.Errorf("%s has lost log lines:\n%s", n.name, out)
		}
	}
	if out := f.shop.Git(f.t, "ls-remote", url(second, "keeper"), "refs/heads/main"); !strings.HasPrefix(out, f.keeper.Git(f.t, "rev-parse", "HEAD")) {
		f.t.Errorf("main of keeper is at %.8s", out)
	}
	if out := second.must("domains", "-a", "shop"); !strings.Contains(out, "www.shop.test") {
		f.t.Errorf("the domain is gone:\n%s", out)
	}
	if states := second.hostStates(); len(states) != 2 {
		f.t.Errorf("hosts: %v", states)
	}
}
