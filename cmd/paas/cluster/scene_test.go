package cluster

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"paas/server/child"
	"paas/server/registry"
)

// scene is what servers share: a Postgres, a registry, a BuildKit.
type scene struct {
	t        *testing.T
	dir      string
	dsn      string
	registry string
	buildkit string
	servers  []*node
}

func newScene(t *testing.T) *scene {
	t.Helper()
	s := &scene{t: t}
	var err error
	s.dir, err = os.MkdirTemp(built.dir, "s")
	must(err)
	must(os.Chmod(s.dir, 0o711))
	t.Cleanup(func() {
		if err := os.RemoveAll(s.dir); err != nil {
			t.Error("clean up:", err)
		}
	})
	s.startRegistry()
	return s
}

// part runs something of the scene until the test ends.
func (s *scene) part(name string, run func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- run(ctx) }()
	s.t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			s.t.Errorf("%s: %v", name, err)
		}
	})
}

func (s *scene) startRegistry() {
	s.t.Helper()
	reg, err := registry.New(registry.Config{Addr: "127.0.0.1:0", Dir: filepath.Join(s.dir, "registry"), User: "paas", Password: "0123456789abcdef0123"}, quiet())
	must(err)
	s.registry = reg.Addr()
	s.part("registry", reg.Run)
	must(os.WriteFile(filepath.Join(s.dir, "auth.json"), []byte(`{"user":"paas","password":"0123456789abcdef0123"}`), 0o600))
}

// withPostgres starts one of the scene's own.
func (s *scene) withPostgres() *scene {
	s.t.Helper()
	pg, err := child.NewPostgres(s.t.Context(), child.PostgresConfig{DataDir: filepath.Join(s.dir, "postgres")}, quiet())
	must(err)
	s.part("postgres", pg.Run)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	must(pg.WaitReady(ctx))
	s.dsn = pg.DSN()
	return s
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// withBuildkit starts a BuildKit for all servers.
func (s *scene) withBuildkit() *scene {
	s.t.Helper()
	bk, err := child.NewBuildkitd(child.BuildkitdConfig{Bin: built.buildkitd, Root: filepath.Join(s.dir, "buildkit"), RegistryAddr: s.registry,
		MaxParallelism: 2, BridgeName: fmt.Sprintf("pcb%d", os.Getpid()%10000), BridgeSubnet: fmt.Sprintf("10.252.%d.0/22", 4*(os.Getpid()%60))}, quiet())
	must(err)
	s.part("buildkitd", bk.Run)
	s.buildkit = bk.Addr()
	return s
}

// portCount begins somewhere, for several test programs may run on a machine.
var portCount = os.Getpid()

// freeAddr is a port that nobody has, and none that the kernel gives to outgoing
// connections: the program binds it later than this.
func freeAddr() string {
	for range 10000 {
		portCount += 7
		addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(10000+portCount%10000))
		l, err := net.Listen("tcp", addr)
		if err == nil {
			_ = l.Close()
			return addr
		}
	}
	panic("no free port")
}

// node is one `paas server`.
type node struct {
	s                          *scene
	name, data                 string
	ssh, api, dashboard, fleet string
	cmd                        *exec.Cmd
	exited                     chan struct{}
	log                        *lockedBuffer
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// server adds one with the first one's master key, and with more flags.
func (s *scene) server(more ...string) *node {
	s.t.Helper()
	n := &node{s: s, name: fmt.Sprintf("s%d", len(s.servers)+1), ssh: freeAddr(), api: freeAddr(), dashboard: freeAddr(), fleet: freeAddr()}
	n.data = filepath.Join(s.dir, n.name)
	must(os.Mkdir(n.data, 0o711))
	if len(s.servers) > 0 {
		key, err := os.ReadFile(filepath.Join(s.servers[0].data, "master.key"))
		must(err)
		must(os.WriteFile(filepath.Join(n.data, "master.key"), key, 0o600))
	}
	s.servers = append(s.servers, n)
	s.t.Cleanup(func() {
		n.stop(syscall.SIGTERM)
		if s.t.Failed() {
			s.t.Logf("%s said:\n%s", n.name, tail(n.log.String(), 60))
		}
	})
	n.start(more...)
	return n
}

// launch starts the program.
func (n *node) launch(more ...string) {
	buildkit := n.s.buildkit
	if buildkit == "" {
		buildkit = "unix://" + filepath.Join(n.s.dir, "no-buildkit.sock")
	}
	args := append([]string{"server", "--data-dir", n.data, "--name", n.name, "--domain", "localhost", "--postgres", n.s.dsn,
		"--external-registry", n.s.registry, "--external-registry-auth", filepath.Join(n.s.dir, "auth.json"), "--buildkit", buildkit,
		"--fleet", n.fleet, "--ssh", n.ssh, "--api", n.api, "--dashboard", n.dashboard, "--boot-timeout", "20s", "--size", "Tiny=64M,0.5,0.05"}, more...)
	cmd := exec.Command(built.paas, args...)
	log, exited := &lockedBuffer{}, make(chan struct{})
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	n.cmd, n.log, n.exited = cmd, log, exited
	must(cmd.Start())
	go func() { _ = cmd.Wait(); close(exited) }()
}

func (n *node) start(more ...string) {
	n.s.t.Helper()
	n.launch(more...)
	await(n.s.t, time.Minute, "ready", func() bool {
		select {
		case <-n.exited:
			n.s.t.Fatalf("%s ended:\n%s", n.name, n.log)
		default:
		}
		return strings.Contains(n.log.String(), "msg=ready")
	})
}

func (n *node) stop(sig syscall.Signal) {
	_ = n.cmd.Process.Signal(sig)
	<-n.exited
}

// leads says whether the server has said that it leads, and not that it no more does.
func (n *node) leads() bool {
	text := n.log.String()
	select {
	case <-n.exited:
		return false
	default:
	}
	return strings.LastIndex(text, "this control plane leads\"") > strings.LastIndex(text, "leads no more")
}

// leader waits for one that leads.
func (s *scene) leader() *node {
	s.t.Helper()
	var found *node
	await(s.t, 60*time.Second, "a leader", func() bool {
		for _, n := range s.servers {
			if n.leads() {
				found = n
			}
		}
		return found != nil
	})
	return found
}

// follower is one that is alive and does not lead.
func (s *scene) follower() *node {
	s.t.Helper()
	leader := s.leader()
	for _, n := range s.servers {
		select {
		case <-n.exited:
			continue
		default:
		}
		if n != leader {
			return n
		}
	}
	s.t.Fatal("no server follows")
	return nil
}

// paas runs the CLI as the operator of one server.
func (n *node) paas(args ...string) (string, error) {
	cmd := exec.Command(built.paas, append(args, "--server", "unix://"+filepath.Join(n.data, "run", "paas.sock"))...)
	cmd.Env = append(os.Environ(), "HOME="+built.dir)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (n *node) must(args ...string) string {
	n.s.t.Helper()
	out, err := n.paas(args...)
	if err != nil {
		n.s.t.Fatalf("paas %v through %s: %v\n%s", args, n.name, err, out)
	}
	return out
}

func tail(s string, n int) string {
	lines := strings.Split(strings.TrimRight(s, "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
