package faults

import (
	"context"
	"encoding/json"
	"net"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"

	"paas/cmd/paas/platformtest"
	"paas/scheduler/agent/machinetest"
)

// edge is a router on a machine of its own.
type edge struct {
	*machinetest.Machine
	s       *scene
	http    string
	flags   []string
	program *machinetest.Process
}

// edge makes a machine a router, by the command that routers:add prints.
func (s *scene) edge(t *testing.T, name string, flags ...string) *edge {
	t.Helper()
	e := &edge{Machine: s.lab.Machine(t, name), s: s, flags: flags}
	e.http = net.JoinHostPort(e.Addr, "8080")
	args := platformtest.JoinCommand(t, s.must(t, "routers:add", name))
	e.Run(t, built.Paas, append(args, "--data-dir", e.Path("router"))...)
	e.start(t)
	e.await(t, "ready")
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the router said:\n%s", platformtest.Tail(e.program.Output(), 25))
		}
	})
	return e
}

func (e *edge) start(t *testing.T) {
	t.Helper()
	e.program = e.Start(t, built.Paas, append([]string{"router", "--data-dir", e.Path("router"), "--http", ":8080"}, e.flags...)...)
}

// await waits until the control plane says the state of it.
func (e *edge) await(t *testing.T, state string) time.Duration {
	t.Helper()
	return machinetest.Await(t, 60*time.Second, e.Name+" "+state, func() bool {
		out, err := e.s.paas("routers", "--json")
		var list []struct{ Name, State string }
		return err == nil && json.Unmarshal([]byte(out), &list) == nil &&
			slices.Contains(list, struct{ Name, State string }{e.Name, state})
	})
}

func (e *edge) load(t *testing.T, app string, people int) *load {
	return newLoad(t, people, func() (string, error) { return get(e.http, app) })
}

// A router on another machine is cut off from the control plane: it serves from
// the table it has, also after its own restart; deploys do not wait for it, and
// it follows again when it is back.
func TestRouterCutOff(t *testing.T) {
	platformtest.Thorough(t)
	s := newScene(t, 2)
	s.app(t, "blog", 2)
	s.app(t, "shop", 1)
	e := s.edge(t, "edge-1")
	before, err := get(e.http, "shop")
	platformtest.Must(err)
	l := e.load(t, "blog", 8)
	machinetest.Await(t, 60*time.Second, "under way", func() bool { return len(l.seen()) == 2 })

	event := time.Now()
	s.cut(t, e.Machine, says, hears)
	lost := e.await(t, "lost")
	cost := l.end(event)
	t.Logf("a router is cut off: lost after %s; %s", lost.Round(time.Millisecond), cost)
	if cost.failed > 0 {
		t.Errorf("requests failed: %v", cost.example)
	}
	e.program.Signal(t, syscall.SIGKILL)
	<-e.program.Done
	e.start(t)
	up := machinetest.Await(t, 60*time.Second, "serving by its table", func() bool { _, err := get(e.http, "blog"); return err == nil })
	t.Logf("killed while cut off, it serves %s after its start", up.Round(time.Millisecond))
	if life, err := get(e.http, "shop"); err != nil || life != before {
		t.Errorf("of shop it gives %s, %v; before it gave %s", life, err, before)
	}

	l = e.load(t, "blog", 8)
	event = time.Now()
	s.push(t, "shop", "v2")
	t.Logf("a deploy without it takes %s", time.Since(event).Round(time.Millisecond))
	if _, err := get(e.http, "shop"); err == nil || !strings.Contains(err.Error(), "status 503") {
		t.Errorf("an app whose every dyno was replaced: %v", err)
	}
	healed := time.Now()
	s.mend(t, e.Machine, says, hears)
	e.await(t, "ready")
	machinetest.Await(t, 60*time.Second, "serving the new release", func() bool { _, err := get(e.http, "shop"); return err == nil })
	cost = l.end(event)
	t.Logf("it serves the new release %s after it healed; another app's: %s", time.Since(healed).Round(time.Millisecond), cost)
	if cost.failed > 0 {
		t.Errorf("requests failed: %v", cost.example)
	}
}

