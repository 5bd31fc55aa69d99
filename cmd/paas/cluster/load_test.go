package cluster

import (
	"context"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

var routerLine = regexp.MustCompile(`paas router join (\S+) (\S+) --ca (\S+)`)

// edge is a `paas router` of the servers; it gives the address that it serves on.
func (s *scene) edge(name string) (addr string) {
	s.t.Helper()
	m := routerLine.FindStringSubmatch(s.leader().must("routers:add", name))
	if m == nil {
		s.t.Fatal("routers:add printed no command")
	}
	dir := filepath.Join(s.dir, name)
	if out, err := exec.Command(built.paas, "router", "join", m[1], m[2], "--ca", m[3], "--data-dir", dir).CombinedOutput(); err != nil {
		s.t.Fatalf("%v\n%s", err, out)
	}
	addr = freeAddr()
	cmd, log := exec.Command(built.paas, "router", "--data-dir", dir, "--http", addr), &lockedBuffer{}
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	must(cmd.Start())
	exited := make(chan struct{})
	go func() { _ = cmd.Wait(); close(exited) }()
	s.t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		<-exited
		if s.t.Failed() {
			s.t.Logf("%s said:\n%s", name, tail(log.String(), 30))
		}
	})
	return addr
}

// ask sends one request for the app to a router.
func ask(ctx context.Context, addr string) int {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/", http.NoBody)
	must(err)
	r.Host = "shop.localhost"
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0
	}
	_ = answer.Body.Close()
	return answer.StatusCode
}

// The leader is killed while requests come through two routers: none fails, and
// what is deployed next is served.
func TestLeaderDiesUnderLoad(t *testing.T) {
	thorough(t)
	s, r := newShop(t, 3)
	h := s.host(s.follower())
	routers := []string{s.edge("edge-1"), s.edge("edge-2")}
	must(os.WriteFile(filepath.Join(r.dir, "Procfile"), []byte("web: /app\n"), 0o644))
	r.commit("one")
	r.git("push", url(s.follower(), "shop"), "main")
	for _, addr := range routers {
		await(t, 60*time.Second, "served by "+addr, func() bool { return ask(t.Context(), addr) == http.StatusOK })
	}
	var asked, failed atomic.Int64
	ctx, stop := context.WithCancel(t.Context())
	var load sync.WaitGroup
	for _, addr := range routers {
		load.Go(func() {
			for every := time.NewTicker(20 * time.Millisecond); ctx.Err() == nil; <-every.C {
				if code := ask(context.WithoutCancel(ctx), addr); code != http.StatusOK {
					failed.Add(1)
				}
				asked.Add(1)
			}
		})
	}
	killed := s.leader()
	began := time.Now()
	killed.stop(syscall.SIGKILL)
	next, leads, back := s.settled(h, killed, began)
	r.commit("two")
	out := r.git("push", url(next, "shop"), "main")
	took := time.Since(began)
	stop()
	load.Wait()
	t.Logf("the leader is killed under load: another leads after %s, the host is with it %s later, a push was live after %s; %d requests, %d failed",
		round(leads), round(back), round(took), asked.Load(), failed.Load())
	check(t, leads, back)
	if failed.Load() > 0 || !strings.Contains(out, "Released v") {
		t.Errorf("%d requests failed\n%s", failed.Load(), out)
	}
}
