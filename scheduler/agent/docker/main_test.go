package docker_test

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/client"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"paas/scheduler/agent"
	"paas/scheduler/agent/docker"
)

const (
	socket  = "unix:///var/run/docker.sock"
	cluster = "agent-docker-test"
	user    = "puller"
	secret  = "pull secret"
)

// The images of the tests, by digest in a registry of our own.
var (
	registryHost string
	registryDoor http.Handler // the registry, for listeners of other addresses
	imageProg    string       // ENTRYPOINT /prog
	imageNoCmd   string
	imageUser    string // as 1000:1000
	serial       atomic.Int64
	imageForce   = image.RemoveOptions{Force: true}
	filesDir     string
)

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	if os.Getenv(insideEnv) != "" {
		return inside()
	}
	dir, err := os.MkdirTemp("", "agent-docker-test")
	check(err)
	defer os.RemoveAll(dir)
	memory, err := os.MkdirTemp("/dev/shm", "agent-docker-test")
	check(err)
	defer os.RemoveAll(memory)
	filesDir = filepath.Join(memory, "files")
	bin := filepath.Join(dir, "prog")
	build := exec.Command("go", "build", "-o", bin, "paas/scheduler/agent/agenttest/prog")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "%s", out)
		check(err)
	}
	open := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	registryDoor = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if u, p, _ := r.BasicAuth(); u != user || p != secret {
			w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
			http.Error(w, "who are you", http.StatusUnauthorized)
			return
		}
		open.ServeHTTP(w, r)
	})
	s := httptest.NewServer(registryDoor)
	defer s.Close()
	registryHost = strings.TrimPrefix(s.URL, "http://")
	layer, err := layerOf(bin)
	check(err)
	imageProg = push("prog", layer, v1.Config{Entrypoint: []string{"/prog"}, Cmd: []string{"web"}, Env: []string{"FROM_IMAGE=1", "OURS=image"}})
	imageNoCmd = push("nocmd", layer, v1.Config{})
	imageUser = push("user", layer, v1.Config{Entrypoint: []string{"/prog"}, User: "1000:1000"})
	defer sweep()
	return m.Run()
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func layerOf(bin string) (v1.Layer, error) {
	data, err := os.ReadFile(bin)
	if err != nil {
		return nil, err
	}
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for _, h := range []*tar.Header{
		{Name: "tmp", Mode: 0o1777, Typeflag: tar.TypeDir},
		{Name: "prog", Mode: 0o755, Size: int64(len(data)), Typeflag: tar.TypeReg},
	} {
		if err := w.WriteHeader(h); err != nil {
			return nil, err
		}
	}
	if _, err := w.Write(data); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(buf.Bytes())), nil })
}

func push(repo string, layer v1.Layer, c v1.Config) string {
	img, err := mutate.AppendLayers(empty.Image, layer)
	check(err)
	f, err := img.ConfigFile()
	check(err)
	f = f.DeepCopy()
	f.Config, f.Architecture, f.OS = c, "amd64", "linux"
	img, err = mutate.ConfigFile(img, f)
	check(err)
	ref, err := name.ParseReference(registryHost + "/" + repo + ":latest")
	check(err)
	check(remote.Write(ref, img, remote.WithTransport(withAuth{})))
	d, err := img.Digest()
	check(err)
	return registryHost + "/" + repo + "@" + d.String()
}

type withAuth struct{}

func (withAuth) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.SetBasicAuth(user, secret)
	return http.DefaultTransport.RoundTrip(r)
}

// engine is a client of the tests' own, to look behind the runtime.
func engine(t testing.TB) *client.Client {
	c, err := client.NewClientWithOpts(client.WithHost(socket), client.WithAPIVersionNegotiation())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// sweep removes what the tests made.
func sweep() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c, err := client.NewClientWithOpts(client.WithHost(socket), client.WithAPIVersionNegotiation())
	check(err)
	defer c.Close()
	ours := filters.NewArgs(filters.Arg("label", "paas.cluster="+cluster))
	list, err := c.ContainerList(ctx, container.ListOptions{All: true, Filters: ours})
	check(err)
	for _, s := range list {
		_ = c.ContainerRemove(ctx, s.ID, container.RemoveOptions{Force: true, RemoveVolumes: true})
	}
	nets, err := c.NetworkList(ctx, network.ListOptions{Filters: ours})
	check(err)
	for _, n := range nets {
		_ = c.NetworkRemove(ctx, n.ID)
	}
	for _, ref := range []string{imageProg, imageNoCmd, imageUser} {
		_, _ = c.ImageRemove(ctx, ref, imageForce)
	}
}

func config() docker.Config {
	return docker.Config{Socket: socket, Cluster: cluster, FilesDir: filesDir, RegistryAuth: map[string]docker.Credentials{registryHost: {User: user, Password: secret}}}
}

func newRuntime(t testing.TB, cfg docker.Config) *docker.Runtime {
	r, err := docker.New(cfg, slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug})))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

// assign makes an assignment of the tests' program on the network of slot x.
func assign(t testing.TB, slot int, args ...string) agent.Assignment {
	id := fmt.Sprintf("%x-%04d", time.Now().UnixNano(), serial.Add(1))
	a := agent.Assignment{
		ID: id, AppID: "app-" + id, App: "test", Name: "web.1", Release: 7, Image: imageProg,
		Env: map[string]string{"PORT": "8080"}, Port: 8080,
		Network: agent.Network{Name: fmt.Sprintf("paas-test-251-%d", slot), Subnet: fmt.Sprintf("10.251.%d.0/24", slot)},
		Limits:  agent.Limits{Memory: 64 << 20, MilliCPU: 1000, Pids: 256},
		Grace:   10 * time.Second,
	}
	if len(args) > 0 {
		a.Command = append([]string{"/prog"}, args...)
	}
	return a
}

// deadline is a context no step of a test should outlive.
func deadline(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}
