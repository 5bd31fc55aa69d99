package e2e

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/rogpeppe/go-internal/testscript"

	"paas/cmd/paas/platformtest"
)

// terminalCmds are the script commands about runs and SSH.
func terminalCmds(p *platform) map[string]func(ts *testscript.TestScript, neg bool, args []string) {
	return map[string]func(ts *testscript.TestScript, neg bool, args []string){
		"exits": func(ts *testscript.TestScript, _ bool, args []string) { cmdExits(ts, args) },
		"ssh":   func(ts *testscript.TestScript, neg bool, args []string) { cmdSSH(ts, p, neg, args) },
	}
}

// cmdExits runs paas and wants an exit status: N ARGS…
func cmdExits(ts *testscript.TestScript, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(built.Paas, args[1:]...)
	if got := exitCode(err); err == nil && want != 0 || err != nil && got != want {
		ts.Fatalf("paas %s: %v, want exit status %d", strings.Join(args[1:], " "), err, want)
	}
}

// sshArgs are the arguments of the stock client for the platform's user.
func (p *platform) sshArgs() []string {
	host, port, _ := net.SplitHostPort(p.ssh)
	return append(built.SSHFlags(), "-p", port, "paas@"+host)
}

// cmdSSH gives a command line over SSH, as one word or several.
func cmdSSH(ts *testscript.TestScript, p *platform, neg bool, args []string) {
	err := ts.Exec("ssh", append(p.sshArgs(), args...)...)
	if err != nil && !neg {
		ts.Fatalf("ssh %s: %v", strings.Join(args, " "), err)
	}
	if err == nil && neg {
		ts.Fatalf("ssh %s went through", strings.Join(args, " "))
	}
}

// person is somebody at a terminal.
type person struct {
	t    *testing.T
	cmd  *exec.Cmd
	tty  *os.File
	mu   sync.Mutex
	seen bytes.Buffer
	read chan struct{} // closed when the terminal has ended
}

// sitDown starts a program in a terminal of 30 rows and 100 columns.
func sitDown(t *testing.T, name string, args ...string) *person {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), "HOME="+built.Dir, "TERM=xterm")
	tty, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 30, Cols: 100})
	if err != nil {
		t.Fatal(err)
	}
	p := &person{t: t, cmd: cmd, tty: tty, read: make(chan struct{})}
	go func() {
		defer close(p.read)
		b := make([]byte, 4096)
		for {
			n, err := tty.Read(b)
			p.mu.Lock()
			p.seen.Write(b[:n])
			p.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		tty.Close()
		<-p.read
	})
	return p
}

func (p *person) screen() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.seen.String()
}

// sees waits until something is on the screen.
func (p *person) sees(text string) {
	p.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !strings.Contains(p.screen(), text); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			p.t.Fatalf("%q is not on the screen:\n%q", text, p.screen())
		}
	}
}

func (p *person) types(keys string) {
	p.t.Helper()
	if _, err := p.tty.WriteString(keys); err != nil {
		p.t.Fatal(err)
	}
}

// ends waits for the program and gives its exit status.
func (p *person) ends() int {
	p.t.Helper()
	done := make(chan error, 1)
	go func() { done <- p.cmd.Wait() }()
	select {
	case <-done:
		return p.cmd.ProcessState.ExitCode()
	case <-time.After(30 * time.Second):
		p.t.Fatalf("it does not end; the screen:\n%q", p.screen())
	}
	return -1
}

// terminalApp is an app whose tools the tests here use.
func terminalApp(t *testing.T, name string) (*platform, *repo) {
	t.Helper()
	p := shared.get(t)
	r := p.newApp(t, name)
	r.push("v1")
	return p, r
}

func (p *platform) cli(args ...string) []string {
	return append([]string{"--server", "unix://" + filepath.Join(p.data, "run", "paas.sock")}, args...)
}

