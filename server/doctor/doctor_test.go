package doctor

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func find(t *testing.T, r Report, check string) Result {
	t.Helper()
	for _, x := range r.Results {
		if x.Check == check {
			return x
		}
	}
	t.Fatalf("no check %q in %+v", check, r)
	return Result{}
}

// TestRunOnThisMachine looks at the real engine, git, PostgreSQL and disk.
func TestRunOnThisMachine(t *testing.T) {
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	dir := filepath.Join(t.TempDir(), "not", "yet")
	r := Run(t.Context(), Config{DataDir: dir, Program: program, Listen: []string{busy.Addr().String(), "127.0.0.1:0"}})
	for _, check := range []string{"Docker Engine", "git", "ssh client", "PostgreSQL server", "data directory", "port 127.0.0.1:0", "built with Go"} {
		if x := find(t, r, check); x.Status != OK {
			t.Errorf("%+v", x)
		}
	}
	for check, status := range map[string]Status{
		"port " + busy.Addr().String(): Fail,
		"buildkitd":                    Fail, // none lies next to the test program
		"paas":                         Warn,
	} {
		if x := find(t, r, check); x.Status != status {
			t.Errorf("%+v, want %s", x, status)
		}
	}
	if x := find(t, r, "Docker Engine"); !strings.Contains(x.Found, "API 1.") {
		t.Errorf("engine: %+v", x)
	}
	if find(t, r, "runc").Found == "" || find(t, r, "cgroups").Found == "" {
		t.Error("the engine's parts were not told")
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Error("the check made the data directory")
	}
}

func TestEngineThatDoesNotAnswer(t *testing.T) {
	dir := t.TempDir()
	silent, err := net.Listen("unix", filepath.Join(dir, "silent.sock"))
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	for _, socket := range []string{filepath.Join(dir, "none.sock"), filepath.Join(dir, "silent.sock")} {
		f := askEngine(t.Context(), Config{Docker: socket, Timeout: 100 * time.Millisecond})
		if r := checkEngine(f); r.Status != Fail {
			t.Errorf("%s: %+v", socket, r)
		}
	}
}

// serve answers GET /healthz, and the lists of machines, on the operator socket of a data directory.
func serve(t *testing.T, dir string, status int, body string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Join(dir, "run"), 0o700); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", filepath.Join(dir, "run", "paas.sock"))
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		fmt.Fprintln(w, body)
	})
	for path, list := range map[string]string{"/hosts": `[{"name":"host-1","state":"ready"},{"name":"host-2","state":"lost"}]`,
		"/routers": `[{"name":"built-in","state":"ready"}]`,
		"/servers": `[{"name":"s1","state":"leads","address":"s1:8443"},{"name":"s2","state":"follows","address":"s2:8443"}]`} {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, list) })
	}
	srv := &http.Server{Handler: mux, ReadHeaderTimeout: time.Second}
	done := make(chan struct{})
	go func() { defer close(done); _ = srv.Serve(l) }()
	t.Cleanup(func() { _ = srv.Close(); <-done })
}

func TestRunningPaas(t *testing.T) {
	for _, tt := range []struct {
		status int
		body   string
		want   Status
	}{{200, "ok", OK}, {503, "database unavailable", Fail}} {
		dir := t.TempDir()
		serve(t, dir, tt.status, tt.body)
		f := askPaas(t.Context(), Config{DataDir: dir, Timeout: 5 * time.Second})
		if r := checkPaas(f, "paas standalone"); r.Status != tt.want || !f.answers() {
			t.Errorf("%d: %+v from %+v", tt.status, r, f)
		}
	}
}

// TestSocketOfAKilledPaas: kill -9 leaves the file behind.
func TestSocketOfAKilledPaas(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "run"), 0o700); err != nil {
		t.Fatal(err)
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(dir, "run", "paas.sock")})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	f := askPaas(t.Context(), Config{DataDir: dir, Timeout: 5 * time.Second})
	if r := checkPaas(f, "paas standalone"); r.Status != Fail || f.answers() || r.Cause != "connect: connection refused" {
		t.Errorf("%+v", r)
	}
}

// TestBuildkitdVersionIsReadFromTheFile takes the go command's own program as
// one that is no buildkitd, and a text file as one that is no program.
func TestBuildkitdVersionIsReadFromTheFile(t *testing.T) {
	gobin, err := exec.LookPath("go")
	if err != nil {
		t.Fatal(err)
	}
	if f := findBuildkitd(Config{Buildkitd: gobin}); f.err != nil || f.version != "" {
		t.Errorf("another program: %+v", f)
	}
	text := filepath.Join(t.TempDir(), "buildkitd")
	if err := os.WriteFile(text, []byte("hello"), 0o600); err != nil {
		t.Fatal(err)
	}
	if f := findBuildkitd(Config{Program: filepath.Join(filepath.Dir(text), "paas")}); f.err == nil || f.path != text {
		t.Errorf("not executable: %+v", f)
	}
	if err := os.Chmod(text, 0o700); err != nil { //nolint:gosec // it must be executable to be looked into
		t.Fatal(err)
	}
	if f := findBuildkitd(Config{Buildkitd: text}); f.err == nil {
		t.Errorf("no program: %+v", f)
	}
}

func TestAskVersionIsBounded(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	f := versionOf(ctx, Config{Timeout: 50 * time.Millisecond}, "/bin/sleep", "60")
	if f.err == nil || ctx.Err() != nil {
		t.Errorf("%+v", f)
	}
}

func TestReportIsForPeopleAndPrograms(t *testing.T) {
	r := report([]Result{
		{Check: "git", Status: OK, Found: "git version 2.39.5"},
		{Check: "runc", Status: Warn, Found: "1.1.5", Cause: "below 1.3.6", Next: "upgrade"},
		{Check: "disk", Status: Fail, Found: "96 % used", Cause: "full", Next: "docker image prune"},
	})
	var b bytes.Buffer
	if err := r.Write(&b); err != nil {
		t.Fatal(err)
	}
	want := `ok    git   git version 2.39.5
warn  runc  1.1.5
            why:  below 1.3.6
            next: upgrade
fail  disk  96 % used
            why:  full
            next: docker image prune

3 checks: 1 ok, 1 warnings, 1 failures
`
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
	js, err := json.Marshal(r)
	if err != nil || !strings.Contains(string(js), `{"check":"git","status":"ok","found":"git version 2.39.5"}`) ||
		!strings.Contains(string(js), `"warnings":1,"failures":1`) {
		t.Errorf("%s, %v", js, err)
	}
}

// A host is looked at for what matters on a host.
func TestRunAgentOnThisMachine(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "agent")
	r := RunAgent(t.Context(), AgentConfig{DataDir: dir, Clock: func(context.Context) (time.Duration, error) { return -time.Minute, nil }})
	for check, says := range map[string]string{"Docker Engine": "API 1.", "kernel": ".", "disk of the engine": "used", "data directory": "joining makes it", "clock": "1m0s behind"} {
		if x := find(t, r, check); !strings.Contains(x.Found, says) {
			t.Errorf("%+v does not say %q", x, says)
		}
	}
	for _, x := range r.Results {
		if x.Check == "buildkitd" || x.Check == "git" || strings.HasPrefix(x.Check, "port") {
			t.Errorf("a host needs none: %+v", x)
		}
	}
}
