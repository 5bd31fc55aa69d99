package agenttest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"paas/scheduler/agent"
)

// The part of the contract that is about people inside instances.

// Buffer is a writer to wait on.
type Buffer struct {
	mu   sync.Mutex
	b    bytes.Buffer
	more chan struct{}
}

// NewBuffer makes an empty one.
func NewBuffer() *Buffer { return &Buffer{more: make(chan struct{}, 1)} }

func (b *Buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	select {
	case b.more <- struct{}{}:
	default:
	}
	return b.b.Write(p)
}

func (b *Buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// Await waits for a text.
func (b *Buffer) Await(t testing.TB, want string) {
	t.Helper()
	late := time.After(30 * time.Second)
	for !strings.Contains(b.String(), want) {
		select {
		case <-b.more:
		case <-late:
			t.Fatalf("waited for %q, got %q", want, b.String())
		}
	}
}

// client is one side of an attached process or an exec.
type client struct {
	in       *io.PipeWriter
	out, err *Buffer
	resize   chan agent.WindowSize
	ready    chan struct{}
	leave    context.CancelFunc
	done     chan error
	code     int // valid after done
}

func newClient(ctx context.Context, f func(context.Context, agent.IO, func()) (int, error)) *client {
	ctx, cancel := context.WithCancel(ctx)
	r, w := io.Pipe()
	c := &client{in: w, out: NewBuffer(), err: NewBuffer(), resize: make(chan agent.WindowSize, 4), ready: make(chan struct{}), leave: cancel, done: make(chan error, 1)}
	go func() {
		code, err := f(ctx, agent.IO{In: r, Out: c.out, Err: c.err, Resize: c.resize}, sync.OnceFunc(func() { close(c.ready) }))
		c.code = code
		c.done <- err
	}()
	return c
}

func (c *client) wait(t *testing.T) error {
	t.Helper()
	select {
	case err := <-c.done:
		return err
	case <-time.After(40 * time.Second):
		t.Fatalf("it does not end; output %.200q", c.out.String())
		return nil
	}
}

// oneOff makes an instance to be attached to.
func oneOff(t *testing.T, s Subject, tty bool, args ...string) agent.Assignment {
	t.Helper()
	a := s.Assign(t, args...)
	a.OneOff, a.Attach, a.TTY, a.Port = true, true, tty, 0
	t.Cleanup(func() {
		if err := s.Runtime.Stop(context.Background(), a.ID, 0); err != nil {
			t.Error("clean up:", err)
		}
	})
	for range 2 { // it may be said again
		c, err := s.Runtime.Start(patience(t), a)
		if err != nil || c.Running || !c.Started.IsZero() {
			t.Fatalf("%+v, %v", c, err)
		}
	}
	return a
}

func attach(t *testing.T, s Subject, a agent.Assignment) *client {
	return newClient(patience(t), func(ctx context.Context, o agent.IO, ready func()) (int, error) {
		return 0, s.Runtime.Attach(ctx, a.ID, o, ready)
	})
}

func execute(t *testing.T, s Subject, a agent.Assignment, tty bool, args ...string) *client {
	return newClient(patience(t), func(ctx context.Context, o agent.IO, _ func()) (int, error) {
		return s.Runtime.Exec(ctx, a.ID, append([]string{"/prog"}, args...), map[string]string{"EXTRA": "of the session"}, tty, o)
	})
}

// code is the exit code of an instance that ends.
func code(t *testing.T, s Subject, a agent.Assignment) int {
	t.Helper()
	c, err := s.Runtime.Wait(patience(t), a.ID)
	if err != nil {
		t.Fatal(err)
	}
	return c.ExitCode
}

// noise is bytes that no text has.
func noise(n int) []byte {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{1})
	_, _ = r.Read(b)
	return b
}

func attachBinary(t *testing.T, s Subject) {
	data := noise(10 << 20)
	sum := fmt.Sprintf("%x %d\n", sha256.Sum256(data), len(data))
	ways := map[string]func(args ...string) *client{
		"attach": func(args ...string) *client { return attach(t, s, oneOff(t, s, false, args...)) },
		"exec": func(args ...string) *client {
			a, _ := started(t, s, "silent")
			return execute(t, s, a, false, args...)
		},
	}
	for name, begin := range ways {
		c := begin("sum")
		if _, err := c.in.Write(data); err != nil {
			t.Fatal(name, err)
		}
		c.in.Close()
		if err := c.wait(t); err != nil || c.out.String() != sum || c.code != 0 {
			t.Errorf("%s: %d, %v, %q instead of %q", name, c.code, err, c.out.String(), sum)
		}
		c = begin("cat")
		go func() {
			_, _ = c.in.Write(data)
			c.in.Close()
		}()
		if err := c.wait(t); err != nil || c.out.String() != string(data) {
			t.Errorf("%s: %v, %d bytes came back", name, err, len(c.out.String()))
		}
	}
}

