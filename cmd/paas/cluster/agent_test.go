package cluster

import (
	"context"
	"errors"
	"io"
	"net"
	neturl "net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"paas/cmd/paas/platformtest"
	"paas/scheduler/agent/machinetest"
	"paas/server/fleet"
)

// host is a `paas agent` on this machine's engine.
type host struct {
	*platformtest.Program
	s        *scene
	dir      string
	registry string // where its engine finds images
}

// host joins at a server and runs.
func (s *scene) host(at *node) *host { return s.hostAs(at, "host-1") }

// hostAs is host of that name, which joins with more flags.
func (s *scene) hostAs(at *node, name string, more ...string) *host {
	s.t.Helper()
	join := append(platformtest.JoinCommand(s.t, at.must("hosts:add", name)), more...)
	join[2] = at.fleet
	h := &host{s: s, dir: filepath.Join(s.dir, "agent-"+name), registry: platformtest.FreeAddr("127.0.0.1")}
	flags := []string{"--data-dir", h.dir, "--addr", "127.0.0.1", "--docker", "/var/run/docker.sock"}
	if out, err := exec.Command(built.Paas, append(join, flags...)...).CombinedOutput(); err != nil {
		s.t.Fatalf("%v\n%s", err, out)
	}
	p, err := built.Start(nil, append(append([]string{"agent"}, flags...), "--registry", h.registry)...)
	platformtest.Must(err)
	h.Program = p
	s.t.Cleanup(func() {
		h.Stop(syscall.SIGTERM)
		h.clear()
		if s.t.Failed() {
			s.t.Logf("the agent said:\n%s", platformtest.Tail(h.Log.String(), 40))
		}
	})
	return h
}

// clear removes what the agent has left on this machine's engine: apps go on
// without it.
func (h *host) clear() {
	id, err := fleet.ReadIdentity(h.dir)
	platformtest.Must(err)
	clearEngine(id.Cluster)
	dropImages(h.registry)
}

func clearEngine(cluster string) {
	label := "label=paas.cluster=" + cluster
	for _, c := range [][]string{{"ps", "-aq", "--filter", label}, {"network", "ls", "-q", "--filter", label}, {"volume", "ls", "-q", "--filter", label}} {
		found, err := exec.Command("docker", c...).Output()
		platformtest.Must(err)
		remove := []string{c[0], "rm"}
		if c[0] == "ps" {
			remove = []string{"rm", "-f"}
		}
		if list := strings.Fields(string(found)); len(list) > 0 {
			platformtest.Run(nil, "docker", append(remove, list...)...)
		}
	}
}

// dropImages removes what the engine has from a registry and does not use.
func dropImages(registry string) {
	out, err := exec.Command("docker", "image", "ls", "--digests", "--format", "{{.Repository}}@{{.Digest}}").Output()
	platformtest.Must(err)
	for ref := range strings.FieldsSeq(string(out)) {
		if strings.HasPrefix(ref, registry+"/") {
			_ = exec.Command("docker", "image", "rm", "--", ref).Run() // one in use stays
		}
	}
}

// with says whether the newest server that the agent has connected with is that one.
func (h *host) with(n *node) bool {
	text := h.Log.String()
	i := strings.LastIndex(text, `msg="connected with the control plane" server=`)
	return i >= 0 && strings.HasPrefix(text[i:], `msg="connected with the control plane" server=`+n.fleet+"\n")
}

// settled waits until one other than the former leads and has the host, and
// gives how long each took from then on.
func (s *scene) settled(h *host, former *node, since time.Time) (next *node, leads, back time.Duration) {
	s.t.Helper()
	machinetest.Await(s.t, 60*time.Second, "another leader", func() bool {
		for _, n := range s.servers {
			if n != former && n.leads() {
				next = n
			}
		}
		return next != nil
	})
	leads = time.Since(since)
	machinetest.Await(s.t, 60*time.Second, "the host with "+next.name, func() bool { return h.with(next) })
	return next, leads, time.Since(since) - leads
}

// ready waits until the control plane says that of the host.
func (n *node) ready() {
	n.s.t.Helper()
	machinetest.Await(n.s.t, 30*time.Second, "the host ready", func() bool {
		out, err := n.paas("hosts")
		return err == nil && strings.Contains(out, "ready")
	})
}

