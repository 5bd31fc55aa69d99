package gitd

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	gossh "golang.org/x/crypto/ssh"

	"paas/server"
)

const (
	testApp   = "11111111-2222-3333-4444-555555555555"
	secretApp = "99999999-2222-3333-4444-555555555555"
)

// platform is a Pusher that deploys by moving the branch.
type platform struct {
	repos *Repos

	mu     sync.Mutex
	owners map[string]Identity // by authorized_keys form
	apps   map[string]string   // name to id
	ready  error
	lookup error
	pushes []Push
	onPush func(ctx context.Context, p Push, out io.Writer) error
	onRun  func(ctx context.Context, by Identity, c Command) int
}

func (p *platform) KeyOwner(_ context.Context, key string) (Identity, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.lookup != nil {
		return Identity{}, p.lookup
	}
	if id, ok := p.owners[key]; ok {
		return id, nil
	}
	return Identity{}, server.Errorf(server.ErrNotFound, "no such key")
}

func (p *platform) Authorize(_ context.Context, by Identity, app string, _ bool) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	id, ok := p.apps[app]
	if !ok || app == "secret" && by.AccountID != "victim" {
		return "", server.Errorf(server.ErrNotFound, "There is no app %q.", app)
	}
	return id, nil
}

func (p *platform) Ready(context.Context, string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ready
}

func (p *platform) Push(ctx context.Context, push Push, out io.Writer) error {
	p.mu.Lock()
	p.pushes = append(p.pushes, push)
	hook := p.onPush
	p.mu.Unlock()
	if hook != nil {
		if err := hook(ctx, push, out); err != nil {
			return err
		}
	}
	fmt.Fprintf(out, "-----> deployed %.8s\n", push.New)
	return p.repos.Follow(context.WithoutCancel(ctx), push.AppID, push.Ref, push.Old, push.New)
}

func (p *platform) Login(_ context.Context, by Identity) (any, error) {
	return map[string]string{"token": "t-" + by.AccountID, "email": by.Email}, nil
}

func (p *platform) Command(ctx context.Context, by Identity, c Command) int {
	p.mu.Lock()
	run := p.onRun
	p.mu.Unlock()
	if run == nil {
		fmt.Fprintf(c.Err, "no command %s", c.Words)
		return 2
	}
	return run(ctx, by, c)
}

func (p *platform) set(f func(p *platform)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f(p)
}

func (p *platform) hook(f func(ctx context.Context, p Push, out io.Writer) error) {
	p.set(func(p *platform) { p.onPush = f })
}

func (p *platform) seen() []Push {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]Push(nil), p.pushes...)
}

// bench is a running server with a user called dev and an app called app.
type bench struct {
	t        *testing.T
	dir      string
	repos    *Repos
	kept     *shelf
	server   *Server
	platform *platform
	logs     *syncBuffer
	stop     func()
}

func newBench(t *testing.T, change ...func(*Config)) *bench {
	t.Helper()
	b := &bench{t: t, dir: t.TempDir(), logs: &syncBuffer{}, kept: newShelf(t)}
	log := slog.New(slog.NewTextHandler(b.logs, &slog.HandlerOptions{Level: slog.LevelDebug}))
	var err error
	if b.repos, err = NewRepos(filepath.Join(b.dir, "repos"), b.kept, Options{Log: log}); err != nil {
		t.Fatal(err)
	}
	b.platform = &platform{repos: b.repos, owners: map[string]Identity{},
		apps: map[string]string{"app": testApp, "secret": secretApp}}
	for _, id := range b.platform.apps {
		b.kept.app(id)
		if _, err := b.repos.ready(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	cfg := Config{Addr: "127.0.0.1:0", HostKey: hostKeyOf(t), KeepAlive: 200 * time.Millisecond}
	for _, c := range change {
		c(&cfg)
	}
	if b.server, err = New(cfg, b.repos, b.platform, log); err != nil {
		t.Fatal(err)
	}
	known := fmt.Sprintf("[127.0.0.1]:%s %s\n", b.port(), b.server.HostKey())
	b.write("known_hosts", known)
	b.newKey("dev", "dev")
	b.write("gitconfig", "[user]\n\tname = Dev\n\temail = dev@example.com\n[init]\n\tdefaultBranch = main\n[protocol \"file\"]\n\tallow = always\n")
	b.run()
	return b
}

func (b *bench) run() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 2)
	go func() { done <- b.server.Run(ctx) }()
	go func() { done <- b.repos.Run(ctx) }()
	var once sync.Once
	b.stop = func() {
		once.Do(func() {
			cancel()
			for range 2 {
				if err := <-done; err != nil {
					b.t.Errorf("Run: %v", err)
				}
			}
		})
	}
	b.t.Cleanup(b.stop)
}

func (b *bench) port() string {
	_, port, err := net.SplitHostPort(b.server.Addr().String())
	if err != nil {
		b.t.Fatal(err)
	}
	return port
}

func (b *bench) write(name, text string) string {
	b.t.Helper()
	path := filepath.Join(b.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		b.t.Fatal(err)
	}
	return path
}