// Two streams stay two, the code arrives, and nothing of it is in the log.
func attachStreams(t *testing.T, s Subject) {
	a := oneOff(t, s, false, "both")
	c := attach(t, s, a)
	if err := c.wait(t); err != nil || c.out.String() != "to stdout\n" || c.err.String() != "to stderr\n" {
		t.Errorf("%v, %q, %q", err, c.out.String(), c.err.String())
	}
	if n := code(t, s, a); n != 3 {
		t.Error("code", n)
	}
	again := attach(t, s, a)
	if err := again.wait(t); err == nil {
		t.Error("attached to a process that had run")
	}
	// With a terminal there is one stream.
	a = oneOff(t, s, true, "both")
	c = attach(t, s, a)
	if err := c.wait(t); err != nil || !strings.Contains(c.out.String(), "to stderr") || c.err.String() != "" {
		t.Errorf("%v, %q, %q", err, c.out.String(), c.err.String())
	}
}

// A process that ends while its input is still being sent ends the rest.
func attachEarlyEnd(t *testing.T, s Subject) {
	a := oneOff(t, s, false, "head", "5")
	b, _ := started(t, s, "silent")
	for _, c := range []*client{attach(t, s, a), execute(t, s, b, false, "head", "5")} {
		sent := make(chan error, 1)
		go func() {
			for {
				if _, err := c.in.Write([]byte("0123456789")); err != nil {
					sent <- err
					return
				}
			}
		}()
		if err := c.wait(t); err != nil || c.out.String() != "01234" {
			t.Errorf("%v, %q", err, c.out.String())
		}
		select {
		case <-sent:
		case <-time.After(10 * time.Second):
			t.Error("the input is still read")
		}
	}
}

func attachTerminal(t *testing.T, s Subject) {
	b, _ := started(t, s, "silent")
	for name, begin := range map[string]func() *client{
		"attach": func() *client { return attach(t, s, oneOff(t, s, true, "size")) },
		"exec":   func() *client { return execute(t, s, b, true, "size") },
	} {
		c := begin()
		c.resize <- agent.WindowSize{Rows: 40, Cols: 132}
		c.out.Await(t, "40x132")
		c.resize <- agent.WindowSize{Rows: 24, Cols: 80}
		c.out.Await(t, "24x80")
		c.in.Close() // end of file, as by Ctrl-D
		if err := c.wait(t); err != nil || c.code != 0 {
			t.Errorf("%s: %d, %v", name, c.code, err)
		}
	}
}

// Who leaves ends the connection and not the process; ending that leaves the
// container; a shell goes by SIGHUP.
func attachLeave(t *testing.T, s Subject) {
	a := oneOff(t, s, true, "shell")
	c := attach(t, s, a)
	c.out.Await(t, "ready")
	if _, err := io.WriteString(c.in, "ls\n"); err != nil {
		t.Fatal(err)
	}
	c.out.Await(t, "got ls")
	c.leave()
	if err := c.wait(t); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if got, _ := listed(t, s, a.ID); !got.Running {
		t.Errorf("%+v", got)
	}
	began := time.Now()
	for range 2 {
		if err := s.Runtime.End(patience(t), a.ID, 20*time.Second); err != nil {
			t.Fatal(err)
		}
	}
	got, ok := listed(t, s, a.ID)
	if !ok || got.Running || got.ExitCode != 129 || time.Since(began) > 15*time.Second {
		t.Errorf("%+v after %s", got, time.Since(began))
	}
}

// A client that does not read makes the process wait and keeps nobody from
// stopping it.
func attachBackpressure(t *testing.T, s Subject) {
	a := oneOff(t, s, false, "flood")
	r, w := io.Pipe()
	ctx, cancel := context.WithCancel(patience(t))
	defer cancel()
	ready, done := make(chan struct{}), make(chan error, 1)
	go func() {
		done <- s.Runtime.Attach(ctx, a.ID, agent.IO{Out: w, Err: io.Discard}, func() { close(ready) })
	}()
	<-ready
	if _, err := io.ReadFull(r, make([]byte, 100<<10)); err != nil {
		t.Fatal(err)
	}
	cancel()
	_ = r.CloseWithError(errors.New("gone")) // as a session's Out once Gone is closed
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		t.Fatal("it is still attached")
	}
	if err := s.Runtime.Stop(patience(t), a.ID, 5*time.Second); err != nil {
		t.Fatal(err)
	}
}

func attachAbsent(t *testing.T, s Subject) {
	ctx, o := patience(t), agent.IO{Out: io.Discard, Err: io.Discard}
	if err := s.Runtime.Attach(ctx, "nobody", o, func() { t.Error("ready") }); !errors.Is(err, agent.ErrNoContainer) {
		t.Error("attach:", err)
	}
	if _, err := s.Runtime.Exec(ctx, "nobody", []string{"/prog", "both"}, nil, false, o); !errors.Is(err, agent.ErrNoContainer) {
		t.Error("exec:", err)
	}
	if _, err := s.Runtime.Dial(ctx, "nobody", 80); !errors.Is(err, agent.ErrNoContainer) {
		t.Error("dial:", err)
	}
	if err := s.Runtime.End(ctx, "nobody", time.Second); err != nil {
		t.Error("end:", err)
	}
	a, _ := started(t, s, "exit", "0")
	code(t, s, a)
	if _, err := s.Runtime.Exec(ctx, a.ID, []string{"/prog", "both"}, nil, false, o); !errors.Is(err, agent.ErrNotRunning) {
		t.Error("exec:", err)
	}
	if _, err := s.Runtime.Dial(ctx, a.ID, 80); !errors.Is(err, agent.ErrNotRunning) {
		t.Error("dial:", err)
	}
}
