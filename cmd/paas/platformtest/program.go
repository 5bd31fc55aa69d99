package platformtest

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Program is a process of the binary.
type Program struct {
	Cmd    *exec.Cmd
	Log    *Buffer         // what it printed
	Exited <-chan struct{} // closed when it has ended
}

// Start starts the binary with more in its environment.
func (b *Built) Start(env []string, args ...string) (*Program, error) {
	p, exited := &Program{Cmd: exec.Command(b.Paas, args...), Log: &Buffer{}}, make(chan struct{})
	p.Exited = exited
	p.Cmd.Stdout, p.Cmd.Stderr = p.Log, p.Log
	p.Cmd.Env = append(os.Environ(), env...)
	p.Cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := p.Cmd.Start(); err != nil {
		return nil, err
	}
	go func() { _ = p.Cmd.Wait(); close(exited) }()
	return p, nil
}

// Stop sends a signal and waits for the end.
func (p *Program) Stop(sig os.Signal) {
	_ = p.Cmd.Process.Signal(sig) // one that has ended takes none
	<-p.Exited
}

// Until polls for a condition of the running program.
func (p *Program) Until(limit time.Duration, what string, ok func() bool) error {
	for deadline := time.Now().Add(limit); !ok(); {
		select {
		case <-p.Exited:
			return fmt.Errorf("paas ended before it was %s:\n%s", what, p.Log)
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("paas was not %s within %s:\n%s", what, limit, p.Log)
		}
	}
	return nil
}

// UntilReady waits until the program says so.
func (p *Program) UntilReady(limit time.Duration) error {
	return p.Until(limit, "ready", func() bool { return strings.Contains(p.Log.String(), "msg=ready") })
}

// Operator runs the CLI at the operator's socket of the server that has its
// data in a directory.
func (b *Built) Operator(data string, args ...string) (string, error) {
	cmd := exec.Command(b.Paas, append(args, "--server", "unix://"+filepath.Join(data, "run", "paas.sock"))...)
	cmd.Env = append(os.Environ(), "HOME="+b.Dir)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// Buffer is one that a program writes and a test reads.
type Buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write adds to it.
func (l *Buffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// String is all of it.
func (l *Buffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// Tail is the last n lines of a text.
func Tail(s string, n int) string {
	lines := strings.Split(strings.TrimRight(s, "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
