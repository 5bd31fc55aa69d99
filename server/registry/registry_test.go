package registry

import (
	"archive/tar"
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

const testPassword = "0123456789abcdef-test"

func start(t *testing.T, dir string) *Registry {
	t.Helper()
	r, err := New(Config{Addr: "127.0.0.1:0", Dir: dir, User: "paas", Password: testPassword}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return r
}

func request(t *testing.T, r *Registry, method, path string, auth *Auth) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://"+r.Addr()+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if auth != nil {
		req.SetBasicAuth(auth.User, auth.Password)
	}
	tr := &http.Transport{DisableKeepAlives: true}
	resp, err := tr.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = resp.Body.Close() })
	return resp
}

func push(t *testing.T, r *Registry, ref string, auth Auth) (v1.Image, error) {
	t.Helper()
	img, err := random.Image(512, 1)
	if err != nil {
		t.Fatal(err)
	}
	to, err := name.ParseReference(r.Addr()+"/"+ref, name.Insecure)
	if err != nil {
		t.Fatal(err)
	}
	return img, remote.Write(to, img, remote.WithContext(t.Context()),
		remote.WithAuth(&authn.Basic{Username: auth.User, Password: auth.Password}))
}

func TestAccessOfEachCaller(t *testing.T) {
	r := start(t, t.TempDir())
	root, mine, other := r.Auth(), RepoAuth(testPassword, "app-1"), RepoAuth(testPassword, "app-2")
	wrong := Auth{User: "paas", Password: "wrong"}
	for _, ref := range []string{"app-1:x", "library/debian:12"} {
		if _, err := push(t, r, ref, root); err != nil {
			t.Fatal(err)
		}
	}
	for _, tc := range []struct {
		who    string
		auth   *Auth
		method string
		path   string
		want   int
	}{
		{"nobody", nil, "GET", "/v2/", 401},
		{"nobody", nil, "GET", "/v2/_catalog", 401},
		{"nobody", nil, "GET", "/v2/app-1/manifests/x", 401},
		{"nobody", nil, "GET", "/v2/library/debian/manifests/12", 200},
		{"nobody", nil, "HEAD", "/v2/library/debian/manifests/12", 200},
		{"nobody", nil, "DELETE", "/v2/library/debian/manifests/12", 401},
		{"nobody", nil, "POST", "/v2/library/debian/blobs/uploads/", 401},
		{"nobody", nil, "GET", "/v2/library/../app-1/manifests/x", 404},
		{"nobody", nil, "GET", "/v2/library/%2e%2e/app-1/manifests/x", 404},
		{"nobody", nil, "GET", "/v2/library//../app-1/manifests/x", 404},
		{"wrong password", &wrong, "GET", "/v2/", 401},
		{"wrong password", &wrong, "GET", "/v2/library/debian/manifests/12", 401},
		{"root", &root, "GET", "/v2/", 200},
		{"root", &root, "GET", "/v2/_catalog", 200},
		{"root", &root, "GET", "/v2/app-1/manifests/x", 200},
		{"app 1", &mine, "GET", "/v2/", 200},
		{"app 1", &mine, "GET", "/v2/_catalog", 404},
		{"app 1", &mine, "GET", "/v2/app-1/manifests/x", 200},
		{"app 1", &mine, "POST", "/v2/app-1/blobs/uploads/", 202},
		{"app 1", &mine, "GET", "/v2/library/debian/manifests/12", 200},
		{"app 1", &mine, "POST", "/v2/library/debian/blobs/uploads/", 404},
		{"app 2", &other, "GET", "/v2/app-1/manifests/x", 404},
		{"app 2", &other, "GET", "/v2/app-1/tags/list", 404},
		{"app 2", &other, "DELETE", "/v2/app-1/manifests/x", 404},
		{"app 2", &other, "GET", "/v2/library/debian/../../app-1/manifests/x", 404},
	} {
		if got := request(t, r, tc.method, tc.path, tc.auth).StatusCode; got != tc.want {
			t.Errorf("%s: %s %s = %d, want %d", tc.who, tc.method, tc.path, got, tc.want)
		}
	}
	if h := request(t, r, "GET", "/v2/", nil).Header.Get("WWW-Authenticate"); !strings.HasPrefix(h, "Basic ") {
		t.Errorf("challenge = %q", h)
	}
}

