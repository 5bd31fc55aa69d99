package cluster

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// built is what TestMain builds once.
var built struct {
	dir, paas, buildkitd, app, key string
}

func TestMain(m *testing.M) { os.Exit(runAll(m)) }

func runAll(m *testing.M) int {
	// 0711: Postgres runs as another user below it.
	dir, err := os.MkdirTemp("", "pc-") // short: sockets are below it
	must(err)
	defer os.RemoveAll(dir)
	must(os.Chmod(dir, 0o711))
	built.dir = dir
	built.paas = filepath.Join(dir, "bin", "paas")
	built.app = filepath.Join(dir, "app")
	built.key = filepath.Join(dir, "id_ed25519")
	// Without the race detector: times are measured here.
	run([]string{"CGO_ENABLED=0"}, "go", "build", "-tags", "failpoint", "-o", built.paas, "..")
	run([]string{"CGO_ENABLED=0"}, "go", "build", "-o", built.app, "../faults/testdata/app")
	run(nil, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "ann@laptop", "-f", built.key)
	built.buildkitd, err = filepath.Abs("../../../bin/buildkitd")
	must(err)
	if _, err := os.Stat(built.buildkitd); err != nil {
		built.buildkitd = filepath.Join(dir, "bin", "buildkitd")
		run(nil, "go", "build", "-o", built.buildkitd, "github.com/moby/buildkit/cmd/buildkitd")
	}
	return m.Run()
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func run(env []string, name string, args ...string) {
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		panic(fmt.Sprintf("%s %v: %v\n%s", name, args, err, out))
	}
}

// thorough skips a test unless make test-faults runs it.
func thorough(t *testing.T) {
	t.Helper()
	if os.Getenv("PAAS_FAULTS") == "" {
		t.Skip("run by make test-faults")
	}
}

// await looks every 20 ms until something is so.
func await(t *testing.T, limit time.Duration, what string, so func() bool) {
	t.Helper()
	for end := time.Now().Add(limit); !so(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("after %s: not %s", limit, what)
		}
	}
}