// newKey makes a key pair in the file name; the platform knows it as account,
// unless that is empty.
func (b *bench) newKey(name, account string) gossh.Signer {
	b.t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		b.t.Fatal(err)
	}
	block, err := gossh.MarshalPrivateKey(key, "")
	if err != nil {
		b.t.Fatal(err)
	}
	b.write(name, string(pem.EncodeToMemory(block)))
	signer, err := gossh.NewSignerFromKey(key)
	if err != nil {
		b.t.Fatal(err)
	}
	if account != "" {
		b.own(signer.PublicKey(), account)
	}
	return signer
}

func (b *bench) own(key gossh.PublicKey, account string) {
	line := strings.TrimSpace(string(gossh.MarshalAuthorizedKey(key)))
	b.platform.set(func(p *platform) {
		p.owners[line] = Identity{AccountID: account, Email: account + "@example.com"}
	})
}

func (b *bench) sshArgs(key string) []string {
	return []string{"-F", "/dev/null", "-p", b.port(), "-i", filepath.Join(b.dir, key), "-o", "IdentitiesOnly=yes",
		"-o", "IdentityAgent=none", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes",
		"-o", "UserKnownHostsFile=" + filepath.Join(b.dir, "known_hosts"), "-o", "GlobalKnownHostsFile=/dev/null"}
}

// command prepares git as a developer runs it.
func (b *bench) command(dir string, args ...string) *exec.Cmd {
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Minute)
	b.t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir = dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + b.dir, "LC_ALL=C", "GIT_CONFIG_NOSYSTEM=1",
		"GIT_CONFIG_GLOBAL=" + filepath.Join(b.dir, "gitconfig"), "GIT_TERMINAL_PROMPT=0",
		"GIT_SSH_COMMAND=ssh " + strings.Join(b.sshArgs("dev"), " ")}
	return cmd
}

// try runs git and gives what it printed.
func (b *bench) try(dir string, args ...string) (string, error) {
	out, err := b.command(dir, args...).CombinedOutput()
	return string(out), err
}

func (b *bench) git(dir string, args ...string) string {
	b.t.Helper()
	out, err := b.try(dir, args...)
	if err != nil {
		b.t.Fatalf("git %s: %v\n%s\nserver log:\n%s", strings.Join(args, " "), err, out, b.logs)
	}
	return strings.TrimSpace(out)
}

func (b *bench) url(app string) string {
	return "ssh://paas@127.0.0.1:" + b.port() + "/" + app + ".git"
}

// work makes a repository with one commit and the remote paas.
func (b *bench) work(name string) string {
	b.t.Helper()
	dir := filepath.Join(b.dir, name)
	b.git(b.dir, "init", "-q", dir)
	b.git(dir, "remote", "add", "paas", b.url("app"))
	b.commit(dir, "README", "hello\n")
	return dir
}

// commit writes a file, commits it and gives the commit's id.
func (b *bench) commit(dir, file, text string) string {
	b.t.Helper()
	if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, file)), 0o755); err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o644); err != nil {
		b.t.Fatal(err)
	}
	b.git(dir, "add", "--", file)
	b.git(dir, "commit", "-q", "-m", "change "+file)
	return b.git(dir, "rev-parse", "HEAD")
}

func (b *bench) wantRef(ref, want string) {
	b.t.Helper()
	path, err := b.repos.repo(testApp)
	if err != nil {
		b.t.Fatal(err)
	}
	got, err := readRef(path, ref)
	if err != nil || got != want {
		b.t.Errorf("%s stands at %s, %v; want %s", ref, got, err, want)
	}
}

// wantClean checks that nothing of a push is left but what migrated.
func (b *bench) wantClean(packs int) {
	b.t.Helper()
	path, err := b.repos.repo(testApp)
	if err != nil {
		b.t.Fatal(err)
	}
	b.eventually("the quarantine is empty", func() bool {
		left, err := os.ReadDir(filepath.Join(path, quarantineDir))
		return err == nil && len(left) == 0
	})
	if got := b.repos.packs(path); got != packs {
		b.t.Errorf("%d packs in the repository, want %d", got, packs)
	}
}

func (b *bench) eventually(what string, f func() bool) {
	b.t.Helper()
	deadline := time.Now().Add(60 * time.Second)
	for !f() {
		if time.Now().After(deadline) {
			b.t.Fatalf("never: %s\nserver log:\n%s", what, b.logs)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func wantIn(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if !strings.Contains(text, p) {
			t.Errorf("%q is missing in:\n%s", p, text)
		}
	}
}

// dial connects with a Go client, for what stock ssh would never do.
func (b *bench) dial(signer gossh.Signer) *gossh.Client {
	b.t.Helper()
	c, err := gossh.Dial("tcp", b.server.Addr().String(), &gossh.ClientConfig{
		User: "paas", Auth: []gossh.AuthMethod{gossh.PublicKeys(signer)},
		HostKeyCallback: gossh.InsecureIgnoreHostKey(), //nolint:gosec // our own server
	})
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { c.Close() })
	return c
}

// syncBuffer is a log that may be read while it is written.
type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.String()
}

func mustHex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
