package docker

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/docker/docker/api/types/container"

	"paas/scheduler/agent"
)

// detachKeys would take the client off its process. There is no way to have
// none, so they are many, and begin with a key that is no use alone: the first
// key of the row is held back until the next one.
const detachKeys = "ctrl-@,ctrl-_,ctrl-],ctrl-^,ctrl-@,ctrl-],ctrl-_,ctrl-^,ctrl-@,ctrl-^,ctrl-_,ctrl-],ctrl-@,ctrl-_,ctrl-^,ctrl-]"

// Attach connects io to the main process of a container that Start created
// with Attach, and starts it then, so that no byte is lost. It returns when
// the output has ended or ctx has; the process is not stopped.
func (r *Runtime) Attach(ctx context.Context, instance string, o agent.IO, ready func()) error {
	done := r.reading(instance) // a removal lets it read to the end
	defer done()
	id, err := r.find(ctx, instance)
	if err != nil {
		return err
	}
	tty, err := r.attachable(ctx, id)
	if err != nil {
		return err
	}
	w, err := r.hijack(ctx, "/containers/"+id+"/attach?stream=1&stdin=1&stdout=1&stderr=1&detachKeys="+escapedKeys(), nil)
	if err != nil {
		return r.fault("attach to container "+id, err)
	}
	defer w.Close() //nolint:errcheck // what counts was read
	if err := r.begin(ctx, id); err != nil {
		return err
	}
	ready()
	ctx, cancel := context.WithCancel(ctx)
	var sizing sync.WaitGroup
	defer sizing.Wait()
	defer cancel()
	if tty {
		sizing.Go(func() { sizes(ctx, o.Resize, r.resizer(id)) })
	}
	if err := converse(ctx, w, tty, o); err != nil {
		return fmt.Errorf("connection to container %s: %w", id, err)
	}
	// The output ends with the process, or because the process closed it: an
	// engine that went away does not answer now.
	_, err = r.over(ctx, id)
	return err
}

func escapedKeys() string {
	return strings.NewReplacer("@", "%40", ",", "%2C", "]", "%5D", "^", "%5E").Replace(detachKeys)
}

// attachable says whether a container waits to be attached to, and whether it
// has a terminal.
func (r *Runtime) attachable(ctx context.Context, id string) (tty bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, r.cfg.CallTimeout)
	defer cancel()
	in, err := r.cli.ContainerInspect(ctx, id)
	switch {
	case err != nil:
		return false, r.fault("inspect container "+id, err)
	case in.State == nil || in.State.Status != "created":
		return false, lasting("attach to container %s: its process has been started before, and that can be done once", id)
	case in.Config == nil || !in.Config.OpenStdin:
		return false, lasting("attach to container %s: it was not made to be attached to", id)
	}
	return in.Config.Tty, nil
}

// begin starts a container that was created.
func (r *Runtime) begin(ctx context.Context, id string) error {
	ctx, cancel := context.WithTimeout(ctx, r.cfg.StartTimeout)
	defer cancel()
	if err := r.cli.ContainerStart(ctx, id, container.StartOptions{}); err != nil {
		return startFault(r.fault("start container", err))
	}
	return nil
}

// resizer sets the size of the main process's terminal.
func (r *Runtime) resizer(id string) func(context.Context, agent.WindowSize) {
	return func(ctx context.Context, s agent.WindowSize) {
		ctx, cancel := context.WithTimeout(ctx, r.cfg.CallTimeout)
		defer cancel()
		o := container.ResizeOptions{Height: uint(s.Rows), Width: uint(s.Cols)}
		if err := r.cli.ContainerResize(ctx, id, o); err != nil && ctx.Err() == nil {
			r.log.Debug("set the size of a terminal", "container", id, "err", err)
		}
	}
}
