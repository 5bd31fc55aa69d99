package buildkit_test

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"paas/builder"
	"paas/builder/buildkit"
	"paas/server/child"
	"paas/server/registry"
)

const (
	password = "0123456789-registry-test"
	version  = "v0.33.1" // of the module in go.mod
)

// first is the house of the tests that do not stop anything. It is opened by
// the test that needs it first: fuzzing starts this program many times over.
var first = sync.OnceValues(func() (*house, error) {
	dir, err := os.MkdirTemp("", "paas-buildkit-")
	if err != nil {
		return nil, err
	}
	h, err := open(dir, 1)
	opened = h
	return h, err
})

var opened *house

func TestMain(m *testing.M) {
	code := m.Run()
	if opened != nil {
		opened.close()
		if err := os.RemoveAll(opened.dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

func shared(tb testing.TB) *house {
	tb.Helper()
	h, err := first()
	if err != nil {
		tb.Fatal(err)
	}
	return h
}

// house is a registry and a buildkitd below one directory.
type house struct {
	dir   string
	n     int
	reg   *registry.Registry
	bkd   *child.Buildkitd
	tool  string // rootfs of the base image
	wg    sync.WaitGroup
	stops []context.CancelFunc
}

func open(dir string, n int) (*house, error) {
	h := &house{dir: dir, n: n}
	if err := h.openRegistry("127.0.0.1:0"); err != nil {
		return nil, err
	}
	if err := h.importBase(); err != nil {
		h.close()
		return nil, err
	}
	if _, err := h.openBuildkitd(); err != nil {
		h.close()
		return nil, err
	}
	return h, nil
}

func (h *house) close() {
	for _, stop := range h.stops {
		stop()
	}
	h.wg.Wait()
}

func (h *house) run(part func(context.Context) error) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	h.stops = append(h.stops, cancel)
	done := make(chan struct{})
	h.wg.Go(func() {
		defer close(done)
		if err := part(ctx); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	})
	return func() { cancel(); <-done }
}

func (h *house) openRegistry(addr string) (err error) {
	h.reg, err = registry.New(registry.Config{Addr: addr, Dir: filepath.Join(h.dir, "registry"), User: "paas", Password: password},
		slog.New(slog.DiscardHandler))
	if err == nil {
		h.run(h.reg.Run)
	}
	return err
}

func (h *house) openBuildkitd() (stop func(), err error) {
	bin, err := findBuildkitd()
	if err != nil {
		return nil, err
	}
	h.bkd, err = child.NewBuildkitd(child.BuildkitdConfig{
		Bin: bin, Root: filepath.Join(h.dir, "buildkit"), RegistryAddr: h.reg.Addr(), MirrorDockerIO: true,
		BridgeName: fmt.Sprintf("pbt%d-%d", os.Getpid()%100000, h.n), BridgeSubnet: fmt.Sprintf("10.253.%d.0/24", h.n),
	}, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, err
	}
	stop = h.run(h.bkd.Run)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	return stop, h.bkd.WaitReady(ctx)
}

// importBase stores the base image "tool:1" of the tests, and the same as
// "debian:bookworm-slim".
func (h *house) importBase() error {
	bin := filepath.Join(h.dir, "tool")
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", bin, "./testdata/tool")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build the tool: %w: %s", err, out)
	}
	raw, err := os.ReadFile(bin)
	if err != nil {
		return err
	}
	var buf bytes.Buffer
	tw := tar.NewWriter(&buf)
	err = errors.Join(
		tw.WriteHeader(&tar.Header{Name: "tool", Mode: 0o755, Size: int64(len(raw))}),
		writeAll(tw, raw),
		tw.WriteHeader(&tar.Header{Name: "etc/", Mode: 0o755, Typeflag: tar.TypeDir}),
		tw.Close())
	if err != nil {
		return err
	}
	h.tool = filepath.Join(h.dir, "tool.tar")
	if err := os.WriteFile(h.tool, buf.Bytes(), 0o600); err != nil {
		return err
	}
	to := registry.Target{Addr: h.reg.Addr(), Auth: h.reg.Auth()}
	for _, ref := range []string{"tool:1", "debian:bookworm-slim"} {
		if _, err := registry.Import(context.Background(), to, ref, h.tool, registry.ImageConfig{Env: []string{"FROM_BASE=yes"}}); err != nil {
			return err
		}
	}
	return nil
}

func writeAll(w io.Writer, data []byte) error {
	_, err := w.Write(data)
	return err
}

