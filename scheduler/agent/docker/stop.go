package docker

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"

	"paas/scheduler/agent"
)

const (
	killed = 128 + 9 // exit code of a process that SIGKILL ended
	// drainLimit bounds how long a removal waits for the followers of the
	// output to read the last lines.
	drainLimit = 3 * time.Second
)

// Stop sends SIGTERM, SIGKILL after grace (at once when it is not positive),
// and removes the container with its config files. Whoever follows its output
// gets the last lines first. No container, or one whose process ended before,
// is no error.
//
// SIGTERM goes to the main process alone; the engine has no way to reach the
// others. A shell that runs the program as its child dies of it, or waits and
// does not pass it on: either way the program learns nothing and is killed. So
// commands that need a shell begin with exec (server.Argv sees to it).
func (r *Runtime) Stop(ctx context.Context, instance string, grace time.Duration) error {
	id, err := r.find(ctx, instance)
	if errors.Is(err, agent.ErrNoContainer) {
		return r.files.remove(instance)
	}
	if err != nil {
		return err
	}
	if err := r.end(ctx, id, grace); err != nil {
		return err
	}
	r.drained(ctx, instance)
	if err := r.remove(ctx, id); err != nil {
		return err
	}
	return r.files.remove(instance)
}

// End is Stop without the removal.
func (r *Runtime) End(ctx context.Context, instance string, grace time.Duration) error {
	id, err := r.find(ctx, instance)
	if errors.Is(err, agent.ErrNoContainer) {
		return nil
	}
	if err != nil {
		return err
	}
	return r.end(ctx, id, grace)
}

// end makes the process end. One with a terminal is hung up on besides: a
// shell that talks to a person does not end at SIGTERM.
func (r *Runtime) end(ctx context.Context, id string, grace time.Duration) error {
	if grace > 0 {
		if err := r.hangUp(ctx, id); err != nil {
			return err
		}
		ended, err := r.signal(ctx, id, "SIGTERM", grace)
		if ended || err != nil {
			return err
		}
	}
	ended, err := r.signal(ctx, id, "SIGKILL", r.cfg.StartTimeout)
	if err == nil && !ended {
		err = fmt.Errorf("stop container %s: it runs %s after SIGKILL", id, r.cfg.StartTimeout)
	}
	return err
}

// hangUp sends SIGHUP to a process that has a terminal.
func (r *Runtime) hangUp(ctx context.Context, id string) error {
	ctx, cancel := context.WithTimeout(ctx, r.cfg.CallTimeout)
	defer cancel()
	in, err := r.cli.ContainerInspect(ctx, id)
	if missing(err) || err == nil && (in.Config == nil || !in.Config.Tty) {
		return nil
	}
	if err == nil {
		err = r.cli.ContainerKill(ctx, id, "SIGHUP")
	}
	if err != nil && !stopped(err) {
		return r.fault("send SIGHUP", err)
	}
	return nil
}

// stopped is true for the engine's answer that there is nothing to signal.
func stopped(err error) bool {
	return missing(err) || cerrdefs.IsConflict(err) || strings.Contains(err.Error(), "is not running")
}

// signal sends a signal and waits for the end, at most for patience.
func (r *Runtime) signal(ctx context.Context, id, name string, patience time.Duration) (ended bool, err error) {
	callCtx, cancel := context.WithTimeout(ctx, r.cfg.StartTimeout)
	defer cancel()
	err = r.cli.ContainerKill(callCtx, id, name)
	if err != nil && stopped(err) {
		return true, nil
	}
	if err != nil {
		return false, r.fault("send "+name, err)
	}
	waitCtx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	_, err = r.wait(waitCtx, id)
	switch {
	case err == nil, missing(err):
		return true, nil
	case ctx.Err() != nil:
		return false, ctx.Err()
	case waitCtx.Err() != nil:
		return false, nil
	}
	return false, r.fault("wait for the process to end", err)
}

// remove takes the container away, with the anonymous volumes of its image.
func (r *Runtime) remove(ctx context.Context, id string) error {
	ctx, cancel := context.WithTimeout(ctx, r.cfg.StartTimeout)
	defer cancel()
	for {
		err := r.cli.ContainerRemove(ctx, id, container.RemoveOptions{Force: true, RemoveVolumes: true})
		if err == nil || missing(err) {
			return nil
		}
		if !strings.Contains(err.Error(), "already in progress") {
			return r.fault("remove container "+id, err)
		}
		// Someone else removes it. There is nothing to wait on but its absence.
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return r.fault("remove container "+id, ctx.Err())
		}
	}
}

// Wait blocks until the container's process has ended. It has no deadline but
// its context's.
func (r *Runtime) Wait(ctx context.Context, instance string) (agent.Container, error) {
	id, err := r.find(ctx, instance)
	if err != nil {
		return agent.Container{}, err
	}
	code, err := r.wait(ctx, id)
	if missing(err) {
		return agent.Container{}, fmt.Errorf("instance %s: %w", instance, agent.ErrNoContainer)
	}
	if err != nil {
		return agent.Container{}, r.fault("wait for container "+id, err)
	}
	c, err := r.postMortem(ctx, id)
	if missing(err) { // removed in the meantime: the code is all there is
		return agent.Container{Instance: instance, ExitCode: code}, nil
	}
	if err == nil && c.Running {
		err = fmt.Errorf("wait for container %s: the engine said ended, but it runs", id)
	}
	return c, err
}

func (r *Runtime) wait(ctx context.Context, id string) (int, error) {
	ended, failed := r.cli.ContainerWait(ctx, id, container.WaitConditionNotRunning)
	select {
	case res := <-ended:
		if res.Error != nil {
			return 0, errors.New(res.Error.Message)
		}
		return int(res.StatusCode), nil
	case err := <-failed:
		return 0, err
	}
}

// postMortem inspects a container that ended. That it was killed for its
// memory is told to the engine apart from its end and may come a moment later.
func (r *Runtime) postMortem(ctx context.Context, id string) (agent.Container, error) {
	for try := 0; ; try++ {
		c, _, err := r.inspect(ctx, id)
		if err != nil || c.Running || c.OOM || c.ExitCode != killed || try == 5 {
			return c, err
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return c, nil
		}
	}
}
