package e2e

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"paas/cmd/paas/platformtest"
)

// collectorHost is the only address of this machine that drains may send to.
const collectorHost = "127.0.0.2"

// logCmds are the script commands about logs and drains.
func logCmds(p *platform) map[string]func(ts *testscript.TestScript, neg bool, args []string) {
	return map[string]func(ts *testscript.TestScript, neg bool, args []string){
		"collector": func(ts *testscript.TestScript, _ bool, _ []string) { cmdCollector(ts) },
		"collected": func(ts *testscript.TestScript, neg bool, args []string) { cmdCollected(ts, neg, args) },
		"searched":  func(ts *testscript.TestScript, _ bool, args []string) { cmdSearched(ts, args) },
		"prompt":    func(ts *testscript.TestScript, _ bool, args []string) { cmdPrompt(ts, p, args) },
	}
}

// sink is a syslog collector that keeps what it gets.
type sink struct {
	l  net.Listener
	wg sync.WaitGroup

	mu    sync.Mutex
	conns []net.Conn
	text  strings.Builder
}

func newSink() (*sink, error) {
	l, err := net.Listen("tcp", collectorHost+":0")
	if err != nil {
		return nil, err
	}
	s := &sink{l: l}
	s.wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			s.mu.Lock()
			s.conns = append(s.conns, conn)
			s.mu.Unlock()
			s.wg.Go(func() { s.read(conn) })
		}
	})
	return s, nil
}

func (s *sink) read(conn net.Conn) {
	r := bufio.NewReader(conn)
	for {
		head, err := r.ReadString(' ')
		n, bad := strconv.Atoi(strings.TrimSpace(head))
		if err != nil || bad != nil {
			return
		}
		b := make([]byte, n)
		if _, err := io.ReadFull(r, b); err != nil {
			return
		}
		s.mu.Lock()
		s.text.Write(b)
		s.mu.Unlock()
	}
}

func (s *sink) got() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

func (s *sink) close() {
	s.l.Close()
	s.mu.Lock()
	for _, c := range s.conns {
		c.Close()
	}
	s.mu.Unlock()
	s.wg.Wait()
}

// cmdCollector starts a collector; $DRAIN is its URL.
func cmdCollector(ts *testscript.TestScript) {
	s, err := newSink()
	ts.Check(err)
	ts.Defer(s.close)
	ts.Setenv("DRAIN", "syslog://"+s.l.Addr().String())
	ts.Setenv("DRAINPORT", fmt.Sprint(s.l.Addr().(*net.TCPAddr).Port))
	sinks.Store(ts, s)
}

// sinks are the collectors by the script that started them.
var sinks sync.Map

// cmdCollected waits until the collector has what matches; with !, it wants
// that it has it not: REGEXP.
func cmdCollected(ts *testscript.TestScript, neg bool, args []string) {
	v, _ := sinks.Load(ts)
	s, re := v.(*sink), regexp.MustCompile("(?m)"+args[0])
	if neg {
		if re.MatchString(s.got()) {
			ts.Fatalf("collected what matches %s:\n%s", args[0], s.got())
		}
		return
	}
	for deadline := time.Now().Add(60 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if re.MatchString(s.got()) {
			return
		}
	}
	ts.Fatalf("nothing collected matches %s:\n%s", args[0], s.got())
}

// cmdSearched searches an app's log until an expression is found: APP REGEXP.
func cmdSearched(ts *testscript.TestScript, args []string) {
	var out []byte
	for deadline := time.Now().Add(60 * time.Second); time.Now().Before(deadline); {
		cmd := exec.Command(built.Paas, "logs", "-n", "1", "--regex", args[1], "-a", args[0])
		cmd.Env = append(os.Environ(), "HOME="+ts.Getenv("HOME"), "XDG_CONFIG_HOME="+ts.Getenv("XDG_CONFIG_HOME"))
		if out, _ = cmd.CombinedOutput(); regexp.MustCompile(args[1]).Match(out) {
			ts.Logf("found: %s", out)
			return
		}
	}
	ts.Fatalf("no line of %s matches %s: %s", args[0], args[1], out)
}

