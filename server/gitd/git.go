package gitd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	gitTimeout   = 2 * time.Minute // for the short commands
	gitWaitDelay = 5 * time.Second // from the kill until the pipes are given up
	maxGitOutput = 1 << 20         // bytes of stdout that run keeps
	maxGitStderr = 8 << 10         // bytes of stderr kept for the error
)

// git starts stock git processes: argv only, a clean environment, no hooks,
// no system or user configuration.
type git struct {
	path   string
	memory uint64 // bytes of heap one process may take
}

func newGit(ctx context.Context, binary string, memory uint64) (*git, error) {
	if binary == "" {
		binary = "git"
	}
	path, err := exec.LookPath(binary)
	if err != nil {
		return nil, fmt.Errorf("find git: %w (install the git package)", err)
	}
	if path, err = filepath.Abs(path); err != nil {
		return nil, fmt.Errorf("find git: %w", err)
	}
	g := &git{path: path, memory: memory}
	out, err := g.run(ctx, "/", nil, nil, "version")
	if err != nil {
		return nil, err
	}
	var major, minor int
	if _, err := fmt.Sscanf(string(out), "git version %d.%d", &major, &minor); err != nil {
		return nil, fmt.Errorf("read git's version %q: %w", bytes.TrimSpace(out), err)
	}
	if major < 2 || major == 2 && minor < 32 {
		return nil, fmt.Errorf("git %d.%d at %s is too old: 2.32 or newer is needed", major, minor, path)
	}
	return g, nil
}

// command prepares a process that works on the bare repository at repo. It is
// killed with all its children when ctx ends.
func (g *git) command(ctx context.Context, repo string, env []string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, g.path, args...)
	cmd.Dir = repo
	cmd.Env = append([]string{
		"PATH=" + filepath.Dir(g.path) + ":/usr/bin:/bin",
		"HOME=/nonexistent",
		"LC_ALL=C",
		"GIT_DIR=" + repo,
		"GIT_CONFIG_NOSYSTEM=1",
		"GIT_CONFIG_GLOBAL=/dev/null",
		"GIT_TERMINAL_PROMPT=0",
		"GIT_NO_REPLACE_OBJECTS=1",
		"GIT_NO_LAZY_FETCH=1",
		"GIT_OPTIONAL_LOCKS=0",
		// A data directory restored under another uid must still be readable;
		// hooks are off whatever the repository's own config says.
		"GIT_CONFIG_COUNT=2",
		"GIT_CONFIG_KEY_0=safe.directory", "GIT_CONFIG_VALUE_0=*",
		"GIT_CONFIG_KEY_1=core.hooksPath", "GIT_CONFIG_VALUE_1=/dev/null",
	}, env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = gitWaitDelay
	return cmd
}

// limit bounds the heap of a started process, so that a delta bomb ends that
// process and nothing else. It must be called before foreign bytes are fed.
func (g *git) limit(cmd *exec.Cmd) error {
	if g.memory == 0 {
		return nil
	}
	l := unix.Rlimit{Cur: g.memory, Max: g.memory}
	err := unix.Prlimit(cmd.Process.Pid, unix.RLIMIT_DATA, &l, nil)
	if err != nil && !errors.Is(err, unix.ESRCH) { // gone already: Wait says why
		return fmt.Errorf("limit the memory of git: %w", err)
	}
	return nil
}

// run runs a command and gives its stdout, at most maxGitOutput bytes. It
// takes gitTimeout at most, unless ctx has a deadline of its own.
func (g *git) run(ctx context.Context, repo string, env []string, stdin io.Reader, args ...string) ([]byte, error) {
	if _, ok := ctx.Deadline(); !ok {
		limited, cancel := context.WithTimeout(ctx, gitTimeout)
		defer cancel()
		ctx = limited
	}
	cmd := g.command(ctx, repo, env, args...)
	out, errs := &tail{max: maxGitOutput}, &tail{max: maxGitStderr}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, out, errs
	err := cmd.Run()
	if err != nil {
		return nil, newGitError(ctx, args, err, errs)
	}
	if out.dropped {
		return nil, fmt.Errorf("git %s: more than %d bytes of output", verb(args), maxGitOutput)
	}
	return out.buf, nil
}

// gitError is a git process that failed.
type gitError struct {
	verb   string
	code   int    // exit code, -1 when killed
	stderr string // its last words
	err    error
}

func newGitError(ctx context.Context, args []string, err error, errs *tail) error {
	if ctx.Err() != nil {
		return fmt.Errorf("git %s: %w", verb(args), context.Cause(ctx))
	}
	e := &gitError{verb: verb(args), code: -1, stderr: strings.TrimSpace(string(errs.buf)), err: err}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		e.code = exit.ExitCode()
	}
	return e
}

func (e *gitError) Error() string {
	if e.stderr == "" {
		return fmt.Sprintf("git %s: %v", e.verb, e.err)
	}
	return fmt.Sprintf("git %s: %v: %s", e.verb, e.err, oneLine(e.stderr))
}

func (e *gitError) Unwrap() error { return e.err }

// verb is the subcommand in args, for messages.
func verb(args []string) string {
	for _, a := range args {
		if !strings.HasPrefix(a, "-") {
			return a
		}
	}
	return ""
}

// tail is a writer that keeps the last max bytes.
type tail struct {
	max     int
	buf     []byte
	dropped bool
}

func (t *tail) Write(p []byte) (int, error) {
	t.buf = append(t.buf, p...)
	if over := len(t.buf) - t.max; over > 0 {
		t.buf = append(t.buf[:0], t.buf[over:]...)
		t.dropped = true
	}
	return len(p), nil
}
