package fleet_test

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"paas/scheduler/agent"
	"paas/scheduler/agent/agenttest"
	"paas/server"
	"paas/server/fleet"
)

// hosts is what the control plane knows of hosts, in memory.
type hosts struct {
	mu        sync.Mutex
	tokens    map[string]string // name of the host, by token
	keys      map[string]string // host, by key
	names     map[string]string
	announced []server.Join
	down      error
	lose      int // answers about a new key
}

func newHosts() *hosts {
	return &hosts{tokens: map[string]string{}, keys: map[string]string{}, names: map[string]string{}}
}

func (h *hosts) invite(token, name string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.tokens[token] = name
}

func (h *hosts) remove(host string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	maps.DeleteFunc(h.keys, func(_, have string) bool { return have == host })
}

// rekey gives a host a key that no connection has shown.
func (h *hosts) rekey(host string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	maps.DeleteFunc(h.keys, func(_, have string) bool { return have == host })
	h.keys["new of "+host] = host
}

func (h *hosts) fail(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.down = err
}

func (h *hosts) Join(_ context.Context, j server.Join) (hostID, name string, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if host, ok := h.keys[string(j.Key)]; ok {
		return host, h.names[host], nil
	}
	name, ok := h.tokens[j.Token]
	if !ok {
		return "", "", server.Errorf(server.ErrUnauthorized, "The token is not known or was used. The machine has not joined.")
	}
	delete(h.tokens, j.Token)
	hostID = "id-" + name
	h.keys[string(j.Key)], h.names[hostID] = hostID, name
	h.announced = append(h.announced, j)
	return hostID, name, nil
}

func (h *hosts) HostByKey(_ context.Context, key []byte) (string, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.down != nil {
		return "", h.down
	}
	if host, ok := h.keys[string(key)]; ok {
		return host, nil
	}
	return "", server.Errorf(server.ErrNotFound, "There is no such host.")
}

func (h *hosts) HostExists(_ context.Context, host string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, have := range h.keys {
		if have == host || h.down != nil {
			return h.down
		}
	}
	return server.Errorf(server.ErrNotFound, "There is no such host.")
}

func (h *hosts) RenewKey(_ context.Context, host string, from, to []byte) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.keys[string(from)] != host {
		return server.Errorf(server.ErrNotFound, "There is no such host.")
	}
	delete(h.keys, string(from))
	h.keys[string(to)] = host
	if h.lose > 0 { // it is done, and nobody hears of it
		h.lose--
		return errors.New("the answer got lost")
	}
	return nil
}

func (h *hosts) Announce(_ context.Context, _ string, j server.Join) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.announced = append(h.announced, j)
	return nil
}

// scene is a control plane with a door for agents.
type scene struct {
	t     testing.TB
	auth  *fleet.Authority
	hosts *hosts
	cfg   fleet.Config
	plane agent.Control
	addr  string
	stop  func()
	srv   *fleet.Server

	mine   bool         // it leads from each start on
	epochs int64        // under the next of these
	term   atomic.Int64 // epoch it leads under now
}

func newScene(t testing.TB, plane agent.Control, cfg fleet.Config) *scene {
	t.Helper()
	text, err := fleet.NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	auth, err := fleet.OpenAuthority(text)
	if err != nil {
		t.Fatal(err)
	}
	s := &scene{t: t, auth: auth, hosts: newHosts(), cfg: cfg, plane: plane, addr: "127.0.0.1:0", mine: true}
	s.begin()
	return s
}

// another is one more server of the same control plane, which does not lead.
func (s *scene) another(plane agent.Control) *scene {
	s.t.Helper()
	o := &scene{t: s.t, auth: s.auth, hosts: s.hosts, cfg: s.cfg, plane: plane, addr: "127.0.0.1:0"}
	o.begin()
	return o
}

func (s *scene) begin() {
	s.t.Helper()
	s.cfg.Epoch = s.term.Load
	if s.cfg.Registry.URL == "" {
		s.cfg.Registry.URL = "http://127.0.0.1:9"
	}
	s.start()
	s.t.Cleanup(func() { s.stop() })
}

// lead makes it the leader until the test ends or the function is called.
func (s *scene) lead(epoch int64) (end func()) {
	ctx, cancel := context.WithCancel(context.Background())
	s.term.Store(epoch)
	done := make(chan struct{})
	srv := s.srv
	go func() {
		defer close(done)
		_ = srv.Lead(ctx) // always nil
	}()
	end = sync.OnceFunc(func() {
		s.term.Store(0)
		cancel()
		<-done
	})
	s.t.Cleanup(end)
	return end
}

func (s *scene) start() {
	s.t.Helper()
	s.cfg.Addr = s.addr
	srv, err := fleet.New(s.cfg, s.auth, s.plane, s.hosts, logTo(s.t))
	if err != nil {
		s.t.Fatal(err)
	}
	s.addr = srv.Addr().String()
	s.srv = srv
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- srv.Run(ctx) }()
	if s.mine {
		s.epochs++
		s.lead(s.epochs)
	}
	s.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			s.t.Error(err)
		}
	})
}

func logTo(t testing.TB) *slog.Logger { return slog.New(slog.NewTextHandler(t.Output(), nil)) }

func someMachine() fleet.Machine {
	return fleet.Machine{Arch: "amd64", MilliCPU: 2000, Memory: 1 << 30, Addr: netip.MustParseAddr("10.9.8.7"), Agent: "v1", Engine: "20.10"}
}

// join makes a directory that of a host.
func (s *scene) join(name string) (dir string) {
	s.t.Helper()
	dir = filepath.Join(s.leftBehind(), "agent")
	s.hosts.invite("token-"+name, name)
	if _, err := fleet.Join(s.t.Context(), s.joining(dir, name), someMachine()); err != nil {
		s.t.Fatal(err)
	}
	return dir
}

// leftBehind is a temporary directory in which a stream that ends with the test
// may still write when the test has ended.
func (s *scene) leftBehind() string {
	s.t.Helper()
	dir, err := os.MkdirTemp("", "fleet")
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		eventually(s.t, "the directory of a host is gone", func() bool { return os.RemoveAll(dir) == nil })
	})
	return dir
}

func (s *scene) joining(dir, name string) fleet.Joining {
	return fleet.Joining{Dir: dir, Server: s.addr, Token: "token-" + name, CA: s.auth.Fingerprint()}
}

// client is a host's side, until the test ends or stop is called.
func (s *scene) client(dir string) (c *fleet.Client, stop func()) {
	s.t.Helper()
	c, err := fleet.NewClient(fleet.ClientConfig{Dir: dir, Registry: "127.0.0.1:0", Alone: 300 * time.Millisecond,
		Machine: func(context.Context) (fleet.Machine, error) { return someMachine(), nil }}, logTo(s.t))
	if err != nil {
		s.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = c.Run(ctx) // always nil
	}()
	stop = sync.OnceFunc(func() {
		cancel()
		<-done
	})
	s.t.Cleanup(stop)
	return c, stop
}

// What holds of a control plane in the same process holds over the wire.
func TestControl(t *testing.T) {
	agenttest.TestControl(t, func(t *testing.T, plane *agenttest.Control, host string) agent.Control {
		s := newScene(t, plane, fleet.Config{})
		c, _ := s.client(s.join(host))
		return c
	})
}
