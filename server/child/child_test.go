package child

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

const helperArg = "run-as-helper"

// TestMain lets the test binary stand in for a child and for a parent.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == helperArg {
		helper(os.Args[2], os.Args[3:])
		return
	}
	os.Exit(m.Run())
}

func helper(mode string, args []string) {
	switch mode {
	case "crash": // says why and dies
		fmt.Println("first line")
		fmt.Println("cannot open the frobnicator")
		os.Exit(3)
	case "count": // adds a byte to a file and dies
		f, err := os.OpenFile(args[0], os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			os.Exit(4)
		}
		_, _ = f.WriteString("x")
		_ = f.Close()
		os.Exit(1)
	case "stubborn": // ignores SIGTERM
		signal.Ignore(syscall.SIGTERM)
		fmt.Println("ignoring")
		select {}
	case "parent": // supervises a sleep and says its pid
		c, err := New(Spec{Name: "sleep", Path: "/bin/sleep", Args: []string{"300"}, PidFile: args[0]}, slog.New(slog.DiscardHandler))
		superviseForEver(c, err)
	case "postgres-parent":
		p, err := NewPostgres(context.Background(), PostgresConfig{DataDir: args[0]}, slog.New(slog.DiscardHandler))
		if err != nil {
			os.Exit(5)
		}
		superviseForEver(p.Child, nil)
	}
}

func superviseForEver(c *Child, err error) {
	if err != nil {
		os.Exit(5)
	}
	go func() { _ = c.Run(context.Background()) }()
	if c.WaitReady(context.Background()) != nil {
		os.Exit(6)
	}
	fmt.Println(c.PID())
	select {}
}

// killedParent runs a helper that supervises a child, kills the helper with
// SIGKILL and gives the child's pid.
func killedParent(t *testing.T, args ...string) int {
	t.Helper()
	cmd := exec.Command(self(t), append([]string{helperArg}, args...)...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, readErr := bufio.NewReader(out).ReadString('\n')
	pid, convErr := strconv.Atoi(strings.TrimSpace(line))
	if err := errors.Join(readErr, convErr, cmd.Process.Kill()); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // "signal: killed"
	return pid
}

func self(t *testing.T) string {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func run(t *testing.T, spec Spec) *Child {
	t.Helper()
	c, err := New(spec, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	runChild(t, c)
	return c
}

// runChild runs c until the test ends or the returned function is called.
func runChild(t *testing.T, c *Child) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := c.Run(ctx); err != nil {
			t.Errorf("Run: %v", err)
		}
	}()
	stop = func() { cancel(); <-done }
	t.Cleanup(stop)
	return stop
}

func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// alive is false for a process that has ended, also when nobody reaped it yet.
func alive(pid int) bool {
	_, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
	return err == nil
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	if !waitGone(t.Context(), 20*time.Second, ok) {
		t.Fatalf("timed out: %s", what)
	}
}

func TestStartsAndStops(t *testing.T) {
	c, err := New(Spec{Name: "sleep", Path: "/bin/sleep", Args: []string{"300"}}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	stop := runChild(t, c)
	if err := c.WaitReady(within(t, 60*time.Second)); err != nil {
		t.Fatal(err)
	}
	pid := c.PID()
	if !c.Up() || !alive(pid) {
		t.Fatalf("up = %v, pid %d alive = %v", c.Up(), pid, alive(pid))
	}
	stop()
	if c.Up() || alive(pid) {
		t.Fatalf("after stop: up = %v, alive = %v", c.Up(), alive(pid))
	}
}

func TestStartsAgainAfterDeath(t *testing.T) {
	c := run(t, Spec{Name: "sleep", Path: "/bin/sleep", Args: []string{"300"}})
	if err := c.WaitReady(within(t, 60*time.Second)); err != nil {
		t.Fatal(err)
	}
	first := c.PID()
	if err := syscall.Kill(first, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a new process", func() bool { return c.Up() && c.PID() != first })
	if err := c.LastError(); err != nil {
		t.Errorf("LastError while up = %v", err)
	}
}

func TestErrorCarriesTheChildsWords(t *testing.T) {
	c := run(t, Spec{
		Name: "helper", Path: self(t), Args: []string{helperArg, "crash"},
		Ready:   func(ctx context.Context, _ int) error { <-ctx.Done(); return ctx.Err() },
		Explain: func([]string) string { return "buy a frobnicator" },
	})
	err := c.WaitReady(within(t, 60*time.Second))
	if err == nil {
		t.Fatal("it became ready")
	}
	for _, want := range []string{"helper does not start", "exit status 3", "buy a frobnicator", "cannot open the frobnicator"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %q lacks %q", err, want)
		}
	}
}

func TestBacksOff(t *testing.T) {
	file := filepath.Join(t.TempDir(), "starts")
	c := run(t, Spec{
		Name: "helper", Path: self(t), Args: []string{helperArg, "count", file},
		Ready: func(ctx context.Context, _ int) error { <-ctx.Done(); return ctx.Err() },
	})
	began := time.Now()
	if err := c.WaitReady(within(t, 30*time.Second)); err == nil {
		t.Fatal("it became ready")
	}
	// Four waits lie between five starts: 100, 200, 400 and 800 ms.
	if took := time.Since(began); took < 1500*time.Millisecond {
		t.Errorf("five starts took only %v", took)
	}
	if raw, err := os.ReadFile(file); err != nil || len(raw) < hopelessAfter {
		t.Errorf("starts = %d, %v", len(raw), err)
	}
}

func TestKillsWhatDoesNotStop(t *testing.T) {
	c, err := New(Spec{
		Name: "helper", Path: self(t), Args: []string{helperArg, "stubborn"}, StopTimeout: 200 * time.Millisecond,
	}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	stop := runChild(t, c)
	eventually(t, "the helper ignores signals", func() bool { return len(c.tail.lines()) > 0 })
	pid := c.PID()
	stop()
	if alive(pid) {
		t.Fatal("it is still alive")
	}
}

func TestNeverReadyIsAnError(t *testing.T) {
	c := run(t, Spec{
		Name: "sleep", Path: "/bin/sleep", Args: []string{"300"}, ReadyTimeout: 20 * time.Millisecond,
		Ready: func(ctx context.Context, _ int) error { <-ctx.Done(); return ctx.Err() },
	})
	err := c.WaitReady(within(t, 60*time.Second))
	if err == nil || !strings.Contains(err.Error(), "did not become ready") {
		t.Fatalf("err = %v", err)
	}
}

func TestPrepareErrorIsSeen(t *testing.T) {
	c := run(t, Spec{Name: "sleep", Path: "/bin/sleep", Prepare: func(context.Context) error { return errors.New("no paper") }})
	err := c.WaitReady(within(t, 60*time.Second))
	if err == nil || !strings.Contains(err.Error(), "no paper") {
		t.Fatalf("err = %v", err)
	}
}

func TestChildDiesWithAKilledParent(t *testing.T) {
	pid := killedParent(t, "parent", filepath.Join(t.TempDir(), "pid"))
	eventually(t, "the child follows its parent", func() bool { return !alive(pid) })
}

func TestLeftOverIsEndedFirst(t *testing.T) {
	pidFile := filepath.Join(t.TempDir(), "pid")
	old := exec.Command("/bin/sleep", "301")
	if err := old.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = old.Process.Kill(); _ = old.Wait() }()
	eventually(t, "the old one has its command line, which comes a moment after its start", func() bool {
		line, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(old.Process.Pid), "cmdline"))
		return err == nil && len(line) > 0
	})
	if err := os.WriteFile(pidFile, []byte(strconv.Itoa(old.Process.Pid)), 0o600); err != nil {
		t.Fatal(err)
	}
	c := run(t, Spec{Name: "sleep", Path: "/bin/sleep", Args: []string{"301"}, PidFile: pidFile})
	if err := c.WaitReady(within(t, 60*time.Second)); err != nil {
		t.Fatal(err)
	}
	if c.isOurs(old.Process.Pid) { // one that has ended, and was not waited for yet, has no command line
		t.Fatal("the new child runs beside the old one")
	}
}

