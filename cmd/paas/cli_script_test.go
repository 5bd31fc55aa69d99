package main

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/crypto/ssh"

	"paas/server"
	"paas/server/api"
	"paas/server/httpd"
	"paas/server/httpd/httpdtest"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"paas":     main,
		"xdg-open": func() { fmt.Println("browser sees", os.Args[1:]) },
	})
}

// The client's commands, with the real binary, git and ssh, against the real
// API in front of a platform in memory.
func TestScripts(t *testing.T) {
	type fakeKey struct{}
	platform := func(ts *testscript.TestScript) *httpdtest.Fake { return ts.Value(fakeKey{}).(*httpdtest.Fake) }
	testscript.Run(t, testscript.Params{
		Dir: "testdata/cli",
		Setup: func(e *testscript.Env) error {
			fake := httpdtest.New()
			e.Values[fakeKey{}] = fake
			return setUp(e, fake)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"push": func(ts *testscript.TestScript, _ bool, args []string) { platform(ts).Push(args[0], args[1]) },
			"say": func(ts *testscript.TestScript, _ bool, args []string) {
				text := strings.ReplaceAll(strings.Join(args[3:], " "), "ESC", "\x1b")
				platform(ts).Say(args[0], args[1], args[2], text)
			},
			"failing": func(ts *testscript.TestScript, _ bool, args []string) { platform(ts).Fail(strings.Join(args, " ")) },
			"waiting": func(ts *testscript.TestScript, _ bool, args []string) { platform(ts).Wait(args[0], args[1], args[2]) },
			"host": func(ts *testscript.TestScript, _ bool, args []string) {
				platform(ts).SetHost(args[0], func(h *server.HostRow) {
					h.State, h.Note, h.LostAt, h.SeenAt = server.HostState(args[1]), args[2], time.Now(), time.Now()
					if h.Note != "" {
						h.SeenAt = time.Now().Add(-time.Minute)
					}
					h.Dynos = []server.HostDyno{{App: "shop", Type: "web", Ordinal: 2, State: "up", Release: 2, Size: "Standard-1X"}}
				})
			},
			"pinned": func(ts *testscript.TestScript, _ bool, args []string) {
				platform(ts).SetHost(args[0], func(h *server.HostRow) {
					h.Dynos = append(h.Dynos, server.HostDyno{App: "blog", Type: "web", Ordinal: 1, State: "up", Volume: "uploads"})
				})
			},
			"boot": func(ts *testscript.TestScript, _ bool, args []string) {
				platform(ts).SetHost(args[0], func(h *server.HostRow) { h.Boot = args[1] })
			},
			"await": func(ts *testscript.TestScript, _ bool, args []string) {
				for end := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) { // another program changes it
					found := false
					platform(ts).SetHost(args[0], func(h *server.HostRow) { found = string(h.State) == args[1] })
					if found {
						return
					}
					if time.Now().After(end) {
						ts.Fatalf("%s is not %s", args[0], args[1])
					}
				}
			},
			"finding": func(ts *testscript.TestScript, _ bool, args []string) {
				platform(ts).SetHost(args[0], func(h *server.HostRow) {
					h.Findings = append(h.Findings, server.Finding{Check: args[1], Status: "warn", Found: args[2], Cause: args[3]})
				})
			},
			"router": func(ts *testscript.TestScript, _ bool, args []string) {
				platform(ts).SetRouter(args[0], func(r *server.RouterRow) {
					r.State, r.Note, r.Table, r.Busy = server.RouterState(args[1]), args[2], 11, 3
				})
			},
			"broken": func(ts *testscript.TestScript, _ bool, args []string) { platform(ts).Break(errors.New(args[0])) },
			"mode": func(ts *testscript.TestScript, _ bool, args []string) {
				info, err := os.Stat(ts.MkAbs(args[1]))
				ts.Check(err)
				if got := fmt.Sprintf("%o", info.Mode().Perm()); got != args[0] {
					ts.Fatalf("%s has mode %s, want %s", args[1], got, args[0])
				}
			},
		},
	})
}

func setUp(e *testscript.Env, fake *httpdtest.Fake) error {
	const host = "127.0.0.1"
	key, err := writeKey(filepath.Join(e.WorkDir, "id"))
	if err != nil {
		return err
	}
	sshListener, err := net.Listen("tcp", host+":0")
	if err != nil {
		return err
	}
	sshAddr := sshListener.Addr().String()
	srv, err := httpd.New(httpd.Config{
		Addr:         host + ":0",
		SocketPath:   filepath.Join(e.WorkDir, "s"),
		WebURL:       func(app string) string { return "http://" + app + ".example.com/" },
		DashboardURL: "https://paas.example.com",
		GitURL:       func(app string) string { return "ssh://paas@" + sshAddr + "/" + app + ".git" },
		Version:      api.Version{Version: "9.9.9", OS: "linux", Arch: "amd64", Go: "go1"},
	}, fake, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = srv.Run(ctx) })
	running.Go(func() { serveLogin(ctx, sshListener, key, "http://"+srv.Addr().String()) })
	e.Defer(func() {
		cancel()
		sshListener.Close()
		running.Wait()
	})
	home := filepath.Join(e.WorkDir, "home")
	e.Setenv("HOME", home)
	e.Setenv("XDG_CONFIG_HOME", filepath.Join(home, "xdg"))
	e.Setenv("GIT_CONFIG_NOSYSTEM", "1")
	e.Setenv("SSH", sshAddr)
	e.Setenv("SSHBYNAME", strings.Replace(sshAddr, host, "localhost", 1))
	e.Setenv("URL", "http://"+srv.Addr().String())
	e.Setenv("TOKEN", httpdtest.Token)
	e.Setenv("ADMIN", httpdtest.AdminToken)
	e.Setenv("TZ", "UTC")
	e.Setenv("NL", "\n")
	return os.MkdirAll(filepath.Join(home, ".ssh"), 0o700)
}