// A WebSocket goes on during the drain of a deploy, and is told that it ends,
// through a router on another machine as through the built-in one.
func TestWebSocketsInDeploy(t *testing.T) {
	platformtest.Thorough(t)
	s := newScene(t, 2)
	const drain = "20s"
	s.Stop(syscall.SIGTERM)
	s.start(t, "--drain-timeout", drain)
	s.app(t, "shop", 2)
	e := s.edge(t, "edge-1", "--drain-timeout", drain)
	known := s.lives("shop", 12)
	var sockets []*socket
	for i, router := range []string{s.http, e.http} {
		for range 4 {
			c := dial(t, router, "shop")
			c.name = []string{"built-in", "edge-1"}[i]
			sockets = append(sockets, c)
		}
	}
	event := time.Now()
	pushed := make(chan struct{})
	go func() { defer close(pushed); s.push(t, "shop", "v2") }()
	for _, router := range []string{s.http, e.http} {
		machinetest.Await(t, 60*time.Second, "only new dynos served", func() bool {
			life, err := get(router, "shop")
			return err == nil && !slices.Contains(known, life)
		})
	}
	served := time.Now()
	for _, c := range sockets {
		c.after(t, served)
	}
	t.Logf("new dynos serve after %s, and all WebSockets with the old ones work", served.Sub(event).Round(time.Millisecond))
	for _, c := range sockets {
		<-c.done
		if websocket.CloseStatus(c.err) != websocket.StatusGoingAway {
			t.Errorf("%s: a WebSocket ended with %v", c.name, c.err)
		}
	}
	<-pushed
	for _, name := range []string{"built-in", "edge-1"} {
		var lasted []time.Duration
		for _, c := range sockets {
			if c.name == name {
				lasted = append(lasted, c.ended.Sub(served))
			}
		}
		t.Logf("%s: WebSockets ended %s to %s after new dynos served, of a drain of %s", name, slices.Min(lasted).Round(time.Millisecond),
			slices.Max(lasted).Round(time.Millisecond), drain)
	}
	t.Logf("the deploy took %s", time.Since(event).Round(time.Millisecond))
}

// socket is a WebSocket that says a word all the time and hears it.
type socket struct {
	name  string // of its router
	heard chan struct{}
	done  chan struct{} // closed when it has ended; then:
	ended time.Time
	err   error
}

func dial(t *testing.T, router, app string) *socket {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	c, answer, err := websocket.Dial(ctx, "ws://"+router+"/echo", &websocket.DialOptions{Host: app + ".localhost"})
	if err != nil {
		cancel()
		t.Fatal("a WebSocket:", err)
	}
	if answer.Body != nil {
		_ = answer.Body.Close()
	}
	k := &socket{heard: make(chan struct{}), done: make(chan struct{})}
	var wg sync.WaitGroup
	wg.Go(func() {
		defer close(k.done)
		defer c.CloseNow()
		for k.err == nil {
			k.err = c.Write(ctx, websocket.MessageText, []byte("word"))
			if _, _, err := c.Read(ctx); err != nil {
				k.err = err // of the two the one that says why
			}
			select {
			case k.heard <- struct{}{}:
			case <-time.After(100 * time.Millisecond):
			}
		}
		k.ended = time.Now()
	})
	t.Cleanup(func() { cancel(); wg.Wait() })
	return k
}

// after waits for two words: the second was said after a moment.
func (k *socket) after(t *testing.T, moment time.Time) {
	t.Helper()
	for range 2 {
		select {
		case <-k.heard:
		case <-k.done:
			t.Fatalf("%s: a WebSocket ended with %v, %s after %s", k.name, k.err, k.ended.Sub(moment), moment.Format(time.TimeOnly))
		}
	}
}
