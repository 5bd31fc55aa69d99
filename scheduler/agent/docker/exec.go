package docker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/docker/docker/api/types/container"

	"paas/scheduler/agent"
)

const (
	// initPath is the init that the engine puts into every container of ours.
	initPath = "/sbin/docker-init"
	// lookFirst and lookLast are the pauses between two looks at a process
	// that runs in a container; there is nothing to wait on.
	lookFirst = 10 * time.Millisecond
	lookLast  = time.Second
	// trailing is how long output is waited for after the process has ended:
	// something it left behind may hold it open for ever.
	trailing = 2 * time.Second
	// initFailed is how the init's word on a command it cannot run begins.
	initFailed = "[FATAL tini ("
	maxWord    = 8 << 10 // bytes of that word
)

// Exec runs another process in a running container, with its user and limits.
// It is run by an init of its own, which is parent to whatever it starts and
// loses: so all of it is found again when ctx ends. What it left running when
// it ended by itself stays.
func (r *Runtime) Exec(ctx context.Context, instance string, command []string, env map[string]string, tty bool, o agent.IO) (int, error) {
	e, err := r.newExecution(ctx, instance, command, env, tty)
	if err != nil {
		return 126, err
	}
	w, err := r.hijack(ctx, "/exec/"+e.id+"/start", container.ExecStartOptions{Tty: tty})
	if err != nil {
		err = r.fault("start a process in container "+e.container, err)
		if ctx.Err() != nil || agent.KindOf(err) == agent.FaultEngine { // it may run
			err = errors.Join(err, e.kill(context.WithoutCancel(ctx), tty))
		}
		return 126, err
	}
	defer w.Close() //nolint:errcheck // what counts was read
	ctx, leave := context.WithCancelCause(ctx)
	defer leave(nil)
	o = o.Lasting(leave)
	held := &initWord{to: o.Err}
	if tty {
		held.to = o.Out
		o.Out = held
	} else {
		o.Err = held
	}
	// The process goes before the connection: or it would see its input end,
	// and might take half of it for the whole.
	link, hangUp := context.WithCancel(context.WithoutCancel(ctx))
	defer hangUp()
	killed := make(chan error, 1)
	lives := context.AfterFunc(ctx, func() {
		killed <- e.kill(context.WithoutCancel(ctx), tty)
		hangUp()
	})
	err = e.accompany(link, w, tty, o)
	if !lives() {
		return 137, errors.Join(context.Cause(ctx), <-killed)
	}
	code, inspectErr := e.exitCode(ctx)
	if (code == 127 || code == 126) && held.only() {
		return code, commandFault(command[0], code)
	}
	return code, errors.Join(err, held.release(), inspectErr)
}

// commandFault says why a command did not run.
func commandFault(name string, code int) error {
	if code == 127 {
		return &agent.Fault{Kind: agent.FaultApp, Err: fmt.Errorf("%s: %w in the image", name, agent.ErrNotFound)}
	}
	return appFault("%s: the command is not executable", name)
}

// execution is one process that was started in a container besides its main one.
type execution struct {
	*Runtime
	container string
	id        string

	mu   sync.Mutex
	root process // the init of it, zero before it is known
}

func (r *Runtime) newExecution(ctx context.Context, instance string, command []string, env map[string]string, tty bool) (*execution, error) {
	vars, err := environ(env)
	if err != nil {
		return nil, err
	}
	id, err := r.find(ctx, instance)
	if err != nil {
		return nil, err
	}
	c, _, err := r.inspect(ctx, id)
	if missing(err) {
		return nil, fmt.Errorf("instance %s: %w", instance, agent.ErrNoContainer)
	}
	if err != nil {
		return nil, err
	}
	if !c.Running {
		return nil, fmt.Errorf("instance %s: %w", instance, agent.ErrNotRunning)
	}
	ctx, cancel := context.WithTimeout(ctx, r.cfg.CallTimeout)
	defer cancel()
	made, err := r.cli.ContainerExecCreate(ctx, id, container.ExecOptions{
		Cmd: append([]string{initPath, "-s", "--"}, command...), Env: vars, Tty: tty, DetachKeys: detachKeys,
		AttachStdin: true, AttachStdout: true, AttachStderr: true,
	})
	if err != nil {
		return nil, r.fault("make a process in container "+id, err)
	}
	return &execution{Runtime: r, container: id, id: made.ID}, nil
}