// findBuildkitd takes the one that was built already, or builds it once.
func findBuildkitd() (string, error) {
	if path := os.Getenv("PAAS_TEST_BUILDKITD"); path != "" {
		return path, nil
	}
	built, err := filepath.Abs("../../bin/buildkitd")
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(built); err == nil {
		return built, nil
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	path := filepath.Join(cache, "paas", "buildkitd-"+version)
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	out, err := exec.Command("go", "build", "-o", path, "github.com/moby/buildkit/cmd/buildkitd").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build buildkitd: %w: %s", err, out)
	}
	return path, nil
}

// own starts a registry and a buildkitd for one test.
func own(t *testing.T, n int) *house {
	t.Helper()
	dir, err := os.MkdirTemp("", "paas-buildkit-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	h, err := open(dir, n)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.close)
	return h
}

func (h *house) config() buildkit.Config {
	return buildkit.Config{
		Addr: h.bkd.Addr(), Registry: h.reg.Addr(), RetryWait: time.Minute,
		Auth: func(repo string) (string, string) {
			a := registry.RepoAuth(password, repo)
			return a.User, a.Password
		},
	}
}

func (h *house) builder(t *testing.T) *buildkit.Builder { return newBuilder(t, h.config()) }

func newBuilder(t *testing.T, cfg buildkit.Config) *buildkit.Builder {
	t.Helper()
	b, err := buildkit.New(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

// app names the test's own repository.
func app(t *testing.T) string {
	t.Helper()
	return strings.ToLower(strings.NewReplacer("/", "-", "_", "-").Replace(t.Name()))
}

// build runs one build with a deadline and gives its output too.
func build(t *testing.T, b *buildkit.Builder, src fs.FS) (builder.Image, string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	var out bytes.Buffer
	img, err := b.Build(ctx, builder.Request{AppID: app(t), Commit: strings.Repeat("c", 40), Source: src}, &out)
	return img, out.String(), err
}

func mustBuild(t *testing.T, b *buildkit.Builder, src fs.FS) (builder.Image, string) {
	t.Helper()
	img, out, err := build(t, b, src)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return img, out
}

// fails runs a build that must be the pusher's failure.
func fails(t *testing.T, b *buildkit.Builder, src fs.FS) (*builder.Failure, string) {
	t.Helper()
	_, out, err := build(t, b, src)
	var f *builder.Failure
	if !errors.As(err, &f) {
		t.Fatalf("err = %v, want a Failure\n%s", err, out)
	}
	return f, out
}

var day = time.Date(2024, 5, 6, 7, 8, 9, 0, time.UTC)

// tree makes a source of path → contents. The time of a file follows its
// contents, in nanoseconds, as the trees of commits have it.
func tree(files map[string]string) fstest.MapFS {
	m := fstest.MapFS{}
	for name, body := range files {
		sum := time.Duration(0)
		for i := range len(body) {
			sum = (sum*31 + time.Duration(body[i])) % time.Second
		}
		m[name] = &fstest.MapFile{Data: []byte(body), Mode: 0o644, ModTime: day.Add(sum)}
	}
	return m
}

// pull reads an image back as a host would.
func (h *house) pull(t *testing.T, repo, digest string) v1.Image {
	t.Helper()
	ref, err := name.NewDigest(h.reg.Addr() + "/" + repo + "@" + digest)
	if err != nil {
		t.Fatal(err)
	}
	img, err := remote.Image(ref, remote.WithContext(t.Context()), remote.WithAuth(&authn.Basic{Username: "paas", Password: password}))
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// files gives what the layers of an image hold: contents, or "-> target".
func (h *house) files(t *testing.T, repo, digest string) map[string]string {
	t.Helper()
	layers, err := h.pull(t, repo, digest).Layers()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, l := range layers {
		rc, err := l.Uncompressed()
		if err != nil {
			t.Fatal(err)
		}
		readLayer(t, rc, got)
		if err := rc.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return got
}

func readLayer(t *testing.T, r io.Reader, got map[string]string) {
	t.Helper()
	for tr := tar.NewReader(r); ; {
		hdr, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		name := strings.Trim(hdr.Name, "/")
		switch hdr.Typeflag {
		case tar.TypeReg:
			body, err := io.ReadAll(tr)
			if err != nil {
				t.Fatal(err)
			}
			got[name] = string(body)
		case tar.TypeSymlink:
			got[name] = "-> " + hdr.Linkname
		}
	}
}