func TestBlobOfAnotherAppCannotBeMounted(t *testing.T) {
	r := start(t, t.TempDir())
	img, err := push(t, r, "app-1:x", r.Auth())
	if err != nil {
		t.Fatal(err)
	}
	layers, err := img.Layers()
	if err != nil {
		t.Fatal(err)
	}
	digest, err := layers[0].Digest()
	if err != nil {
		t.Fatal(err)
	}
	path := "/blobs/uploads/?from=app-1&mount=" + digest.String()
	root, thief := r.Auth(), RepoAuth(testPassword, "app-2")
	if got := request(t, r, "POST", "/v2/app-2"+path, &thief).StatusCode; got != http.StatusAccepted {
		t.Errorf("mount by another app = %d, want 202 (a plain upload)", got)
	}
	if got := request(t, r, "GET", "/v2/app-2/blobs/"+digest.String(), &thief).StatusCode; got != http.StatusNotFound {
		t.Errorf("blob after the refused mount = %d, want 404", got)
	}
	if got := request(t, r, "POST", "/v2/app-3"+path, &root).StatusCode; got != http.StatusCreated {
		t.Errorf("mount by the registry's own user = %d, want 201", got)
	}
}

func TestRefusesOpenAddressesAndWeakSettings(t *testing.T) {
	dir := t.TempDir()
	ok := Config{Addr: "127.0.0.1:0", Dir: dir, User: "paas", Password: testPassword}
	for what, edit := range map[string]func(*Config){
		"all addresses":  func(c *Config) { c.Addr = "0.0.0.0:0" },
		"no host":        func(c *Config) { c.Addr = ":0" },
		"a name":         func(c *Config) { c.Addr = "localhost:0" },
		"public address": func(c *Config) { c.Addr = "192.0.2.1:0" },
		"no port":        func(c *Config) { c.Addr = "127.0.0.1" },
		"relative dir":   func(c *Config) { c.Dir = "images" },
		"no user":        func(c *Config) { c.User = "" },
		"short password": func(c *Config) { c.Password = "short" },
	} {
		cfg := ok
		edit(&cfg)
		if _, err := New(cfg, slog.New(slog.DiscardHandler)); err == nil {
			t.Errorf("%s was accepted", what)
		}
	}
}

func TestBusyPortIsAnError(t *testing.T) {
	r := start(t, t.TempDir())
	_, err := New(Config{Addr: r.Addr(), Dir: t.TempDir(), User: "paas", Password: testPassword}, slog.New(slog.DiscardHandler))
	if err == nil || !strings.Contains(err.Error(), "address already in use") {
		t.Fatalf("err = %v", err)
	}
}

func TestImagesOutliveARestart(t *testing.T) {
	dir := t.TempDir()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var digest string
	tarPath := rootfs(t, map[string]string{"etc/hello": "world"})
	t.Run("first", func(t *testing.T) {
		r := start(t, dir)
		var err error
		digest, err = Import(ctx, Target{r.Addr(), r.Auth()}, "debian:bookworm-slim", tarPath, ImageConfig{
			Env: []string{"A=1"}, Cmd: []string{"/bin/x"}, WorkingDir: "/srv",
		})
		if err != nil {
			t.Fatal(err)
		}
	})
	r := start(t, dir)
	list, err := List(ctx, Target{r.Addr(), r.Auth()})
	if err != nil {
		t.Fatal(err)
	}
	if len(list) != 1 || list[0].Ref != "debian:bookworm-slim" || list[0].Digest != digest || list[0].Size == 0 {
		t.Fatalf("list = %+v, want debian:bookworm-slim@%s", list, digest)
	}
	checkImported(t, r)
	again, err := Import(ctx, Target{r.Addr(), r.Auth()}, "docker.io/library/debian:bookworm-slim", tarPath,
		ImageConfig{Env: []string{"A=1"}, Cmd: []string{"/bin/x"}, WorkingDir: "/srv"})
	if err != nil || again != digest {
		t.Fatalf("second import = %s, %v; want %s", again, err, digest)
	}
}

// checkImported reads the image back without credentials, as BuildKit would.
func checkImported(t *testing.T, r *Registry) {
	t.Helper()
	ref, err := name.ParseReference(r.Addr()+"/library/debian:bookworm-slim", name.Insecure)
	if err != nil {
		t.Fatal(err)
	}
	layer := fetchLayer(t, r, ref)
	tr := tar.NewReader(layer)
	if _, err := tr.Next(); err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(tr)
	if err != nil || string(body) != "world" {
		t.Fatalf("layer holds %q, %v", body, err)
	}
}

