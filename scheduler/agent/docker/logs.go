package docker

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/docker/docker/api/types/container"

	"paas/scheduler/agent"
)

// overlap is how far before the cursor reading starts again. Times that were
// made distinct (see lines.at) come out the same on the second reading only
// when it starts before them; what was told already is dropped by its time.
const overlap = time.Millisecond

// Logs follows the output of an instance from since (exclusive) until the
// process has ended or ctx ends. Lines are in order, their times strictly
// increase, and a line of more than 10,000 bytes comes in pieces of that size.
func (r *Runtime) Logs(ctx context.Context, instance string, since time.Time, line func(at time.Time, text string)) error {
	done := r.reading(instance)
	defer done()
	id, err := r.find(ctx, instance)
	if err != nil {
		return err
	}
	o := container.LogsOptions{ShowStdout: true, ShowStderr: true, Timestamps: true, Follow: true}
	// The engine may end the stream before it has written the last lines, and
	// ends it also when it stops itself. Only a reading that began after the
	// end of the process is complete.
	for over := false; ; {
		err := r.readLogs(ctx, id, o, since, over, func(at time.Time, text string) {
			since = at
			line(at, text)
		})
		if missing(err) {
			return fmt.Errorf("instance %s: %w", instance, agent.ErrNoContainer)
		}
		if err != nil || over {
			return r.fault("follow output of container "+id, err)
		}
		if over, err = r.over(ctx, id); err != nil {
			return err
		}
	}
}

// over is true when the process has ended. It waits a little for that.
func (r *Runtime) over(ctx context.Context, id string) (bool, error) {
	short, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	_, err := r.wait(short, id)
	switch {
	case err == nil, missing(err):
		return true, nil
	case ctx.Err() != nil:
		return false, ctx.Err()
	case short.Err() != nil:
		return false, nil
	}
	return false, r.fault("look whether container "+id+" has ended", err)
}

// readLogs reads one stream to its end. The last line may have no line end
// when the stream is final.
func (r *Runtime) readLogs(ctx context.Context, id string, o container.LogsOptions, since time.Time, final bool, line func(time.Time, string)) error {
	if !since.IsZero() {
		from := since.Add(-overlap)
		o.Since = fmt.Sprintf("%d.%09d", from.Unix(), from.Nanosecond())
	}
	stream, err := r.openLogs(ctx, id, o)
	if err != nil {
		return err
	}
	defer stream.Close() //nolint:errcheck // read-only
	if err := split(stream, since, final, line); err != nil && ctx.Err() == nil {
		return err
	}
	return ctx.Err()
}

// openLogs bounds the wait for the answer, not the stream after it.
func (r *Runtime) openLogs(ctx context.Context, id string, o container.LogsOptions) (io.ReadCloser, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	slow := time.AfterFunc(r.cfg.CallTimeout, func() { cancel(context.DeadlineExceeded) })
	stream, err := r.cli.ContainerLogs(ctx, id, o)
	if !slow.Stop() && err != nil {
		err = context.DeadlineExceeded
	}
	if err != nil {
		cancel(nil)
		return nil, err
	}
	return &cancelled{ReadCloser: stream, cancel: func() { cancel(nil) }}, nil
}

// cancelled frees its context when it is closed.
type cancelled struct {
	io.ReadCloser
	cancel func()
}

func (c *cancelled) Close() error {
	c.cancel()
	return c.ReadCloser.Close()
}

// reading counts those who follow one instance; gone closes when none is left.
type reading struct {
	count int
	gone  chan struct{}
}

// reading notes a follower, so that a removal lets it read to the end.
func (r *Runtime) reading(instance string) (done func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f := r.readers[instance]
	if f == nil {
		f = &reading{gone: make(chan struct{})}
		r.readers[instance] = f
	}
	f.count++
	return sync.OnceFunc(func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		if f.count--; f.count == 0 {
			delete(r.readers, instance)
			close(f.gone)
		}
	})
}

// drained waits until the followers of an ended instance have read all.
func (r *Runtime) drained(ctx context.Context, instance string) {
	r.mu.Lock()
	f := r.readers[instance]
	r.mu.Unlock()
	if f == nil {
		return
	}
	limit := time.NewTimer(drainLimit)
	defer limit.Stop()
	select {
	case <-f.gone:
	case <-limit.C:
		r.log.Warn("removing a container whose output was not read to the end", "instance", instance)
	case <-ctx.Done():
	}
}