func TestReusedPidIsLeftAlone(t *testing.T) {
	pidFile := filepath.Join(t.TempDir(), "pid")
	other := exec.Command("/bin/sleep", "302")
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Process.Kill(); _ = other.Wait() }()
	if err := os.WriteFile(pidFile, []byte(strconv.Itoa(other.Process.Pid)), 0o600); err != nil {
		t.Fatal(err)
	}
	c := run(t, Spec{Name: "sleep", Path: "/bin/sleep", Args: []string{"303"}, PidFile: pidFile})
	if err := c.WaitReady(within(t, 60*time.Second)); err != nil {
		t.Fatal(err)
	}
	if !alive(other.Process.Pid) {
		t.Fatal("a process that is not ours was ended")
	}
}

func TestNewRefuses(t *testing.T) {
	plain := filepath.Join(t.TempDir(), "plain")
	if err := os.WriteFile(plain, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"sleep", "/nonexistent/x", "/bin", plain} {
		if _, err := New(Spec{Name: "x", Path: path}, slog.New(slog.DiscardHandler)); err == nil {
			t.Errorf("%s was accepted", path)
		}
	}
}

func FuzzLineWriter(f *testing.F) {
	f.Add([]byte("a\nb\r\n\n"), 1)
	f.Add([]byte(strings.Repeat("x", 3000)+"\ny"), 7)
	f.Add([]byte{0xff, '\n', 0}, 2)
	f.Fuzz(func(t *testing.T, data []byte, step int) {
		w := &lineWriter{line: func(s string) {
			if len(s) > 3*maxLineSize || strings.Contains(s, "\n") {
				t.Fatalf("line of %d bytes: %q", len(s), s)
			}
		}}
		step = max(1, step%64)
		for len(data) > 0 {
			n, err := w.Write(data[:min(step, len(data))])
			if err != nil {
				t.Fatal(err)
			}
			data = data[n:]
		}
		w.flush()
	})
}
