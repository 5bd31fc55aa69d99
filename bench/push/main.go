// Command push measures what a developer waits for: from the start of `git
// push` (and of `paas rollback`, `paas config:set`) to the first answer of the
// new version through the router. It runs against the paas of `make up` and
// changes a small Go app by one line each time, with warm caches.
//
// It prints a table and writes bench/results/push.json.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"paas/bench/report"
)

const app = "bench-push"

type bench struct {
	data, http, ssh, paas, out string
	rounds                     int

	dir    string // scratch
	env    []string
	client *http.Client
}

func main() {
	var b bench
	flag.StringVar(&b.data, "data", env("PAAS_DATA", "/var/lib/paas"), "data directory of the running paas")
	flag.StringVar(&b.http, "http", "127.0.0.1:"+port(env("PAAS_HTTP", ":8080")), "its router")
	flag.StringVar(&b.ssh, "ssh", "127.0.0.1:"+port(env("PAAS_SSH", ":2222")), "its SSH door")
	flag.StringVar(&b.paas, "paas", "bin/paas", "the CLI")
	flag.StringVar(&b.out, "out", "bench/results/push.json", "where the result goes")
	flag.IntVar(&b.rounds, "rounds", 15, "pushes that count; as many rollbacks and config changes")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	if err := b.run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench-push:", err)
		os.Exit(1)
	}
}

func env(name, fallback string) string {
	if v := os.Getenv(name); v != "" {
		return v
	}
	return fallback
}

func port(addr string) string { return addr[strings.LastIndexByte(addr, ':')+1:] }

func (b *bench) run(ctx context.Context) (err error) {
	if b.dir, err = os.MkdirTemp("", "paas-bench-"); err != nil {
		return err
	}
	defer os.RemoveAll(b.dir)
	b.client = &http.Client{Timeout: 5 * time.Second}
	r := result{Machine: report.Machine(), Versions: b.versions(ctx)}
	if r.IdleRSS, err = b.rss(); err != nil {
		return err
	}
	if err := b.prepare(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.cleanUp(context.WithoutCancel(ctx))) }()
	if err := b.pushes(ctx, &r); err != nil {
		return err
	}
	if err := b.rollbacks(ctx, &r); err != nil {
		return err
	}
	if err := b.configs(ctx, &r); err != nil {
		return err
	}
	r.print(os.Stdout)
	return report.Write(b.out, r)
}

// prepare makes the app and a repository, and pushes until the caches are warm.
func (b *bench) prepare(ctx context.Context) error {
	key := filepath.Join(b.data, "bench_ed25519")
	if _, err := os.Stat(key); err != nil {
		if err := b.exec(ctx, "", "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "bench", "-f", key); err != nil {
			return err
		}
	}
	b.env = append(os.Environ(), "GIT_SSH_COMMAND=ssh -F /dev/null -i "+key+" -o IdentitiesOnly=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR",
		"GIT_AUTHOR_NAME=bench", "GIT_AUTHOR_EMAIL=bench@localhost", "GIT_COMMITTER_NAME=bench", "GIT_COMMITTER_EMAIL=bench@localhost",
		"PAAS_URL=unix://"+filepath.Join(b.data, "run", "paas.sock"), "PAAS_APP="+app)
	if err := b.cli(ctx, "accounts:create", "bench@localhost", "--admin", "--key", key+".pub", "--socket", filepath.Join(b.data, "run", "paas.sock")); err != nil {
		return err
	}
	_ = b.cli(ctx, "apps:destroy", "-a", app, "--confirm", app) // of a run that was cut off
	if err := b.cli(ctx, "apps:create", app, "--no-remote"); err != nil {
		return err
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(b.dir, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	for _, args := range [][]string{{"init", "-q", "-b", "main"}, {"remote", "add", "paas", "ssh://paas@" + b.ssh + "/" + app + ".git"}} {
		if err := b.exec(ctx, b.dir, "git", args...); err != nil {
			return err
		}
	}
	for n := range 3 {
		fmt.Printf("-----> Warming the caches (%d of 3)\n", n+1)
		if _, err := b.push(ctx, fmt.Sprint("warm-", n)); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) cleanUp(ctx context.Context) error {
	return b.cli(ctx, "apps:destroy", "-a", app, "--confirm", app)
}

func (b *bench) cli(ctx context.Context, args ...string) error {
	return b.exec(ctx, "", b.paas, args...)
}

func (b *bench) exec(ctx context.Context, dir, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Env = dir, b.env
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, out)
	}
	return nil
}

// settle waits until only one instance is left, as between two pushes of a
// person: the old one's stop is not to be measured with the next push.
func (b *bench) settle(ctx context.Context) error {
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		cmd := exec.CommandContext(ctx, b.paas, "ps", "--json")
		cmd.Env = b.env
		out, err := cmd.Output()
		if err != nil {
			return fmt.Errorf("paas ps: %w", err)
		}
		var dynos []struct{ State string }
		if err := json.Unmarshal(out, &dynos); err != nil {
			return err
		}
		if len(dynos) == 1 && dynos[0].State == "up" {
			return nil
		}
	}
	return errors.New("the platform does not come to rest")
}

