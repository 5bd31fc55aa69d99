package faults

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"paas/cmd/paas/platformtest"
	"paas/scheduler/agent/machinetest"
)

// platform is one `paas standalone` that is a control plane only: of its own
// machine's engine it knows nothing.
type platform struct {
	*platformtest.Program
	data, http, ssh, api, registry, fleet, buildSubnet string
}

func newPlatform(t *testing.T, lab *machinetest.Lab) *platform {
	t.Helper()
	data, err := os.MkdirTemp(built.Dir, "data")
	platformtest.Must(err)
	platformtest.Must(os.Chmod(data, 0o711))
	local := func() string { return platformtest.FreeAddr("127.0.0.1") }
	p := &platform{data: data, http: local(), ssh: local(), api: local(), registry: local(), fleet: platformtest.FreeAddr(lab.Gateway),
		buildSubnet: platformtest.FreeSubnet("10.253.%d.0/22", 0, 4, 60)}
	t.Cleanup(func() {
		p.Stop(syscall.SIGTERM)
		if t.Failed() {
			t.Logf("the control plane said:\n%s", platformtest.Tail(p.Log.String(), 60))
		}
		if err := os.RemoveAll(data); err != nil {
			t.Error("clean up:", err)
		}
	})
	p.start(t)
	return p
}

// start starts it, with more flags.
func (p *platform) start(t *testing.T, more ...string) {
	t.Helper()
	args := append([]string{"standalone", "--data-dir", p.data, "--domain", "localhost", "--http", p.http, "--ssh", p.ssh, "--api", p.api,
		"--registry", p.registry, "--fleet", p.fleet, "--fleet-name", p.fleet, "--docker", filepath.Join(p.data, "none.sock"),
		"--build-subnet", p.buildSubnet, "--buildkitd", built.Buildkitd,
		"--boot-timeout", "20s", "--stop-timeout", "5s", "--drain-timeout", "5s", "--size", "Tiny=64M,0.5,0.05"}, more...)
	program, err := built.Start(nil, args...)
	platformtest.Must(err)
	p.Program = program
	if err := p.UntilReady(2 * time.Minute); err != nil {
		t.Fatal(err)
	}
}

// paas runs the CLI as the operator.
func (p *platform) paas(args ...string) (string, error) { return built.Operator(p.data, args...) }

func (p *platform) must(t *testing.T, args ...string) string {
	t.Helper()
	out, err := p.paas(args...)
	if err != nil {
		t.Fatalf("paas %v: %v\n%s\n%s", args, err, out, platformtest.Tail(p.Log.String(), 30))
	}
	return out
}

// push deploys an app of one version.
func (p *platform) push(t *testing.T, app, version string) {
	t.Helper()
	r := built.Repo(t, t.TempDir(), "FROM scratch\nCOPY app VERSION /\nENTRYPOINT [\"/app\"]\n")
	r.Commit(t, version)
	if out, err := r.Command("push", "-f", "ssh://paas@"+p.ssh+"/"+app+".git", "main").CombinedOutput(); err != nil {
		t.Fatalf("git push: %v\n%s\n%s", err, out, platformtest.Tail(p.Log.String(), 40))
	}
}
