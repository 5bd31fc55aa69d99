package faults

import (
	"bytes"
	"fmt"
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

	"paas/scheduler/agent/machinetest"
)

// platform is one `paas standalone` that is a control plane only: of its own
// machine's engine it knows nothing.
type platform struct {
	data, http, ssh, api, registry, fleet string

	cmd    *exec.Cmd
	exited chan struct{}
	log    *lockedBuffer
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

func newPlatform(t *testing.T, lab *machinetest.Lab) *platform {
	t.Helper()
	data, err := os.MkdirTemp(built.dir, "data")
	must(err)
	must(os.Chmod(data, 0o711))
	p := &platform{data: data, http: freeAddr("127.0.0.1"), ssh: freeAddr("127.0.0.1"), api: freeAddr("127.0.0.1"),
		registry: freeAddr("127.0.0.1"), fleet: freeAddr(lab.Gateway)}
	t.Cleanup(func() {
		p.stop(syscall.SIGTERM)
		if t.Failed() {
			t.Logf("the control plane said:\n%s", tail(p.log.String(), 60))
		}
		if err := os.RemoveAll(data); err != nil {
			t.Error("clean up:", err)
		}
	})
	p.start(t)
	return p
}

// portCount begins somewhere, for several test programs may run on a machine.
var portCount = os.Getpid()

// freeAddr is a port that nobody has, and none that the kernel gives to outgoing
// connections: the program binds it later than this.
func freeAddr(host string) string {
	for range 10000 {
		portCount += 7
		addr := net.JoinHostPort(host, strconv.Itoa(10000+portCount%10000))
		l, err := net.Listen("tcp", addr)
		if err == nil {
			_ = l.Close()
			return addr
		}
	}
	panic("no free port")
}

func (p *platform) start(t *testing.T) {
	t.Helper()
	cmd := exec.Command(built.paas, "standalone", "--data-dir", p.data, "--domain", "localhost", "--http", p.http, "--ssh", p.ssh, "--api", p.api,
		"--registry", p.registry, "--fleet", p.fleet, "--fleet-name", p.fleet, "--docker", filepath.Join(p.data, "none.sock"),
		"--build-subnet", fmt.Sprintf("10.253.%d.0/22", 4*(os.Getpid()%60)), "--buildkitd", built.buildkitd,
		"--boot-timeout", "20s", "--stop-timeout", "5s", "--drain-timeout", "5s", "--size", "Tiny=64M,0.5,0.05")
	log, exited := &lockedBuffer{}, make(chan struct{})
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	p.cmd, p.log, p.exited = cmd, log, exited
	must(cmd.Start())
	go func() { _ = cmd.Wait(); close(exited) }()
	machinetest.Await(t, 2*time.Minute, "ready", func() bool {
		select {
		case <-exited:
			t.Fatalf("paas ended:\n%s", log)
		default:
		}
		return strings.Contains(log.String(), "msg=ready")
	})
}

func (p *platform) stop(s syscall.Signal) {
	_ = p.cmd.Process.Signal(s)
	<-p.exited
}

// paas runs the CLI as the operator.
func (p *platform) paas(args ...string) (string, error) {
	cmd := exec.Command(built.paas, append(args, "--server", "unix://"+filepath.Join(p.data, "run", "paas.sock"))...)
	cmd.Env = append(os.Environ(), "HOME="+built.dir)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (p *platform) must(t *testing.T, args ...string) string {
	t.Helper()
	out, err := p.paas(args...)
	if err != nil {
		t.Fatalf("paas %v: %v\n%s\n%s", args, err, out, tail(p.log.String(), 30))
	}
	return out
}

func tail(s string, n int) string {
	lines := strings.Split(strings.TrimRight(s, "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// push deploys an app of one version.
func (p *platform) push(t *testing.T, app, version string) {
	t.Helper()
	dir := t.TempDir()
	must(os.Link(built.app, filepath.Join(dir, "app")))
	must(os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte("FROM scratch\nCOPY app VERSION /\nENTRYPOINT [\"/app\"]\n"), 0o644))
	must(os.WriteFile(filepath.Join(dir, "VERSION"), []byte(version), 0o644))
	git := func(args ...string) {
		t.Helper()
		cmd := exec.Command("git", args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "HOME="+dir, "GIT_CONFIG_NOSYSTEM=1", "GIT_AUTHOR_NAME=Ann", "GIT_AUTHOR_EMAIL=ann@example.com",
			"GIT_COMMITTER_NAME=Ann", "GIT_COMMITTER_EMAIL=ann@example.com",
			"GIT_SSH_COMMAND=ssh -F /dev/null -i "+built.key+" -o IdentitiesOnly=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v\n%s\n%s", args, err, out, tail(p.log.String(), 40))
		}
	}
	git("init", "-q", "-b", "main")
	git("add", "-A", "--", ".")
	git("commit", "-q", "-m", version)
	git("push", "-f", "ssh://paas@"+p.ssh+"/"+app+".git", "main")
}
