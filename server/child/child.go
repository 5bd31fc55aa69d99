// Package child runs the programs that `paas standalone` brings along, a
// private PostgreSQL and buildkitd: it starts them, knows when they are ready,
// starts them again when they die and stops them with the parent, whichever
// way the parent goes.
package child

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Defaults of a Spec and the limits of restarting.
const (
	defaultReadyTimeout = 60 * time.Second
	defaultStopTimeout  = 15 * time.Second
	minBackoff          = 100 * time.Millisecond
	maxBackoff          = 5 * time.Second
	// A child that lived this long starts again without a long wait.
	steadyAfter = 10 * time.Second
	// WaitReady gives up after so many starts in a row that came to nothing.
	hopelessAfter = 5
)

// Spec describes one child process.
type Spec struct {
	Name string   // for logs and errors
	Path string   // absolute path of the program
	Args []string // without the program's name
	Env  []string // all of the environment; nothing is inherited
	Dir  string   // working directory; empty means "/"
	// Credential runs the program as another user; nil keeps the parent's.
	Credential *syscall.Credential
	// Prepare runs before every start. ctx ends when the child is to stop.
	Prepare func(ctx context.Context) error
	// Ready returns nil once the child can be used, an error when it never
	// will be. It ends with ctx, also when the child dies.
	Ready func(ctx context.Context, pid int) error
	// Notify gives the child a NOTIFY_SOCKET and holds it for ready when it
	// says so; Ready, if any, is asked after that.
	Notify bool
	// Explain turns the last lines of a child that died into advice for people.
	Explain      func(lines []string) string
	ReadyTimeout time.Duration  // 0 means 60 s
	StopSignal   syscall.Signal // 0 means SIGTERM; also sent when the parent is killed
	StopTimeout  time.Duration  // from StopSignal to SIGKILL; 0 means 15 s
	// SuppressSync makes fsync and its kin succeed at once in the child and all
	// it starts. What the child wrote then outlives its own death, but not that
	// of the machine.
	SuppressSync bool
	// PidFile, if set, names the file that remembers the running child, so that
	// one which outlived a killed parent is ended before the next is started.
	PidFile string
}

// Child supervises one process.
type Child struct {
	spec Spec
	log  *slog.Logger
	tail tail

	mu      sync.Mutex
	up      bool
	pid     int
	fails   int   // starts in a row that never became ready
	lastErr error // why it is not up
	changed chan struct{}
}

// New checks the spec; Run starts the process.
func New(spec Spec, log *slog.Logger) (*Child, error) {
	if spec.Name == "" || !filepath.IsAbs(spec.Path) {
		return nil, fmt.Errorf("child %q: %q is not an absolute path", spec.Name, spec.Path)
	}
	info, err := os.Stat(spec.Path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", spec.Name, err)
	}
	if !info.Mode().IsRegular() || info.Mode().Perm()&0o111 == 0 {
		return nil, fmt.Errorf("%s: %s is not a program", spec.Name, spec.Path)
	}
	if spec.ReadyTimeout == 0 {
		spec.ReadyTimeout = defaultReadyTimeout
	}
	if spec.StopTimeout == 0 {
		spec.StopTimeout = defaultStopTimeout
	}
	if spec.StopSignal == 0 {
		spec.StopSignal = syscall.SIGTERM
	}
	if spec.Dir == "" {
		spec.Dir = "/"
	}
	return &Child{spec: spec, log: log.With("child", spec.Name), changed: make(chan struct{})}, nil
}

// Run keeps the process running until ctx ends, then stops it and returns nil.
func (c *Child) Run(ctx context.Context) error {
	wait := minBackoff
	for ctx.Err() == nil {
		started := time.Now()
		err := c.runOnce(ctx)
		if ctx.Err() != nil {
			break
		}
		c.failed(err)
		if time.Since(started) > steadyAfter {
			wait = minBackoff
		}
		c.log.Warn("child is not running, starting it again", "err", err, "in", wait)
		sleep(ctx, wait)
		wait = min(2*wait, maxBackoff)
	}
	c.set(func() { c.up, c.pid, c.lastErr = false, 0, errors.New("stopped") })
	return nil
}

// Up reports whether the child runs and is ready.
func (c *Child) Up() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.up
}

// PID is the process id while the child runs, else 0.
func (c *Child) PID() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.pid
}

// LastError says why the child is not up, with the last lines it printed; nil
// when it is up or was not started yet.
func (c *Child) LastError() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.up {
		return nil
	}
	return c.lastErr
}

// WaitReady returns nil once the child is up. It gives up when ctx ends or
// when several starts in a row came to nothing, with the child's own words.
func (c *Child) WaitReady(ctx context.Context) error {
	for {
		c.mu.Lock()
		up, fails, last, changed := c.up, c.fails, c.lastErr, c.changed
		c.mu.Unlock()
		switch {
		case up:
			return nil
		case fails >= hopelessAfter:
			return fmt.Errorf("%s does not start: %w", c.spec.Name, last)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			if last == nil {
				last = ctx.Err()
			}
			return fmt.Errorf("%s is not ready: %w", c.spec.Name, last)
		}
	}
}

// set changes the state and wakes those who wait for it.
func (c *Child) set(change func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change()
	close(c.changed)
	c.changed = make(chan struct{})
}

func (c *Child) failed(err error) {
	c.set(func() {
		if c.up {
			c.fails = 0
		} else {
			c.fails++
		}
		c.up, c.pid, c.lastErr = false, 0, err
	})
}

// describe adds what the child said last to the reason it ended.
func (c *Child) describe(err error) error {
	lines := c.tail.lines()
	if c.spec.Explain != nil {
		if advice := c.spec.Explain(lines); advice != "" {
			err = fmt.Errorf("%w: %s", err, advice)
		}
	}
	if len(lines) == 0 {
		return err
	}
	if len(lines) > 10 {
		lines = lines[len(lines)-10:]
	}
	return fmt.Errorf("%w; its last lines:\n  %s", err, strings.Join(lines, "\n  "))
}

func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