// timed runs a command and gives how long it took until the app first answered
// with want, and until the command ended.
func (b *bench) timed(ctx context.Context, want, dir, name string, args ...string) (sample, error) {
	began := time.Now()
	ended := make(chan error, 1)
	go func() { ended <- b.exec(ctx, dir, name, args...) }()
	s := sample{began: began}
	var err error
	running := true
	for s.live == 0 || running {
		select {
		case err = <-ended:
			running, s.done = false, time.Since(began)
			if err != nil {
				return s, err
			}
		default:
		}
		if s.live == 0 && strings.HasPrefix(b.ask(ctx), want+"\n") {
			s.live = time.Since(began)
		}
		if time.Since(began) > 2*time.Minute {
			return s, fmt.Errorf("%s: no answer %q within two minutes", name, want)
		}
		time.Sleep(5 * time.Millisecond) // often enough to see it, seldom enough not to disturb it
	}
	return s, b.settle(ctx)
}

type sample struct {
	began      time.Time
	live, done time.Duration
}

// ask is one request through the router, over a kept connection.
func (b *bench) ask(ctx context.Context) string {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+b.http+"/", nil)
	if err != nil {
		return ""
	}
	req.Host = app + ".localhost"
	resp, err := b.client.Do(req)
	if err != nil {
		return ""
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(resp.Body, 4096))
	return string(body)
}

// push changes one line, commits (not timed) and pushes (timed).
func (b *bench) push(ctx context.Context, version string) (sample, error) {
	text := strings.ReplaceAll(files["main.go"], "VERSION", version)
	if err := os.WriteFile(filepath.Join(b.dir, "main.go"), []byte(text), 0o644); err != nil {
		return sample{}, err
	}
	for _, args := range [][]string{{"add", "--", "main.go", "go.mod", "Dockerfile"}, {"commit", "-q", "-m", version}} {
		if err := b.exec(ctx, b.dir, "git", args...); err != nil {
			return sample{}, err
		}
	}
	return b.timed(ctx, version+" ", b.dir, "git", "push", "-q", "paas", "main")
}

func (b *bench) pushes(ctx context.Context, r *result) error {
	fmt.Printf("-----> %d pushes of a one-line change\n", b.rounds)
	for n := range b.rounds {
		s, err := b.push(ctx, fmt.Sprint("push-", os.Getpid(), "-", n))
		if err != nil {
			return err
		}
		r.pushes = append(r.pushes, s.live)
		r.pushDone = append(r.pushDone, s.done)
		if err := b.stages(ctx, s, r); err != nil {
			return err
		}
		d, err := b.yardstick(ctx, n)
		if err != nil {
			return err
		}
		r.goBuilds = append(r.goBuilds, d)
	}
	return nil
}

// yardstick compiles the same change with the machine's own go, so that figures
// from machines (and moments) of different speed can be compared.
func (b *bench) yardstick(ctx context.Context, n int) (time.Duration, error) {
	dir := filepath.Join(b.dir, "yardstick")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return 0, err
	}
	for name, text := range map[string]string{"go.mod": files["go.mod"],
		"main.go": strings.ReplaceAll(files["main.go"], "VERSION", fmt.Sprint("y-", os.Getpid(), "-", n))} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return 0, err
		}
	}
	began := time.Now()
	cmd := exec.CommandContext(ctx, "go", "build", "-ldflags=-s -w", "-o", filepath.Join(dir, "app"), ".")
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-buildvcs=false")
	if out, err := cmd.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("go build: %w\n%s", err, out)
	}
	return time.Since(began), nil
}

