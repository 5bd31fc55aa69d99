package e2e

import (
	"context"
	"encoding/json"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"paas/cmd/paas/platformtest"
)

// edge is a `paas router` process.
type edge struct {
	*platformtest.Program
	p          *platform
	name, http string
	dir        string
}

// newEdge joins a router by the command that routers:add prints, and starts it.
func (p *platform) newEdge(t *testing.T, name string) *edge {
	t.Helper()
	e := &edge{p: p, name: name, http: platformtest.FreeAddr("127.0.0.1"), dir: filepath.Join(t.TempDir(), name)}
	args := platformtest.JoinCommand(t, p.mustPaas(t, "routers:add", name))
	token := slices.IndexFunc(args, func(a string) bool { return strings.HasPrefix(a, "paasrouter_") })
	join := exec.Command(built.Paas, append(slices.Replace(slices.Clone(args), token, token+1, "-"), "--data-dir", e.dir)...)
	join.Stdin = strings.NewReader(args[token] + "\n") // where no other user of the machine sees it
	out, err := join.CombinedOutput()
	if err != nil {
		t.Fatalf("join: %v\n%s", err, out)
	}
	e.start(t)
	t.Cleanup(func() { e.Stop(syscall.SIGTERM) })
	return e
}

func (e *edge) start(t *testing.T) {
	t.Helper()
	program, err := built.Start(nil, "router", "--data-dir", e.dir, "--http", e.http, "--drain-timeout", "5s")
	platformtest.Must(err)
	e.Program = program
	platformtest.Must(e.UntilReady(60 * time.Second))
}

// ask gives the first word of what an app answers through the router, or what went wrong.
func (e *edge) ask(app string) string {
	through := *e.p
	through.http = e.http
	code, body, err := through.get(app, "/")
	if err != nil {
		return err.Error()
	}
	word, _, _ := strings.Cut(body, " ")
	if code != http.StatusOK {
		return http.StatusText(code) + ": " + body
	}
	return word
}

// state is what the platform says of a router.
func (e *edge) state() string {
	out, err := e.p.paas("routers", "--json")
	var list []struct{ Name, State string }
	if err != nil || json.Unmarshal([]byte(out), &list) != nil {
		return "unknown"
	}
	for _, r := range list {
		if r.Name == e.name {
			return r.State
		}
	}
	return "none"
}

// ride asks an app through a router all the time until it is ended.
func (e *edge) ride(app string) (end func() (asked, failed int64, example string)) {
	ctx, cancel := context.WithCancel(context.Background())
	var asked, failed atomic.Int64
	var example atomic.Value
	var riders sync.WaitGroup
	for range 4 {
		riders.Go(func() {
			for ctx.Err() == nil {
				asked.Add(1)
				if got := e.ask(app); len(got) > 3 {
					failed.Add(1)
					example.CompareAndSwap(nil, got)
				}
			}
		})
	}
	return func() (int64, int64, string) {
		cancel()
		riders.Wait()
		text, _ := example.Load().(string)
		return asked.Load(), failed.Load(), text
	}
}

// Two routers in processes of their own: deploys cost no request through either,
// wait for both, do not wait for one that was killed, and both serve without
// the control plane, one of them after its own restart.
func TestRoutersElsewhere(t *testing.T) {
	fleet := platformtest.FreeAddr("127.0.0.1")
	p := newPlatform(filepath.Join(built.Dir, "routers"), "--fleet", fleet, "--fleet-name", fleet)
	t.Cleanup(p.destroy)
	platformtest.Must(p.start())
	r := p.newApp(t, "edgy")
	r.push("v0")
	one, two := p.newEdge(t, "edge-1"), p.newEdge(t, "edge-2")
	for _, e := range []*edge{one, two} {
		platformtest.Must(p.Until(60*time.Second, e.name+" followed", func() bool { return e.state() == "ready" && e.ask("edgy") == "v0" }))
	}

	endOne, endTwo := one.ride("edgy"), two.ride("edgy")
	var took []time.Duration
	for _, v := range []string{"v1", "v2", "v3"} {
		began := time.Now()
		r.push(v)
		took = append(took, time.Since(began).Round(time.Millisecond))
		for _, e := range []*edge{one, two} { // a deploy is over when every router serves it
			if got := e.ask("edgy"); got != v {
				t.Errorf("%s serves %s after the deploy of %s", e.name, got, v)
			}
		}
	}
	for i, end := range []func() (int64, int64, string){endOne, endTwo} {
		asked, failed, example := end()
		t.Logf("router %d: %d requests during three deploys, which took %v; %d failed", i+1, asked, took, failed)
		if failed > 0 || asked < 100 {
			t.Errorf("%d of %d requests failed: %s", failed, asked, example)
		}
	}
	contains(t, p.mustPaas(t, "logs", "-n", "200", "--dyno-name", "router", "-a", "edgy"), "status=200")
	if code, body, err := (&platform{http: one.http}).get("paas", "/"); err != nil || code == http.StatusNotFound || code >= 500 {
		t.Errorf("the dashboard through a router: %d %.100s %v", code, body, err)
	}

	endTwo = two.ride("edgy")
	r.commit("v4")
	killed, pushed := time.Now(), make(chan error, 1)
	go func() { _, err := r.try("push", "paas", "main"); pushed <- err }()
	one.Stop(syscall.SIGKILL)
	platformtest.Must(<-pushed)
	t.Logf("a deploy during which a router is killed took %s", time.Since(killed).Round(time.Millisecond))
	if asked, failed, example := endTwo(); failed > 0 {
		t.Errorf("%d of %d requests through the other failed: %s", failed, asked, example)
	}
	platformtest.Must(p.Until(60*time.Second, "sure that it is lost", func() bool { return one.state() == "lost" }))
	one.start(t)
	platformtest.Must(p.Until(60*time.Second, "sure that it is back", func() bool { return one.state() == "ready" && one.ask("edgy") == "v4" }))

	p.terminate()
	endTwo = two.ride("edgy")
	one.Stop(syscall.SIGKILL)
	one.start(t)
	for range 20 {
		if got := one.ask("edgy"); got != "v4" {
			t.Fatalf("alone, after its own restart: %s", got)
		}
	}
	if asked, failed, example := endTwo(); failed > 0 || asked == 0 {
		t.Errorf("alone %d of %d requests failed: %s", failed, asked, example)
	}
	platformtest.Must(p.start())
	platformtest.Must(p.Until(60*time.Second, "followed again", func() bool { return one.state() == "ready" && two.state() == "ready" }))
	r.push("v5")
	if one.ask("edgy") != "v5" || two.ask("edgy") != "v5" {
		t.Error("they do not follow any more")
	}
}