// gone waits until no container of a one-off of the app is left.
func gone(t *testing.T, p *platform, app, name string) {
	t.Helper()
	id, err := os.ReadFile(filepath.Join(p.data, "cluster-id"))
	platformtest.Must(err)
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		out, err := exec.Command("docker", "ps", "-a", "--format", "{{.Names}} {{.Status}}", "--filter", "label=paas.cluster="+strings.TrimSpace(string(id)),
			"--filter", "label=paas.app="+app, "--filter", "label=paas.name="+name).Output()
		platformtest.Must(err)
		if len(bytes.TrimSpace(out)) == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s of %s is still there: %s", name, app, out)
		}
	}
}

// A terminal has the size of the person's, follows it, passes Ctrl-C on to the
// process, and is as before when the process has ended with its exit status.
func TestTerminalRun(t *testing.T) {
	p, r := terminalApp(t, "terms-tty")
	for name, start := range map[string]func(line ...string) *person{
		"cli": func(line ...string) *person { return sitDown(t, built.Paas, p.cli(line...)...) },
		"ssh": func(line ...string) *person {
			return sitDown(t, "ssh", append(append([]string{"-t"}, p.sshArgs()...), strings.Join(line, " "))...)
		},
	} {
		me := start("run", "-x", "-a", r.app, "--", "/app", "-mode", "tty")
		me.sees("up, run.")
		me.sees("tty 30x100\r\n")
		platformtest.Must(pty.Setsize(me.tty, &pty.Winsize{Rows: 40, Cols: 120}))
		me.sees("tty 40x120\r\n")
		me.types("\x03")
		me.sees("interrupted\r\n")
		me.types("hello\r")
		me.sees("you said hello\r\n")
		me.types("bye\r")
		if code := me.ends(); code != 3 {
			t.Errorf("%s: exit status %d, want 3:\n%s", name, code, me.screen())
		}
		run := regexp.MustCompile(`run\.\d+`).FindString(me.screen())
		gone(t, p, r.app, run)
		// Another process beside a running one, with a terminal of its own.
		me = start("ps:exec", "-a", r.app, "--", "/app", "-mode", "tty")
		me.sees("tty 30x100\r\n")
		me.types("bye\r")
		if code := me.ends(); code != 3 {
			t.Errorf("%s: exec: exit status %d, want 3:\n%s", name, code, me.screen())
		}
	}
	// In a terminal over SSH, keys do what they do in any other.
	me := sitDown(t, "ssh", append(append([]string{"-t"}, p.sshArgs()...), "apps:destroy -a "+r.app)...)
	me.sees("To proceed, type")
	me.types("terms-ttyy\x7fx\r")
	me.sees("did not match")
	if code := me.ends(); code != 1 {
		t.Errorf("exit status %d:\n%s", code, me.screen())
	}
	me = sitDown(t, "ssh", append(append([]string{"-t"}, p.sshArgs()...), "logs --tail -a "+r.app)...)
	me.sees("app[web.1]")
	me.types("\x03")
	if code := me.ends(); code != 0 {
		t.Errorf("logs: exit status %d:\n%s", code, me.screen())
	}
}

// Bytes go in and come out as they are, the end of the input ends nothing
// else, and what the process says on stderr is on stderr.
func TestTerminalStreams(t *testing.T) {
	p, r := terminalApp(t, "terms-streams")
	data := make([]byte, 10<<20)
	rand.Read(data)
	want := fmt.Sprintf("%x %d <nil>\n", sha256.Sum256(data), len(data))
	for name, cmd := range map[string]*exec.Cmd{
		"cli":  exec.Command(built.Paas, p.cli("run", "-a", r.app, "--", "/app", "-mode", "sum")...),
		"ssh":  exec.Command("ssh", append(p.sshArgs(), "run -a "+r.app+" -- /app -mode sum")...),
		"exec": exec.Command(built.Paas, p.cli("run:inside", "web.1", "-a", r.app, "--", "/app", "-mode", "sum")...),
	} {
		var out, stderr bytes.Buffer
		cmd.Env = append(os.Environ(), "HOME="+built.Dir)
		cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(data), &out, &stderr
		if err := cmd.Run(); err != nil || out.String() != want {
			t.Errorf("%s: %v %q, want %q; %s", name, err, out.String(), want, stderr.String())
		}
	}
	cmd := exec.Command(built.Paas, p.cli("run", "-a", r.app, "--", "/app", "-mode", "cat")...)
	var out bytes.Buffer
	cmd.Env = append(os.Environ(), "HOME="+built.Dir)
	cmd.Stdin, cmd.Stdout = bytes.NewReader(data), &out
	if err := cmd.Run(); err != nil || !bytes.Equal(out.Bytes(), data) {
		t.Errorf("there and back: %v, %d bytes", err, out.Len())
	}
}

