package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// The tests here drive the real binary as people do: git, ssh, HTTP and the
// CLI, with a real Postgres, BuildKit, registry and Docker Engine behind.

// built is what TestMain builds once.
var built struct {
	dir       string
	paas      string // with failpoints and the race detector
	buildkitd string
	app       string // the app that tests deploy
	key       string // an SSH key; key.pub beside it
}

func TestMain(m *testing.M) { os.Exit(runAll(m)) }

func runAll(m *testing.M) int {
	// 0711: the private Postgres runs as another user below it.
	dir, err := os.MkdirTemp("", "paas-e2e-")
	must(err)
	defer os.RemoveAll(dir)
	must(os.Chmod(dir, 0o711))
	built.dir = dir
	built.paas = filepath.Join(dir, "bin", "paas")
	built.app = filepath.Join(dir, "app")
	built.key = filepath.Join(dir, "id_ed25519")
	run("", nil, "go", "build", "-race", "-tags", "failpoint", "-o", built.paas, "..")
	run("", []string{"CGO_ENABLED=0"}, "go", "build", "-o", built.app, "./testdata/app")
	run("", nil, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "ann@laptop", "-f", built.key)
	built.buildkitd, err = filepath.Abs("../../../bin/buildkitd")
	must(err)
	if _, err := os.Stat(built.buildkitd); err != nil {
		built.buildkitd = filepath.Join(dir, "bin", "buildkitd")
		run("", nil, "go", "build", "-o", built.buildkitd, "github.com/moby/buildkit/cmd/buildkitd")
	}
	defer shared.stop()
	defer chromium.end()
	return m.Run()
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func run(dir string, env []string, name string, args ...string) {
	cmd := exec.Command(name, args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		panic(fmt.Sprintf("%s %v: %v\n%s", name, args, err, out))
	}
}

// shared is the platform that tests without special wishes use.
var shared lazyPlatform

type lazyPlatform struct {
	once sync.Once
	p    *platform
}

func (l *lazyPlatform) get(t *testing.T) *platform {
	t.Helper()
	l.once.Do(func() {
		p := newPlatform(filepath.Join(built.dir, "shared"))
		if err := p.start(); err == nil {
			l.p = p
		} else {
			t.Log(err)
		}
	})
	if l.p == nil {
		t.Fatal("the shared platform did not start")
	}
	t.Cleanup(func() { l.p.clear(t) })
	return l.p
}

// clear destroys the apps that a test made: a machine of two CPUs has room for
// forty dynos, and the tests together make more.
func (p *platform) clear(t *testing.T) {
	t.Helper()
	var apps []struct{ Name string }
	if err := json.Unmarshal([]byte(p.mustPaas(t, "apps", "--json")), &apps); err != nil {
		t.Errorf("list the apps to destroy: %v", err)
	}
	for _, a := range apps {
		p.mustPaas(t, "apps:destroy", "-a", a.Name, "--confirm", a.Name)
	}
}

func (l *lazyPlatform) stop() {
	if l.p != nil {
		l.p.destroy()
	}
}

// platform is one `paas standalone` with a data directory of its own.
type platform struct {
	data, http, ssh, api, registry string
	subnets, buildSubnet           string
	flags                          []string
	env                            []string
	cmd                            *exec.Cmd
	exited                         chan struct{}
	log                            *lockedBuffer
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

// subnetCount begins somewhere, for several test programs may run on a machine.
var subnetCount = os.Getpid()

func newPlatform(data string, flags ...string) *platform {
	must(os.MkdirAll(data, 0o711))
	return &platform{data: data, http: freeAddr(), ssh: freeAddr(), api: freeAddr(), registry: freeAddr(),
		subnets: freeSubnet("10.%d.0.0/16", 220, 1, 30), buildSubnet: freeSubnet("10.254.%d.0/22", 0, 4, 50),
		flags: flags, log: &lockedBuffer{}}
}

// freeSubnet is the next of n networks that no interface of the machine has an
// address in: what another program left or uses is in nobody's way.
func freeSubnet(format string, first, step, n int) string {
	taken, err := net.InterfaceAddrs()
	must(err)
	for range n {
		subnetCount++
		want := netip.MustParsePrefix(fmt.Sprintf(format, first+step*(subnetCount%n)))
		if !slices.ContainsFunc(taken, func(a net.Addr) bool {
			have, err := netip.ParsePrefix(a.String())
			return err == nil && have.Overlaps(want)
		}) {
			return want.String()
		}
	}
	panic("no free subnet")
}

// portCount begins somewhere, as subnetCount does.
var portCount = os.Getpid()

// freeAddr is a port on loopback that nobody has. It is none that the kernel
// gives to outgoing connections: the program binds it later than this.
func freeAddr() string {
	for range 10000 {
		portCount += 7
		addr := fmt.Sprintf("127.0.0.1:%d", 10000+portCount%10000)
		l, err := net.Listen("tcp", addr)
		if err == nil {
			_ = l.Close()
			return addr
		}
	}
	panic("no free port")
}

// start runs the binary until it says that it is ready.
func (p *platform) start(extra ...string) error {
	args := []string{"standalone", "--data-dir", p.data, "--domain", "localhost", "--http", p.http, "--ssh", p.ssh, "--api", p.api,
		"--registry", p.registry, "--subnets", p.subnets, "--build-subnet", p.buildSubnet, "--buildkitd", built.buildkitd, "--boot-timeout", "5s", "--stop-timeout", "5s", "--drain-timeout", "5s",
		"--drain-allow", collectorHost + "/32", "--log-rate", "100", "--size", "Tiny=64M,0.25", "--size", "Giant=4T,1"}
	p.log = &lockedBuffer{}
	p.cmd = exec.Command(built.paas, append(append(args, p.flags...), extra...)...)
	p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
	p.cmd.Env = append(os.Environ(), p.env...)
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := p.cmd.Start(); err != nil {
		return err
	}
	exited := make(chan struct{})
	p.exited = exited
	cmd := p.cmd
	go func() { _ = cmd.Wait(); close(exited) }()
	return p.until(60*time.Second, "ready", func() bool { return strings.Contains(p.log.String(), "msg=ready") })
}

// until polls for a condition of the running platform.
func (p *platform) until(limit time.Duration, what string, ok func() bool) error {
	deadline := time.Now().Add(limit)
	for !ok() {
		select {
		case <-p.exited:
			return fmt.Errorf("paas ended before it was %s:\n%s", what, p.log)
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("paas was not %s within %s:\n%s", what, limit, p.log)
		}
	}
	return nil
}

func (p *platform) terminate() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	<-p.exited
}

// destroy stops the platform and removes the containers and networks of its
// cluster, and its files.
func (p *platform) destroy() {
	if p.cmd != nil {
		p.terminate()
	}
	id, err := os.ReadFile(filepath.Join(p.data, "cluster-id"))
	if err == nil {
		sweep(strings.TrimSpace(string(id)))
	}
	p.dropImages()
	_ = os.RemoveAll(p.data)
}

// sweep removes what a cluster left on the engine.
func sweep(cluster string) {
	filter := "label=paas.cluster=" + cluster
	for _, kind := range [][]string{{"container", "rm", "-f", "-v"}, {"network", "rm"}} {
		list := []string{kind[0], "ls", "-q", "--filter", filter}
		if kind[0] == "container" {
			list = append(list, "-a")
		}
		out, _ := exec.Command("docker", list...).Output()
		if ids := strings.Fields(string(out)); len(ids) > 0 {
			_ = exec.Command("docker", append(kind, ids...)...).Run()
		}
	}
}

// dropImages removes what the engine pulled from this platform's registry.
func (p *platform) dropImages() {
	out, _ := exec.Command("docker", "image", "ls", "--digests", "--format", "{{.Repository}}@{{.Digest}}").Output()
	for ref := range strings.FieldsSeq(string(out)) {
		if strings.HasPrefix(ref, p.registry+"/") {
			_ = exec.Command("docker", "image", "rm", "-f", "--", ref).Run()
		}
	}
}

// containers lists the cluster's containers, one line each.
func (p *platform) containers(t *testing.T) []string {
	t.Helper()
	id, err := os.ReadFile(filepath.Join(p.data, "cluster-id"))
	must(err)
	out, err := exec.Command("docker", "ps", "-a", "--format", "{{.Names}} {{.Status}}", "--filter", "label=paas.cluster="+strings.TrimSpace(string(id))).Output()
	must(err)
	return strings.FieldsFunc(string(out), func(r rune) bool { return r == '\n' })
}

// env is what git, ssh and the CLI of one user need.
func (p *platform) clientEnv(home string) []string {
	sshOpts := "ssh -F /dev/null -i " + built.key + " -o IdentitiesOnly=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR"
	return []string{"HOME=" + home, "XDG_CONFIG_HOME=" + home + "/.config", "GIT_SSH_COMMAND=" + sshOpts, "GIT_CONFIG_NOSYSTEM=1",
		"GIT_AUTHOR_NAME=Ann", "GIT_AUTHOR_EMAIL=ann@example.com", "GIT_COMMITTER_NAME=Ann", "GIT_COMMITTER_EMAIL=ann@example.com"}
}

// paas runs the CLI against the operator socket and gives what it printed.
func (p *platform) paas(args ...string) (string, error) {
	cmd := exec.Command(built.paas, append(args, "--server", "unix://"+filepath.Join(p.data, "run", "paas.sock"))...)
	cmd.Env = append(os.Environ(), "HOME="+built.dir)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (p *platform) mustPaas(t *testing.T, args ...string) string {
	t.Helper()
	out, err := p.paas(args...)
	if err != nil {
		t.Fatalf("paas %v: %v\n%s", args, err, out)
	}
	return out
}

// user registers the test's key as an admin.
func (p *platform) user(t *testing.T) {
	t.Helper()
	p.mustPaas(t, "accounts:create", "ann@example.com", "--key", built.key+".pub", "--admin")
}

// repo is a work tree whose remote `paas` is an app.
type repo struct {
	t   *testing.T
	p   *platform
	dir string
	app string
}

const dockerfile = "FROM scratch\nCOPY app VERSION /\nENTRYPOINT [\"/app\"]\n"

func (p *platform) newApp(t *testing.T, name string) *repo {
	t.Helper()
	p.user(t)
	p.mustPaas(t, "apps:create", name, "--no-remote")
	r := &repo{t: t, p: p, dir: t.TempDir(), app: name}
	r.git("init", "-q", "-b", "main")
	r.git("remote", "add", "paas", "ssh://paas@"+p.ssh+"/"+name+".git")
	must(os.Link(built.app, filepath.Join(r.dir, "app")))
	r.write("Dockerfile", dockerfile)
	return r
}

func (r *repo) write(name, text string) {
	must(os.WriteFile(filepath.Join(r.dir, name), []byte(text), 0o644))
}

func (r *repo) try(args ...string) (string, error) {
	cmd := exec.Command("git", args...)
	cmd.Dir, cmd.Env = r.dir, append(os.Environ(), r.p.clientEnv(r.dir+"/.home")...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (r *repo) git(args ...string) string {
	r.t.Helper()
	out, err := r.try(args...)
	if err != nil {
		r.t.Fatalf("git %v: %v\n%s\nserver:\n%s", args, err, out, tail(r.p.log.String(), 40))
	}
	return out
}

// commit makes a commit that says version.
func (r *repo) commit(version string) {
	r.t.Helper()
	r.write("VERSION", version+"\n")
	r.git("add", "-A", "--", ".")
	r.git("commit", "-q", "-m", version)
}

// push commits a version and pushes it.
func (r *repo) push(version string) string {
	r.t.Helper()
	r.commit(version)
	return r.git("push", "paas", "main")
}

// get asks the app through the router.
func (p *platform) get(app, path string) (int, string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.http+path, nil)
	if err != nil {
		return 0, "", err
	}
	req.Host = app + ".localhost"
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return resp.StatusCode, strings.TrimSpace(string(body)), err
}

// serves asserts what the app answers.
func (r *repo) serves(version string) {
	r.t.Helper()
	code, body, err := r.p.get(r.app, "/")
	if err != nil || code != http.StatusOK || !strings.HasPrefix(body, version+" ") {
		r.t.Fatalf("%s answers %d %q (%v), want version %s\n%s", r.app, code, body, err, version, tail(r.p.log.String(), 30))
	}
}

func tail(s string, n int) string {
	lines := strings.Split(strings.TrimRight(s, "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

func contains(t *testing.T, out string, wants ...string) {
	t.Helper()
	for _, w := range wants {
		if !strings.Contains(out, w) {
			t.Errorf("output lacks %q:\n%s", w, out)
		}
	}
}

// exitCode is the exit status behind an error of exec, -1 for another error.
func exitCode(err error) int {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode()
	}
	return -1
}

func writeFile(path, text string) error { return os.WriteFile(path, []byte(text), 0o600) }
