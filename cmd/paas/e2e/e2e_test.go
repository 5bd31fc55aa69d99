package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"paas/cmd/paas/platformtest"
)

// The tests here drive the real binary as people do: git, ssh, HTTP and the
// CLI, with a real Postgres, BuildKit, registry and Docker Engine behind.

// built is what TestMain builds once.
var built platformtest.Built

func TestMain(m *testing.M) { os.Exit(runAll(m)) }

func runAll(m *testing.M) int {
	var remove func()
	built, remove = platformtest.Build("paas-e2e-", "./testdata/app", "-race", "-tags", "failpoint")
	defer remove()
	defer shared.stop()
	defer chromium.end()
	return m.Run()
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
		p := newPlatform(filepath.Join(built.Dir, "shared"))
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
	*platformtest.Program
	data, http, ssh, api, registry string
	subnets, buildSubnet           string
	flags                          []string
	env                            []string
}

func newPlatform(data string, flags ...string) *platform {
	platformtest.Must(os.MkdirAll(data, 0o711))
	return &platform{data: data, http: platformtest.FreeAddr("127.0.0.1"), ssh: platformtest.FreeAddr("127.0.0.1"), api: platformtest.FreeAddr("127.0.0.1"), registry: platformtest.FreeAddr("127.0.0.1"),
		subnets: platformtest.FreeSubnet("10.%d.0.0/16", 220, 1, 30), buildSubnet: platformtest.FreeSubnet("10.254.%d.0/22", 0, 4, 50),
		flags: flags}
}

// start runs the binary until it says that it is ready.
func (p *platform) start(extra ...string) error {
	args := []string{"standalone", "--data-dir", p.data, "--domain", "localhost", "--http", p.http, "--ssh", p.ssh, "--api", p.api,
		"--registry", p.registry, "--subnets", p.subnets, "--build-subnet", p.buildSubnet, "--buildkitd", built.Buildkitd, "--boot-timeout", "5s", "--stop-timeout", "5s", "--drain-timeout", "5s",
		"--drain-allow", collectorHost + "/32", "--log-rate", "100", "--size", "Tiny=64M,0.25", "--size", "Giant=4T,1"}
	program, err := built.Start(p.env, append(append(args, p.flags...), extra...)...)
	if err != nil {
		return err
	}
	p.Program = program
	return p.UntilReady(60 * time.Second)
}

func (p *platform) terminate() { p.Stop(syscall.SIGTERM) }

// destroy stops the platform and removes the containers and networks of its
// cluster, and its files.
func (p *platform) destroy() {
	if p.Program != nil {
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
	platformtest.Must(err)
	out, err := exec.Command("docker", "ps", "-a", "--format", "{{.Names}} {{.Status}}", "--filter", "label=paas.cluster="+strings.TrimSpace(string(id))).Output()
	platformtest.Must(err)
	return strings.FieldsFunc(string(out), func(r rune) bool { return r == '\n' })
}

// paas runs the CLI against the operator socket and gives what it printed.
func (p *platform) paas(args ...string) (string, error) {
	return built.Operator(p.data, args...)
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
	p.mustPaas(t, "accounts:create", "ann@example.com", "--key", built.Key+".pub", "--admin")
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
	platformtest.Must(os.Link(built.App, filepath.Join(r.dir, "app")))
	r.write("Dockerfile", dockerfile)
	return r
}

func (r *repo) write(name, text string) {
	platformtest.Must(os.WriteFile(filepath.Join(r.dir, name), []byte(text), 0o644))
}

func (r *repo) try(args ...string) (string, error) {
	cmd := exec.Command("git", args...)
	cmd.Dir, cmd.Env = r.dir, append(os.Environ(), built.Env(r.dir+"/.home")...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (r *repo) git(args ...string) string {
	r.t.Helper()
	out, err := r.try(args...)
	if err != nil {
		r.t.Fatalf("git %v: %v\n%s\nserver:\n%s", args, err, out, platformtest.Tail(r.p.Log.String(), 40))
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
		r.t.Fatalf("%s answers %d %q (%v), want version %s\n%s", r.app, code, body, err, version, platformtest.Tail(r.p.Log.String(), 30))
	}
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