func writeKey(path string) (ssh.PublicKey, error) {
	pub, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	block, err := ssh.MarshalPrivateKey(private, "test")
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
		return nil, err
	}
	return ssh.NewPublicKey(pub)
}

// serveLogin is as much of an SSH server as "login" needs.
func serveLogin(ctx context.Context, l net.Listener, key ssh.PublicKey, url string) {
	_, hostKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		panic(err)
	}
	signer, err := ssh.NewSignerFromKey(hostKey)
	if err != nil {
		panic(err)
	}
	cfg := &ssh.ServerConfig{PublicKeyCallback: func(c ssh.ConnMetadata, k ssh.PublicKey) (*ssh.Permissions, error) {
		if c.User() != "paas" || string(k.Marshal()) != string(key.Marshal()) {
			return nil, errors.New("unknown key")
		}
		return &ssh.Permissions{}, nil
	}}
	cfg.AddHostKey(signer)
	var conns sync.WaitGroup
	defer conns.Wait()
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		conns.Go(func() {
			defer context.AfterFunc(ctx, func() { c.Close() })()
			defer c.Close()
			answerLogin(c, cfg, url)
		})
	}
}

func answerLogin(c net.Conn, cfg *ssh.ServerConfig, url string) {
	_, channels, requests, err := ssh.NewServerConn(c, cfg)
	if err != nil {
		return
	}
	go ssh.DiscardRequests(requests)
	for ch := range channels {
		session, requests, err := ch.Accept()
		if err != nil {
			return
		}
		for r := range requests {
			if r.Type != "exec" {
				r.Reply(false, nil)
				continue
			}
			r.Reply(true, nil)
			status := uint32(1)
			if string(r.Payload[4:]) == "login" {
				b, _ := json.Marshal(api.Login{
					URL: url, Token: httpdtest.Token, Email: "ann@example.com",
					ExpiresAt: time.Date(2099, 1, 2, 12, 0, 0, 0, time.UTC),
				})
				session.Write(append(b, '\n'))
				status = 0
			}
			session.SendRequest("exit-status", false, ssh.Marshal(struct{ Status uint32 }{status}))
			session.Close()
		}
	}
}

// A tail is ended by Ctrl-C, and that is no failure; a follower who leaves is
// told that the deploy goes on.
func TestInterrupted(t *testing.T) {
	fake := httpdtest.New()
	fake.Hold = make(chan struct{})
	srv, err := httpd.New(httpd.Config{
		Addr:   "127.0.0.1:0",
		WebURL: func(string) string { return "http://x/" }, GitURL: func(string) string { return "ssh://paas@x/x.git" },
	}, fake, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	stop, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = srv.Run(stop) })
	defer running.Wait()
	defer cancel()
	env := []string{"PAAS_URL=http://" + srv.Addr().String(), "PAAS_TOKEN=" + httpdtest.Token, "PAAS_APP=shop", "HOME=" + t.TempDir()}
	if code := run(t.Context(), []string{"apps:create", "shop", "--no-remote"}, strings.NewReader(""), io.Discard, io.Discard, env); code != 0 {
		t.Fatalf("apps:create: %d", code)
	}
	fake.Say("shop", "app", "web.1", "hello")

	out := &trigger{text: "hello", hit: make(chan struct{})}
	if code := interrupted(t, out, env, "logs", "--tail"); code != 0 {
		t.Errorf("logs --tail: %d", code)
	}
	out = &trigger{text: "Setting A", hit: make(chan struct{})}
	if code := interrupted(t, out, env, "config:set", "A=1"); code != 1 {
		t.Errorf("config:set: %d", code)
	}
	if got := out.String(); !strings.Contains(got, "The deploy goes on without you.") && !strings.Contains(got, "Interrupted") {
		t.Errorf("config:set said %q", got)
	}
}

func interrupted(t *testing.T, out *trigger, env []string, args ...string) int {
	t.Helper()
	ctx, interrupt := context.WithTimeout(t.Context(), 20*time.Second)
	defer interrupt()
	code := make(chan int, 1)
	go func() { code <- run(ctx, args, strings.NewReader(""), out, out, env) }()
	select {
	case <-out.hit:
	case <-ctx.Done():
		t.Errorf("%v printed %q only", args, out.String())
	}
	interrupt()
	return <-code
}

// trigger tells when a text has been written.
type trigger struct {
	text string
	hit  chan struct{}
	mu   sync.Mutex
	all  string
}

func (w *trigger) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	before := strings.Contains(w.all, w.text)
	w.all += string(p)
	if !before && strings.Contains(w.all, w.text) {
		close(w.hit)
	}
	return len(p), nil
}

func (w *trigger) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.all
}