// cmdPrompt follows an app's log and wants each request's line in it within a
// time: APP DURATION.
func cmdPrompt(ts *testscript.TestScript, p *platform, args []string) {
	limit, err := time.ParseDuration(args[1])
	ts.Check(err)
	f, err := p.follow(args[0])
	ts.Check(err)
	defer f.stop()
	var worst time.Duration
	for n := range 20 {
		path := fmt.Sprintf("/prompt-%d", n)
		began := time.Now()
		if code, _, err := p.get(args[0], path); err != nil || code != 200 {
			ts.Fatalf("%s answers %d, %v", args[0], code, err)
		}
		if err := f.until(`path="` + path + `"`); err != nil {
			ts.Fatalf("%v", err)
		}
		worst = max(worst, time.Since(began))
	}
	ts.Logf("slowest of 20 lines, with its request: %s", worst)
	if worst > limit {
		ts.Fatalf("a line took %s, want less than %s", worst, limit)
	}
}

// follower is one `paas logs --tail`.
type follower struct {
	cmd  *exec.Cmd
	done chan struct{}

	mu   sync.Mutex
	text strings.Builder
	wake chan struct{}
}

// follow starts one as the operator and waits until it follows.
func (p *platform) follow(app string) (*follower, error) {
	f := &follower{done: make(chan struct{}), wake: make(chan struct{}, 1)}
	f.cmd = exec.Command(built.Paas, "logs", "--tail", "-n", "1", "-a", app, "--server", "unix://"+filepath.Join(p.data, "run", "paas.sock"))
	f.cmd.Env = append(os.Environ(), "HOME="+built.Dir)
	f.cmd.Stdout = f
	if err := f.cmd.Start(); err != nil {
		return nil, err
	}
	go func() { _ = f.cmd.Wait(); close(f.done) }()
	return f, f.until("") // the newest line there is
}

func (f *follower) Write(b []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	select {
	case f.wake <- struct{}{}:
	default:
	}
	return f.text.Write(b)
}

func (f *follower) got() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.text.String()
}

// until waits for a line with text.
func (f *follower) until(text string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	for got := f.got(); got == "" || !strings.Contains(got, text); got = f.got() {
		select {
		case <-f.wake:
		case <-f.done:
			return fmt.Errorf("the tail ended without a line with %q:\n%s", text, f.got())
		case <-ctx.Done():
			return fmt.Errorf("no line with %q came:\n%s", text, platformtest.Tail(f.got(), 30))
		}
	}
	return nil
}

func (f *follower) stop() {
	_ = f.cmd.Process.Signal(os.Interrupt)
	<-f.done
}

// TestLogsSurviveARestart: the lines of before are there, who follows goes on
// following without losing or doubling one, and a drain too.
func TestLogsSurviveARestart(t *testing.T) {
	p := newPlatform(filepath.Join(built.Dir, "logs"))
	if err := p.start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.destroy)
	p.newApp(t, "logs-stay").push("one")
	s, err := newSink()
	platformtest.Must(err)
	defer s.close()
	p.mustPaas(t, "drains:add", "syslog://"+s.l.Addr().String(), "-a", "logs-stay")
	f, err := p.follow("logs-stay")
	if err != nil {
		t.Fatal(err)
	}
	defer f.stop()
	say := func(path string) {
		t.Helper()
		if code, _, err := p.get("logs-stay", path); err != nil || code != 200 {
			t.Fatalf("%d, %v", code, err)
		}
		if err := f.until(`path="` + path + `"`); err != nil {
			t.Fatal(err)
		}
		if err := p.Until(60*time.Second, "draining", func() bool { return strings.Contains(s.got(), `path="`+path+`"`) }); err != nil {
			t.Fatal(err)
		}
	}
	say("/before")
	p.terminate()
	if err := p.start(); err != nil {
		t.Fatal(err)
	}
	say("/after")
	all := p.mustPaas(t, "logs", "-n", "1500", "-a", "logs-stay")
	for what, text := range map[string]string{"log": all, "tail": f.got(), "drain": s.got()} {
		for _, path := range []string{"/before", "/after"} {
			if n := strings.Count(text, `path="`+path+`"`); n != 1 {
				t.Errorf("%s is %d times in the %s:\n%s", path, n, what, text)
			}
		}
	}
	contains(t, all, "app one in mode serve", "app[api]: Release v2 created")
	if n := strings.Count(all, "app one in mode serve"); n != 1 {
		t.Errorf("the app's line is there %d times", n)
	}
}
