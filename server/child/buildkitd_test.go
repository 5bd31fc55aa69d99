package child

import (
	"bytes"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// buildkitdPath is the program that `make` builds, or the one that the tests
// of the builder have built.
func buildkitdPath(t *testing.T) string {
	t.Helper()
	if path := os.Getenv("PAAS_TEST_BUILDKITD"); path != "" {
		return path
	}
	built, err := filepath.Abs("../../bin/buildkitd")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(built); err == nil {
		return built
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(cache, "paas", "buildkitd-v0.33.1")
	if _, err := os.Stat(path); err == nil {
		return path
	}
	if out, err := exec.Command("go", "build", "-o", path, "github.com/moby/buildkit/cmd/buildkitd").CombinedOutput(); err != nil {
		t.Fatalf("build buildkitd: %v: %s", err, out)
	}
	return path
}

// logBuffer collects a log for reading while it is written.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func startBuildkitd(t *testing.T, cfg BuildkitdConfig) (*Buildkitd, *logBuffer, func()) {
	t.Helper()
	cfg.Bin, cfg.RegistryAddr, cfg.Network = buildkitdPath(t), "127.0.0.1:5500", NetworkHost
	log := &logBuffer{}
	b, err := NewBuildkitd(cfg, slog.New(slog.NewTextHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	stop := runChild(t, b.Child)
	if err := b.WaitReady(within(t, time.Minute)); err != nil {
		t.Fatalf("%v\n%s", err, log)
	}
	return b, log, stop
}

func TestBuildkitdWithABrokenCacheStartsCold(t *testing.T) {
	root := filepath.Join(t.TempDir(), "buildkit")
	_, _, stop := startBuildkitd(t, BuildkitdConfig{Root: root})
	stop()
	for _, db := range databases(t, root) {
		t.Run(filepath.Base(db), func(t *testing.T) {
			if err := os.WriteFile(db, bytes.Repeat([]byte("broken"), 10000), 0o600); err != nil {
				t.Fatal(err)
			}
			_, log, stop := startBuildkitd(t, BuildkitdConfig{Root: root})
			t.Log(log)
			stop()
		})
	}
}

func databases(t *testing.T, root string) []string {
	t.Helper()
	var found []string
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && strings.HasSuffix(path, ".db") {
			found = append(found, path)
		}
		return err
	})
	if err != nil || len(found) < 3 {
		t.Fatalf("databases = %v, %v", found, err)
	}
	return found
}

func TestBuildkitdCacheOfACrashedMachineIsDiscarded(t *testing.T) {
	root := filepath.Join(t.TempDir(), "buildkit")
	b, _, stop := startBuildkitd(t, BuildkitdConfig{Root: root})
	marker := filepath.Join(root, markerFile)
	if _, err := os.Stat(marker); err != nil {
		t.Fatal(err)
	}
	stop()
	if err := clearMarker(b.cfg.Root); err != nil { // what Buildkitd.Run does at its end
		t.Fatal(err)
	}
	keep := filepath.Join(root, "runc-overlayfs", "kept")
	if err := os.WriteFile(keep, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, log, stop := startBuildkitd(t, BuildkitdConfig{Root: root})
	if _, err := os.Stat(keep); err != nil || strings.Contains(log.String(), "start cold") {
		t.Fatalf("a clean stop lost the cache: %v\n%s", err, log)
	}
	stop()
	if err := os.WriteFile(marker, []byte("another life\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, log, _ = startBuildkitd(t, BuildkitdConfig{Root: root})
	if _, err := os.Stat(keep); err == nil || !strings.Contains(log.String(), "start cold") {
		t.Fatalf("the cache of a crashed machine is used: %v\n%s", err, log)
	}
}

func TestBuildkitdConfiguration(t *testing.T) {
	root := filepath.Join(t.TempDir(), strings.Repeat("long-", 25))
	b, err := NewBuildkitd(BuildkitdConfig{Bin: "/bin/true", Root: root, RegistryAddr: "127.0.0.1:5500", MirrorDockerIO: true},
		slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	sock := strings.TrimPrefix(b.Addr(), "unix://")
	t.Cleanup(func() { _ = os.RemoveAll(filepath.Dir(sock)) })
	if !strings.HasPrefix(sock, "/run/paas/buildkitd-") {
		t.Errorf("socket = %s", sock)
	}
	raw, err := os.ReadFile(b.cfg.file())
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"insecure-entitlements = []", "[cdi]\ndisabled = true", "[worker.containerd]\nenabled = false",
		"[frontend.\"gateway.v0\"]\nenabled = false", "mirrors = [\"127.0.0.1:5500\"]", "[registry.\"127.0.0.1:5500\"]\nhttp = true",
		"max-parallelism = 4"} {
		if !strings.Contains(string(raw), want) {
			t.Errorf("configuration lacks %q:\n%s", want, raw)
		}
	}
	for what, cfg := range map[string]BuildkitdConfig{
		"relative root":   {Bin: "/bin/true", Root: "x"},
		"long socket":     {Bin: "/bin/true", Root: t.TempDir(), Socket: "/" + strings.Repeat("x", 120)},
		"unknown network": {Bin: "/bin/true", Root: t.TempDir(), Network: "carrier pigeon"},
		"no plugins":      {Bin: "/bin/true", Root: t.TempDir(), Network: NetworkBridge, CNIDir: t.TempDir()},
		"no program":      {Bin: "/nonexistent/buildkitd", Root: t.TempDir()},
	} {
		if _, err := NewBuildkitd(cfg, slog.New(slog.DiscardHandler)); err == nil {
			t.Errorf("%s was accepted", what)
		}
	}
}

func TestSuppressedSyncSucceeds(t *testing.T) {
	// An O_PATH-like failure tells them apart: fsync of a pipe fails with EINVAL
	// in earnest and succeeds when suppressed.
	errs := make(chan [2]error, 1)
	go func() { // the thread is tainted and ends with the goroutine
		runtime.LockOSThread()
		var p [2]int
		if err := syscall.Pipe(p[:]); err != nil {
			errs <- [2]error{err, err}
			return
		}
		before := syscall.Fsync(p[0])
		err := suppressSync()
		if err == nil {
			err = syscall.Fsync(p[0])
		}
		errs <- [2]error{before, err}
	}()
	got := <-errs
	if got[0] == nil || got[1] != nil {
		t.Fatalf("before: %v, suppressed: %v", got[0], got[1])
	}
}
