package gitd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unicode/utf8"

	gossh "golang.org/x/crypto/ssh"

	"paas/server/api"
)

func (b *bench) onCommand(f func(ctx context.Context, by Identity, c Command) int) {
	b.platform.set(func(p *platform) { p.onRun = f })
}

// A command gets its words, the client's streams, who they are and where from,
// and its exit code is the client's.
func TestCommandStreams(t *testing.T) {
	b := newBench(t)
	b.onCommand(func(_ context.Context, by Identity, c Command) int {
		n, err := io.Copy(c.Out, c.In)
		fmt.Fprintf(c.Err, "%q %s %s %d %v %v", c.Words, by.Email, by.From, n, err, c.Terminal)
		return 42
	})
	cmd := exec.Command("ssh", append(b.sshArgs("dev"), "paas@127.0.0.1", `config:set A="x y" 'B=$(id)' C=\"`)...)
	data := bytes.Repeat([]byte("\x00\xff\r\n"), 1<<20)
	var out, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(data), &out, &stderr
	err := cmd.Run()
	want := fmt.Sprintf(`["config:set" "A=x y" "B=$(id)" "C=\""] dev@example.com 127.0.0.1 %d <nil> <nil>`, len(data))
	if cmd.ProcessState.ExitCode() != 42 || stderr.String() != want || !bytes.Equal(out.Bytes(), data) {
		t.Errorf("%v, %d bytes, %s; want %s", err, out.Len(), stderr.String(), want)
	}
	wantIn(t, b.logs.String(), "command=config:set", "exit=42")
	if strings.Contains(b.logs.String(), "x y") {
		t.Error("values are in the log")
	}
}

func TestCommandTerminal(t *testing.T) {
	b := newBench(t)
	b.onCommand(func(ctx context.Context, _ Identity, c Command) int {
		fmt.Fprintf(c.Out, "%s %dx%d\n", c.Terminal.Kind, c.Terminal.Size.Rows, c.Terminal.Size.Cols)
		for size := range c.Terminal.Resizes {
			fmt.Fprintf(c.Out, "now %dx%d\n", size.Rows, size.Cols)
			if size == (api.WindowSize{Rows: 50, Cols: 132}) {
				break
			}
		}
		<-ctx.Done()
		return 7
	})
	sess, err := b.dial(b.newKey("k", "dev")).NewSession()
	if err != nil {
		t.Fatal(err)
	}
	defer sess.Close()
	out, err := sess.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := sess.RequestPty("xterm-256color", 24, 80, nil); err != nil {
		t.Fatal(err)
	}
	if err := sess.RequestPty("xterm", 24, 80, nil); err == nil {
		t.Error("a second terminal was given")
	}
	if err := sess.Start("run bash"); err != nil {
		t.Fatal(err)
	}
	if err := sess.WindowChange(50, 132); err != nil {
		t.Fatal(err)
	}
	var got []byte
	for b := make([]byte, 100); !bytes.Contains(got, []byte("now 50x132\n")); {
		n, err := out.Read(b)
		if got = append(got, b[:n]...); err != nil {
			t.Fatalf("%q %v", got, err)
		}
	}
	if !bytes.HasPrefix(got, []byte("xterm-256color 24x80\n")) {
		t.Errorf("%q", got)
	}
	if err := sess.Signal(gossh.SIGINT); err != nil {
		t.Fatal(err)
	}
	var exit *gossh.ExitError
	if !errors.As(sess.Wait(), &exit) || exit.ExitStatus() != 7 {
		t.Errorf("ended with %v", exit)
	}
}

// freezing is a connection that can fall silent, as a line that is cut.
type freezing struct {
	net.Conn
	frozen atomic.Bool
	closed chan struct{}
	once   sync.Once
}

func (f *freezing) Read(p []byte) (int, error) {
	n, err := f.Conn.Read(p)
	if f.frozen.Load() {
		<-f.closed
		return 0, net.ErrClosed
	}
	return n, err
}

func (f *freezing) Close() error {
	f.once.Do(func() { close(f.closed) })
	return f.Conn.Close()
}