// accompany carries the streams until the output has ended or, soon after it,
// the process has.
func (e *execution) accompany(ctx context.Context, w *wire, tty bool, o agent.IO) error {
	ctx, cancel := context.WithCancel(ctx)
	var besides sync.WaitGroup
	defer besides.Wait()
	defer cancel()
	if tty {
		besides.Go(func() { sizes(ctx, o.Resize, e.resize) })
	}
	var cut atomic.Bool
	besides.Go(func() {
		if e.watch(ctx) != nil {
			return
		}
		select {
		case <-time.After(trailing):
			cut.Store(true)
			_ = w.Close() // ends the reading
		case <-ctx.Done():
		}
	})
	err := converse(ctx, w, tty, o)
	if cut.Load() {
		return nil
	}
	return err
}

// watch notes which process it is and waits for its end.
func (e *execution) watch(ctx context.Context) error {
	for pause := lookFirst; ; pause = min(2*pause, lookLast) {
		in, err := e.inspectExec(ctx)
		switch {
		case missing(err), err == nil && !in.Running && in.Pid != 0:
			return nil
		case err == nil && in.Pid != 0:
			e.know(in.Pid)
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (e *execution) inspectExec(ctx context.Context) (container.ExecInspect, error) {
	ctx, cancel := context.WithTimeout(ctx, e.cfg.CallTimeout)
	defer cancel()
	in, err := e.cli.ContainerExecInspect(ctx, e.id)
	return in, e.fault("look at a process in container "+e.container, err)
}

// exitCode waits until the engine knows it: it may lag behind the streams.
func (e *execution) exitCode(ctx context.Context) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, e.cfg.CallTimeout)
	defer cancel()
	for pause := lookFirst; ; pause = min(2*pause, lookLast) {
		in, err := e.inspectExec(ctx)
		if err == nil && !in.Running {
			if in.Pid == 0 && in.ExitCode != 0 {
				err = fmt.Errorf("start a process in container %s: the engine could not, and said why in the output", e.container)
			}
			return in.ExitCode, err
		}
		if err == nil {
			err = errors.New("its output has ended, but it runs on")
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return 137, err
		}
	}
}

func (e *execution) resize(ctx context.Context, s agent.WindowSize) {
	ctx, cancel := context.WithTimeout(ctx, e.cfg.CallTimeout)
	defer cancel()
	o := container.ResizeOptions{Height: uint(s.Rows), Width: uint(s.Cols)}
	if err := e.cli.ContainerExecResize(ctx, e.id, o); err != nil && ctx.Err() == nil {
		e.log.Debug("set the size of a terminal", "container", e.container, "err", err)
	}
}

// initWord holds the first line of output back when it may be the init's word
// that the command cannot be run, which is said better. It comes in pieces.
type initWord struct {
	to   io.Writer
	held []byte
	past bool // something was passed on
}

func (i *initWord) Write(p []byte) (int, error) {
	begins := len(i.held) == 0 && bytes.HasPrefix(p, []byte(initFailed))
	goesOn := len(i.held) > 0 && i.held[len(i.held)-1] != '\n'
	if !i.past && (begins || goesOn) && len(i.held)+len(p) < maxWord {
		i.held = append(i.held, p...)
		return len(p), nil
	}
	if err := i.release(); err != nil {
		return 0, err
	}
	i.past = true
	return i.to.Write(p)
}

// only says that nothing came but the init's word.
func (i *initWord) only() bool { return !i.past && len(i.held) > 0 }

func (i *initWord) release() error {
	p := i.held
	if len(p) == 0 {
		return nil
	}
	i.held, i.past = nil, true
	_, err := i.to.Write(p)
	return err
}