// When its client dies, so does the run, and nothing of it is left.
func TestTerminalClientKilled(t *testing.T) {
	p, r := terminalApp(t, "terms-killed")
	for name, cmd := range map[string]*exec.Cmd{
		"cli": exec.Command(built.Paas, p.cli("run", "-a", r.app, "--", "/app", "-mode", "cat")...),
		"ssh": exec.Command("ssh", append(p.sshArgs(), "run -a "+r.app+" -- /app -mode cat")...),
	} {
		stderr := &platformtest.Buffer{}
		cmd.Env, cmd.Stderr = append(os.Environ(), "HOME="+built.Dir), stderr
		stdin, err := cmd.StdinPipe()
		platformtest.Must(err)
		platformtest.Must(cmd.Start())
		up := regexp.MustCompile(`up, (run\.\d+)`)
		for deadline := time.Now().Add(30 * time.Second); !up.MatchString(stderr.String()); time.Sleep(10 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%s: not up: %s", name, stderr)
			}
		}
		run := up.FindStringSubmatch(stderr.String())[1]
		platformtest.Must(cmd.Process.Kill())
		_ = cmd.Wait()
		stdin.Close()
		gone(t, p, r.app, run)
		if out := p.mustPaas(t, "runs", "-a", r.app); !strings.Contains(out, run+"  stopped") {
			t.Errorf("%s: %s", name, out)
		}
	}
}

// A port of a dyno is reached by one of this machine, by several connections
// at once, until Ctrl-C.
func TestTerminalForward(t *testing.T) {
	p, r := terminalApp(t, "terms-forward")
	asked := exec.Command(built.Paas, p.cli("ps:exec", "-a", r.app, "--", "/app", "-mode", "env", "PORT")...)
	answer, err := asked.Output()
	if err != nil {
		t.Fatal(err)
	}
	port := strings.TrimSpace(string(answer))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	cmd := exec.CommandContext(ctx, built.Paas, p.cli("ps:forward", "0:"+port, "-a", r.app)...)
	cmd.Env = append(os.Environ(), "HOME="+built.Dir)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	out := &platformtest.Buffer{}
	cmd.Stdout, cmd.Stderr = out, out
	platformtest.Must(cmd.Start())
	listens := regexp.MustCompile(`Listening on (\S+) and`)
	for deadline := time.Now().Add(60 * time.Second); !listens.MatchString(out.String()); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal(out)
		}
	}
	address := listens.FindStringSubmatch(out.String())[1]
	var wg sync.WaitGroup
	for range 5 {
		wg.Go(func() {
			res, err := http.Get("http://" + address + "/") //nolint:gosec // our own
			if err != nil {
				t.Errorf("%v\n%s", err, out)
				return
			}
			body, err := io.ReadAll(res.Body)
			res.Body.Close()
			if err != nil || !strings.HasPrefix(string(body), "v1 web.1") {
				t.Errorf("%q %v", body, err)
			}
		})
	}
	wg.Wait()
	http.DefaultClient.CloseIdleConnections()
	cancel()
	if _ = cmd.Wait(); cmd.ProcessState.ExitCode() != 0 {
		t.Errorf("ended with %v: %s", cmd.ProcessState, out)
	}
}
