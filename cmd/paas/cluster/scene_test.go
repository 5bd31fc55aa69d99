package cluster

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"paas/cmd/paas/platformtest"
	"paas/scheduler/agent/machinetest"
	"paas/server/child"
	"paas/server/registry"
)

// scene is what servers share: a Postgres, a registry, a BuildKit.
type scene struct {
	t        *testing.T
	dir      string
	at       string // the address that servers have for hosts and routers
	dsn      string
	registry string
	buildkit string
	servers  []*node
}

func newScene(t *testing.T) *scene {
	t.Helper()
	s := &scene{t: t, at: "127.0.0.1"}
	var err error
	s.dir, err = os.MkdirTemp(built.Dir, "s")
	platformtest.Must(err)
	platformtest.Must(os.Chmod(s.dir, 0o711))
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
	platformtest.Must(err)
	s.registry = reg.Addr()
	s.part("registry", reg.Run)
	platformtest.Must(os.WriteFile(filepath.Join(s.dir, "auth.json"), []byte(`{"user":"paas","password":"0123456789abcdef0123"}`), 0o600))
}

// withPostgres starts one of the scene's own.
func (s *scene) withPostgres() *scene {
	s.t.Helper()
	pg, err := child.NewPostgres(s.t.Context(), child.PostgresConfig{DataDir: filepath.Join(s.dir, "postgres")}, quiet())
	platformtest.Must(err)
	s.part("postgres", pg.Run)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	platformtest.Must(pg.WaitReady(ctx))
	s.dsn = pg.DSN()
	return s
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// withBuildkit starts a BuildKit for all servers.
func (s *scene) withBuildkit() *scene {
	s.t.Helper()
	bk, err := child.NewBuildkitd(child.BuildkitdConfig{Bin: built.Buildkitd, Root: filepath.Join(s.dir, "buildkit"), RegistryAddr: s.registry,
		MaxParallelism: 2, BridgeName: fmt.Sprintf("pcb%d", os.Getpid()%10000), BridgeSubnet: platformtest.FreeSubnet("10.252.%d.0/22", 0, 4, 60)}, quiet())
	platformtest.Must(err)
	s.part("buildkitd", bk.Run)
	s.buildkit = bk.Addr()
	return s
}

// node is one `paas server`.
type node struct {
	*platformtest.Program
	s                          *scene
	name, data                 string
	ssh, api, dashboard, fleet string
}

// newNode is one that is not started, with a directory and addresses of its own.
func (s *scene) newNode(name string) *node {
	local := func() string { return platformtest.FreeAddr("127.0.0.1") }
	n := &node{s: s, name: name, data: filepath.Join(s.dir, name), ssh: local(), api: local(), dashboard: local(), fleet: platformtest.FreeAddr(s.at)}
	platformtest.Must(os.Mkdir(n.data, 0o711))
	return n
}

// server adds one with the first one's master key, and with more flags.
func (s *scene) server(more ...string) *node {
	s.t.Helper()
	n := s.newNode(fmt.Sprintf("s%d", len(s.servers)+1))
	if len(s.servers) > 0 {
		key, err := os.ReadFile(filepath.Join(s.servers[0].data, "master.key"))
		platformtest.Must(err)
		platformtest.Must(os.WriteFile(filepath.Join(n.data, "master.key"), key, 0o600))
	}
	s.servers = append(s.servers, n)
	s.t.Cleanup(func() {
		n.Stop(syscall.SIGTERM)
		if s.t.Failed() {
			s.t.Logf("%s said:\n%s", n.name, platformtest.Tail(n.Log.String(), 60))
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
	n.launchAs(append([]string{"server", "--data-dir", n.data, "--name", n.name, "--domain", "localhost", "--postgres", n.s.dsn,
		"--external-registry", n.s.registry, "--external-registry-auth", filepath.Join(n.s.dir, "auth.json"), "--buildkit", buildkit,
		"--fleet", n.fleet, "--ssh", n.ssh, "--api", n.api, "--dashboard", n.dashboard, "--boot-timeout", "20s", "--size", "Tiny=64M,0.5,0.05"}, more...)...)
}

func (n *node) launchAs(args ...string) {
	program, err := built.Start(nil, args...)
	platformtest.Must(err)
	n.Program = program
}

func (n *node) start(more ...string) {
	n.s.t.Helper()
	n.launch(more...)
	n.awaitReady()
}

func (n *node) awaitReady() {
	n.s.t.Helper()
	if err := n.UntilReady(time.Minute); err != nil {
		n.s.t.Fatal(err)
	}
}

// leads says whether the server has said that it leads, and not that it no more does.
func (n *node) leads() bool {
	text := n.Log.String()
	select {
	case <-n.Exited:
		return false
	default:
	}
	return strings.LastIndex(text, "this control plane leads\"") > strings.LastIndex(text, "leads no more")
}

// leader waits for one that leads.
func (s *scene) leader() *node {
	s.t.Helper()
	var found *node
	machinetest.Await(s.t, 60*time.Second, "a leader", func() bool {
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
		case <-n.Exited:
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
func (n *node) paas(args ...string) (string, error) { return built.Operator(n.data, args...) }

func (n *node) must(args ...string) string {
	n.s.t.Helper()
	out, err := n.paas(args...)
	if err != nil {
		n.s.t.Fatalf("paas %v through %s: %v\n%s", args, n.name, err, out)
	}
	return out
}