// A client that goes, in whatever way, ends its command; one that is silent
// does not.
func TestCommandClientGone(t *testing.T) {
	for how, want := range map[string]string{"closed": "ended", "frozen": "ended", "silent": "stayed"} {
		b := newBench(t, func(c *Config) { c.Ping, c.PingTimeout = 20*time.Millisecond, 300*time.Millisecond })
		begun, result := make(chan struct{}), make(chan string, 1)
		b.onCommand(func(ctx context.Context, _ Identity, c Command) int {
			close(begun)
			select {
			case <-ctx.Done():
				result <- "ended"
			case <-time.After(time.Second): // more than three times what a dead one gets
				result <- "stayed"
			}
			return 1
		})
		raw, err := net.Dial("tcp", b.server.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		line := &freezing{Conn: raw, closed: make(chan struct{})}
		conn, chans, reqs, err := gossh.NewClientConn(line, "", &gossh.ClientConfig{User: "paas",
			Auth: []gossh.AuthMethod{gossh.PublicKeys(b.newKey("k", "dev"))}, HostKeyCallback: gossh.InsecureIgnoreHostKey()}) //nolint:gosec // our own server
		if err != nil {
			t.Fatal(err)
		}
		c := gossh.NewClient(conn, chans, reqs)
		sess, err := c.NewSession()
		if err == nil {
			err = sess.Start("logs --tail")
		}
		if err != nil {
			t.Fatal(err)
		}
		<-begun
		switch how {
		case "closed":
			c.Close()
		case "frozen":
			line.frozen.Store(true)
		}
		if got := <-result; got != want {
			t.Errorf("%s: it %s", how, got)
		}
		c.Close()
	}
}

// One account has so many commands at once and no more; others are not touched.
func TestCommandQuota(t *testing.T) {
	b := newBench(t, func(c *Config) { c.MaxCommands = 2 })
	begun := make(chan struct{}, 10)
	b.onCommand(func(ctx context.Context, _ Identity, c Command) int {
		begun <- struct{}{}
		<-ctx.Done()
		return 0
	})
	c := b.dial(b.newKey("k", "dev"))
	for range 2 {
		sess, err := c.NewSession()
		if err != nil {
			t.Fatal(err)
		}
		if err := sess.Start("logs"); err != nil {
			t.Fatal(err)
		}
		<-begun
	}
	if out := runRemote(t, c, "ps"); !strings.Contains(out, "You have 2 commands running over SSH") {
		t.Errorf("%q", out)
	}
	wantIn(t, runRemote(t, c, ""), "Hi dev@")
}

func TestSplitLine(t *testing.T) {
	for line, want := range map[string][]string{
		"ps":                        {"ps"},
		"  ps   -a  x ":             {"ps", "-a", "x"},
		`config:set A="x  y"`:       {"config:set", "A=x  y"},
		`config:set A= B=''`:        {"config:set", "A=", "B="},
		`run -- sh -c 'echo $HOME'`: {"run", "--", "sh", "-c", "echo $HOME"},
		"a;b|c>d<e&f`g`":            {"a;b|c>d<e&f`g`"},
		"# ps":                      {"#", "ps"},
	} {
		if got, err := splitLine(line); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %q %v, want %q", line, got, err, want)
		}
	}
	for _, line := range []string{"'", `"a`, `a\`, "a ''", `"" b`, "a\x00b", "\xff", strings.Repeat("a", maxLine+1)} {
		if got, err := splitLine(line); err == nil {
			t.Errorf("%q: %q", line, got)
		}
	}
}

func FuzzSplitLine(f *testing.F) {
	for _, s := range []string{"ps -a x", `config:set A="x y" 'B=c'`, "login", "git-receive-pack 'app'", `a\ b`, `"\""`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, line string) {
		if forGit(line) {
			if line != "login" && !strings.HasPrefix(line, "git") {
				t.Fatalf("%q is git's", line)
			}
			return
		}
		words, err := splitLine(line)
		if err != nil {
			if text := plain(err); strings.ContainsAny(text, "\n\r\x1b") || text == internalError {
				t.Errorf("%q is not one plain line for people", text)
			}
			return
		}
		total := 0
		for _, w := range words {
			if total += len(w); w == "" || !utf8.ValidString(w) {
				t.Errorf("%q: word %q", line, w)
			}
		}
		if total > len(line) {
			t.Errorf("%q grew to %q", line, words)
		}
	})
}