func fetchLayer(t *testing.T, r *Registry, ref name.Reference) io.Reader {
	t.Helper()
	img, err := remote.Image(ref, remote.WithContext(t.Context()), remote.WithAuth(&authn.Basic{
		Username: r.Auth().User, Password: r.Auth().Password}))
	if err != nil {
		t.Fatal(err)
	}
	file, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if file.Config.WorkingDir != "/srv" || file.Config.Env[0] != "A=1" || file.Config.Cmd[0] != "/bin/x" || file.OS != "linux" {
		t.Fatalf("config = %+v", file.Config)
	}
	layers, err := img.Layers()
	if err != nil || len(layers) != 1 {
		t.Fatalf("layers = %v, %v", layers, err)
	}
	rc, err := layers[0].Uncompressed()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = rc.Close() })
	return rc
}

func TestImportRefuses(t *testing.T) {
	r := start(t, t.TempDir())
	good := rootfs(t, map[string]string{"a": "b"})
	for what, tc := range map[string]struct {
		ref, tar string
		cfg      ImageConfig
		want     string
	}{
		"other registry": {"ghcr.io/a/b:1", good, ImageConfig{}, "only official images"},
		"user image":     {"grafana/grafana:1", good, ImageConfig{}, "only official images"},
		"digest":         {"debian@sha256:" + strings.Repeat("a", 64), good, ImageConfig{}, "digest"},
		"bad name":       {"De bian", good, ImageConfig{}, "image name"},
		"no file":        {"debian", "/nonexistent.tar", ImageConfig{}, "no such file"},
		"directory":      {"debian", t.TempDir(), ImageConfig{}, "not a tar archive"},
		"bad env":        {"debian", good, ImageConfig{Env: []string{"A"}}, "KEY=value"},
		"bad workdir":    {"debian", good, ImageConfig{WorkingDir: "x"}, "absolute"},
	} {
		_, err := Import(t.Context(), Target{r.Addr(), r.Auth()}, tc.ref, tc.tar, tc.cfg)
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: err = %v, want %q", what, err, tc.want)
		}
	}
	_, err := Import(t.Context(), Target{"127.0.0.1:1", r.Auth()}, "debian", good, ImageConfig{})
	if err == nil || !strings.Contains(err.Error(), "127.0.0.1:1") {
		t.Errorf("registry down: err = %v", err)
	}
}

func TestAuthFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "registry-auth.json")
	a, err := EnsureAuth(path)
	if err != nil || len(a.Password) < 32 {
		t.Fatalf("EnsureAuth = %+v, %v", a, err)
	}
	if b, err := EnsureAuth(path); err != nil || b != a {
		t.Fatalf("second EnsureAuth = %+v, %v", b, err)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadAuth(path); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Fatalf("open file: err = %v", err)
	}
}

func rootfs(t *testing.T, files map[string]string) string {
	t.Helper()
	var buf bytes.Buffer
	tw := tar.NewWriter(&buf)
	for name, body := range files {
		if err := tw.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: int64(len(body))}); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(tw, body); err != nil {
			t.Fatal(err)
		}
	}
	if err := tw.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "rootfs.tar")
	if err := os.WriteFile(path, buf.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// FuzzDecide: whatever the path, a caller with credentials for one repository
// or with none reaches nothing else.
func FuzzDecide(f *testing.F) {
	for _, p := range []string{"/v2/", "/v2/_catalog", "/v2/app-1/manifests/x", "/v2/library/x/blobs/uploads/",
		"/v2/library/../a/tags/list", "/v2/library/x/manifests/../../../a/manifests/y", "//v2/a/blobs/b", "", "/v2/a/tags/blobs/uploads/x"} {
		f.Add(p)
	}
	f.Fuzz(func(t *testing.T, p string) {
		m := repoPath.FindStringSubmatch(p)
		if (caller{}).decide("PUT", p) == allow {
			t.Fatalf("nobody may write to %q", p)
		}
		if (caller{}).decide("GET", p) == allow && (m == nil || !strings.HasPrefix(m[1], LibraryPrefix) || strings.Contains(p, "/../")) {
			t.Fatalf("nobody may read %q", p)
		}
		if (caller{repo: "app-1"}).decide("PUT", p) == allow && p != "/v2/" && p != "/v2" && (m == nil || m[1] != "app-1") {
			t.Fatalf("app-1 may write to %q", p)
		}
	})
}
