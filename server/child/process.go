package child

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// pipeGrace is how long the output of a dead child may be held open by
// processes it left behind.
const pipeGrace = 2 * time.Second

// runOnce starts the process, waits until it is ready and then until it dies
// or ctx ends. The error says why it is not running.
func (c *Child) runOnce(ctx context.Context) error {
	if err := c.endLeftOver(ctx); err != nil {
		return err
	}
	if c.spec.Prepare != nil {
		if err := c.spec.Prepare(ctx); err != nil {
			return fmt.Errorf("prepare: %w", err)
		}
	}
	c.tail.reset()
	var note *notifySocket
	if c.spec.Notify {
		var err error
		if note, err = listenNotify(); err != nil {
			return err
		}
		defer note.close()
	}
	cmd, exited, err := c.start(note)
	if err != nil {
		return fmt.Errorf("start %s: %w", c.spec.Path, err)
	}
	c.set(func() { c.pid = cmd.Process.Pid })
	c.writePid(cmd.Process.Pid)
	defer c.removePid()
	return c.watch(ctx, cmd, exited, note)
}

// start runs the process from a thread of its own: the kernel sends the signal
// for a dead parent when the starting *thread* ends, so that thread has to live
// as long as the child.
func (c *Child) start(note *notifySocket) (*exec.Cmd, <-chan error, error) {
	cmd := exec.Command(c.spec.Path, c.spec.Args...)
	cmd.Env = append([]string{}, c.spec.Env...)
	if note != nil {
		cmd.Env = append(cmd.Env, "NOTIFY_SOCKET="+note.name)
	}
	cmd.Dir = c.spec.Dir
	out := &lineWriter{line: c.output}
	cmd.Stdout, cmd.Stderr = out, out
	cmd.WaitDelay = pipeGrace
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Credential: c.spec.Credential,
		Setpgid:    true, // Ctrl-C in a terminal is for the parent, which stops in order
		Pdeathsig:  c.spec.StopSignal,
	}
	started := make(chan error, 1)
	exited := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		if c.spec.SuppressSync {
			if err := suppressSync(); err != nil {
				c.log.Warn("the child runs with every write synchronous", "err", err)
			}
		}
		err := cmd.Start()
		started <- err
		if err != nil {
			return
		}
		err = cmd.Wait()
		out.flush()
		exited <- err
	}()
	if err := <-started; err != nil {
		return nil, nil, err
	}
	return cmd, exited, nil
}

// watch follows a started process to its end.
func (c *Child) watch(ctx context.Context, cmd *exec.Cmd, exited <-chan error, note *notifySocket) error {
	readyCtx, cancel := context.WithTimeout(ctx, c.spec.ReadyTimeout)
	ready := make(chan error, 1)
	go func() { ready <- c.ready(readyCtx, cmd.Process.Pid, note) }()
	waiting := true
	defer func() {
		cancel()
		if waiting {
			<-ready
		}
	}()
	for {
		select {
		case <-ctx.Done():
			c.stop(cmd, exited)
			return ctx.Err()
		case err := <-exited:
			return c.describe(exitReason(err))
		case err := <-ready:
			waiting = false
			if err != nil && ctx.Err() == nil {
				c.stop(cmd, exited)
				return c.describe(fmt.Errorf("it did not become ready: %w", err))
			}
			if err == nil {
				c.log.Info("child is ready", "pid", cmd.Process.Pid)
				c.set(func() { c.up, c.fails, c.lastErr = true, 0, nil })
			}
			ready = nil
		}
	}
}

func (c *Child) ready(ctx context.Context, pid int, note *notifySocket) error {
	if note != nil {
		if err := note.wait(ctx); err != nil {
			return err
		}
	}
	if c.spec.Ready == nil {
		return nil
	}
	return c.spec.Ready(ctx, pid)
}

// stop asks the process to end and kills it when it does not.
func (c *Child) stop(cmd *exec.Cmd, exited <-chan error) {
	if err := cmd.Process.Signal(c.spec.StopSignal); err != nil && !errors.Is(err, os.ErrProcessDone) {
		c.log.Warn("child cannot be told to stop", "err", err)
	}
	t := time.NewTimer(c.spec.StopTimeout)
	defer t.Stop()
	select {
	case <-exited:
		return
	case <-t.C:
	}
	c.log.Warn("child did not stop in time, killing it", "pid", cmd.Process.Pid, "after", c.spec.StopTimeout)
	if err := syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		c.log.Warn("child cannot be killed", "err", err)
	}
	<-exited
}

func (c *Child) output(line string) {
	c.tail.add(line)
	c.log.Debug("child says", "line", line)
}

// exitReason words how a process ended; nil is an end without being asked.
func exitReason(err error) error {
	if err == nil {
		return errors.New("it ended by itself (exit status 0)")
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		if ws, ok := exit.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
			return fmt.Errorf("it was killed by signal %d (%s)", ws.Signal(), ws.Signal())
		}
		return fmt.Errorf("it ended with exit status %d", exit.ExitCode())
	}
	return err
}
