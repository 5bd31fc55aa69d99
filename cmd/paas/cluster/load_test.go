package cluster

import (
	"context"
	"net/http"
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

// edge is a `paas router` of the servers; it gives the address that it serves on.
func (s *scene) edge(name string) (addr string) {
	s.t.Helper()
	dir := filepath.Join(s.dir, name)
	args := append(platformtest.JoinCommand(s.t, s.leader().must("routers:add", name)), "--data-dir", dir)
	if out, err := exec.Command(built.Paas, args...).CombinedOutput(); err != nil {
		s.t.Fatalf("%v\n%s", err, out)
	}
	addr = platformtest.FreeAddr("127.0.0.1")
	p, err := built.Start(nil, "router", "--data-dir", dir, "--http", addr)
	platformtest.Must(err)
	s.t.Cleanup(func() {
		p.Stop(syscall.SIGTERM)
		if s.t.Failed() {
			s.t.Logf("%s said:\n%s", name, platformtest.Tail(p.Log.String(), 30))
		}
	})
	return addr
}

// ask sends one request for the app to a router.
func ask(ctx context.Context, addr string) int {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/", http.NoBody)
	platformtest.Must(err)
	r.Host = "shop.localhost"
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0
	}
	_ = answer.Body.Close()
	return answer.StatusCode
}

// load asks the app all the time through each of some routers, until end, which
// counts what was asked and what failed.
func load(t *testing.T, routers []string) (end func() (asked, failed int64)) {
	var all, bad atomic.Int64
	ctx, stop := context.WithCancel(t.Context())
	var people sync.WaitGroup
	for _, addr := range routers {
		people.Go(func() {
			every := time.NewTicker(20 * time.Millisecond)
			defer every.Stop()
			for ; ctx.Err() == nil; <-every.C {
				if code := ask(context.WithoutCancel(ctx), addr); code != http.StatusOK {
					bad.Add(1)
				}
				all.Add(1)
			}
		})
	}
	t.Cleanup(func() { stop(); people.Wait() })
	return func() (int64, int64) {
		stop()
		people.Wait()
		return all.Load(), bad.Load()
	}
}

// The leader is killed while requests come through two routers: none fails, and
// what is deployed next is served.
func TestLeaderDiesUnderLoad(t *testing.T) {
	platformtest.Thorough(t)
	s, r := newShop(t, 3)
	h := s.host(s.follower())
	routers := []string{s.edge("edge-1"), s.edge("edge-2")}
	r.Write("Procfile", "web: /app\n")
	r.Commit(t, "one")
	r.Git(t, "push", url(s.follower(), "shop"), "main")
	for _, addr := range routers {
		machinetest.Await(t, 60*time.Second, "served by "+addr, func() bool { return ask(t.Context(), addr) == http.StatusOK })
	}
	end := load(t, routers)
	killed := s.leader()
	began := time.Now()
	killed.Stop(syscall.SIGKILL)
	next, leads, back := s.settled(h, killed, began)
	r.Commit(t, "two")
	out := r.Git(t, "push", url(next, "shop"), "main")
	took := time.Since(began)
	asked, failed := end()
	t.Logf("the leader is killed under load: another leads after %s, the host is with it %s later, a push was live after %s; %d requests, %d failed",
		round(leads), round(back), round(took), asked, failed)
	check(t, leads, back)
	if failed > 0 || !strings.Contains(out, "Released v") {
		t.Errorf("%d requests failed\n%s", failed, out)
	}
}