// A host joins at a server that does not lead, and goes to whoever leads when
// the leader loses the database, when it is stopped for longer than its lease, and
// when it is killed. One that was stopped changes nothing when it goes on.
func TestHostFollowsTheLeader(t *testing.T) {
	platformtest.Thorough(t)
	s := newScene(t).withPostgres()
	way := s.detour()
	first := s.server("--postgres", way.dsn)
	second := s.server()
	s.server()
	h := s.host(second)
	machinetest.Await(t, 60*time.Second, "the host with the leader", func() bool { return h.with(first) })
	second.ready()
	second.must("accounts:create", "ann@example.com", "--key", built.Key+".pub", "--admin")
	second.must("apps:create", "shop", "--no-remote")

	began := time.Now()
	way.cut(true)
	paused, leads, back := s.settled(h, first, began)
	t.Logf("the leader loses the database: another leads after %s, the host is with it %s later", round(leads), round(back))
	check(t, leads, back)
	paused.must("config:set", "WHEN=before", "-a", "shop")
	way.cut(false)

	began = time.Now()
	platformtest.Must(paused.Cmd.Process.Signal(syscall.SIGSTOP))
	killed, leads, back := s.settled(h, paused, began)
	t.Logf("R8: the leader is stopped: another leads after %s, the host is with it %s later", round(leads), round(back))
	check(t, leads, back)
	killed.must("config:set", "WHEN=meanwhile", "-a", "shop")
	killed.ready()
	platformtest.Must(paused.Cmd.Process.Signal(syscall.SIGCONT))
	machinetest.Await(t, 60*time.Second, "the former leader aware", func() bool { return strings.Contains(paused.Log.String(), "leads no more") })
	if out := paused.must("config:get", "WHEN", "-a", "shop"); !strings.Contains(out, "meanwhile") || paused.leads() || !killed.leads() {
		t.Errorf("the former leader has changed something, or leads: %s", out)
	}

	began = time.Now()
	killed.Stop(syscall.SIGKILL)
	last, leads, back := s.settled(h, killed, began)
	t.Logf("the leader is killed: another leads after %s, the host is with it %s later", round(leads), round(back))
	check(t, leads, back)
	last.ready()
	if out := last.must("config:get", "WHEN", "-a", "shop"); !strings.Contains(out, "meanwhile") {
		t.Errorf("what was acknowledged is lost: %s", out)
	}
	for _, n := range s.servers {
		if strings.Contains(n.Log.String(), "host is lost") {
			t.Errorf("%s has declared the host lost", n.name)
		}
	}
	if strings.Contains(h.Log.String(), "is not followed") {
		t.Error("the host was told something old")
	}
}

func check(t *testing.T, leads, back time.Duration) {
	t.Helper()
	if leads > 10*time.Second || back > 2*time.Second {
		t.Errorf("another leads after %s, and the host is with it %s later", leads, back)
	}
}

func round(d time.Duration) time.Duration { return d.Round(10 * time.Millisecond) }

// detour is a way to the database that can be cut.
type detour struct {
	dsn string
	mu  sync.Mutex
	off bool
	all map[net.Conn]bool
}

// detour leads to the scene's Postgres.
func (s *scene) detour() *detour {
	s.t.Helper()
	dsn, err := neturl.Parse(s.dsn)
	platformtest.Must(err)
	q := dsn.Query()
	file := ".s.PGSQL." + q.Get("port")
	to := filepath.Join(q.Get("host"), file)
	dir, err := os.MkdirTemp(s.dir, "d")
	platformtest.Must(err)
	q.Set("host", dir)
	dsn.RawQuery = q.Encode()
	d := &detour{dsn: dsn.String(), all: map[net.Conn]bool{}}
	ln, err := net.Listen("unix", filepath.Join(dir, file))
	platformtest.Must(err)
	s.part("detour", func(ctx context.Context) error {
		var conns sync.WaitGroup
		defer conns.Wait()
		defer d.cut(true)
		defer context.AfterFunc(ctx, func() { _ = ln.Close() })()
		for {
			c, err := ln.Accept()
			if err != nil {
				return nil
			}
			conns.Go(func() { d.carry(c, to) })
		}
	})
	return d
}

var errCut = errors.New("cut")

// cut ends what is under way and lets nothing through from then on.
func (d *detour) cut(off bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.off = off
	for c := range d.all {
		if off {
			_ = c.Close()
		}
	}
}

func (d *detour) add(c net.Conn) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.off {
		return errors.Join(errCut, c.Close())
	}
	d.all[c] = true
	return nil
}

func (d *detour) carry(c net.Conn, to string) {
	defer c.Close()
	if d.add(c) != nil {
		return
	}
	p, err := net.Dial("unix", to)
	if err != nil || d.add(p) != nil {
		return
	}
	var back sync.WaitGroup
	back.Go(func() { _, _ = io.Copy(c, p); _ = c.Close() })
	_, _ = io.Copy(p, c)
	_ = p.Close()
	back.Wait()
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.all, c)
	delete(d.all, p)
}