// rollbacks goes to and fro between the last two pushes.
func (b *bench) rollbacks(ctx context.Context, r *result) error {
	fmt.Printf("-----> %d rollbacks\n", b.rounds)
	for n := range b.rounds {
		want := fmt.Sprint("push-", os.Getpid(), "-", b.rounds-2+n%2, " ")
		s, err := b.timed(ctx, want, "", b.paas, "rollback")
		if err != nil {
			return err
		}
		r.rollbacks = append(r.rollbacks, s.live)
	}
	return nil
}

func (b *bench) configs(ctx context.Context, r *result) error {
	fmt.Printf("-----> %d changes of config\n", b.rounds)
	version, _, _ := strings.Cut(b.ask(ctx), " ")
	for n := range b.rounds {
		s, err := b.timed(ctx, fmt.Sprintf("%s g%d", version, n), "", b.paas, "config:set", fmt.Sprintf("GREETING=g%d", n))
		if err != nil {
			return err
		}
		r.configs = append(r.configs, s.live)
	}
	return nil
}

// rss is the resident memory of the server itself, in MB.
func (b *bench) rss() (float64, error) {
	pid, err := os.ReadFile(filepath.Join(b.data, "lock"))
	if err != nil {
		return 0, fmt.Errorf("no paas runs on %s (try make up): %w", b.data, err)
	}
	status, err := os.ReadFile(filepath.Join("/proc", strings.TrimSpace(string(pid)), "status"))
	if err != nil {
		return 0, fmt.Errorf("no paas runs on %s (try make up): %w", b.data, err)
	}
	var kb float64
	for line := range strings.SplitSeq(string(status), "\n") {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			_, err = fmt.Sscanf(rest, "%f", &kb)
		}
	}
	return kb / 1024, err
}

func (b *bench) versions(ctx context.Context) map[string]string {
	v := map[string]string{}
	for name, args := range map[string][]string{
		"paas": {b.paas, "version"}, "git": {"git", "--version"}, "go": {"go", "version"}, "runc": {"runc", "--version"},
		"docker": {"docker", "version", "--format", "{{.Server.Version}}"}, "buildkitd": {"bin/buildkitd", "--version"},
	} {
		out, err := exec.CommandContext(ctx, args[0], args[1:]...).Output()
		if err == nil {
			v[name], _, _ = strings.Cut(strings.TrimSpace(string(out)), "\n")
		}
	}
	return v
}

var errNoEvents = errors.New("the deploy's events are incomplete")

type event struct {
	Kind   string    `json:"kind"`
	Deploy string    `json:"deploy_id"`
	At     time.Time `json:"created_at"`
}

// stages splits one push by the platform's own events.
func (b *bench) stages(ctx context.Context, s sample, r *result) error {
	cmd := exec.CommandContext(ctx, b.paas, "events", "-n", "40", "--json")
	cmd.Env = b.env
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("paas events: %w", err)
	}
	var events []event
	if err := json.Unmarshal(out, &events); err != nil {
		return err
	}
	at := map[string]time.Time{}
	for _, e := range events { // newest first: the earliest of this push wins
		if e.At.After(s.began) {
			at[e.Kind] = e.At
		}
	}
	last := s.began
	for _, st := range []struct{ name, kind string }{
		{"git: ssh, pack, check", "deploy.queued"}, {"queue", "build.started"}, {"build and push of the image", "build.succeeded"},
		{"release", "release.created"}, {"place, pull, create, start", "instance.starting"}, {"probe until healthy", "instance.up"},
	} {
		t, ok := at[st.kind]
		if !ok {
			return fmt.Errorf("%w: no %s", errNoEvents, st.kind)
		}
		r.stage(st.name, t.Sub(last))
		last = t
	}
	r.stage("switch, first answer", s.began.Add(s.live).Sub(last))
	return nil
}
