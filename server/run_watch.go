package server

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math"
	"sync"
	"time"
)

const (
	// runStart is how long one of the platform's own runs may wait for a host
	// and its image.
	runStart = 5 * time.Minute
)

// runWatch follows a run to its end: what it prints goes to the pusher as it
// comes and into the store, where it outlives the app's log.
type runWatch struct {
	p    *Pipeline
	run  Run
	out  io.Writer
	told string // why it waits, as last said

	mu      sync.Mutex
	last    time.Time // of the newest line
	same    int       // how many lines of that time were taken
	unsaved bytes.Buffer
	savedAt time.Time // of the last line that is written down
}

// toEnd returns when the run has ended and its last line was taken.
func (w *runWatch) toEnd(ctx context.Context) (Run, error) {
	_, at, err := w.p.store.RunOutput(ctx, w.run.ID)
	if err != nil {
		return w.run, err
	}
	if !at.IsZero() { // an earlier attempt came as far
		w.last, w.same = at, math.MaxInt
	}
	following, stop := context.WithCancel(ctx)
	var readers sync.WaitGroup
	readers.Go(func() { w.read(following, true) })
	readers.Go(func() { w.saveEach(ctx, following.Done()) })
	run, err := w.await(ctx)
	stop()
	readers.Wait()
	if err != nil {
		return run, err
	}
	w.read(ctx, false) // what came between the last line that was followed and the end
	w.save(ctx)
	return run, nil
}

// await waits for the end. One that does not come to run is given up.
func (w *runWatch) await(ctx context.Context) (Run, error) {
	began := time.Now()
	overdue := func(r Run) bool { return r.State == RunPending && time.Since(began) > runStart }
	r, err := awaitRun(ctx, w.p.store, w.p.bell, w.run, func(r Run) bool {
		w.tellWaiting(r)
		return r.State.Final() || overdue(r)
	})
	if err != nil || r.State.Final() {
		return r, err
	}
	if err := w.p.store.StopRun(ctx, r.AppID, r.ID, "paas", fmt.Sprintf("it could not start within %s", runStart)); err != nil {
		return r, err
	}
	return r, Errorf(ErrUnavailable, "The %s command could not start within %s: %s.", r.Type, runStart, or(r.Reason, "it waits for its host"))
}

func (w *runWatch) tellWaiting(r Run) {
	if r.State == RunPending && r.Reason != "" && r.Reason != w.told {
		w.told = r.Reason
		fmt.Fprintf(w.out, "       %s waits: %s\n", r.Name(), r.Reason)
	}
}

// read takes the run's lines from the log, each once, and in their place the
// host's notes of how many it dropped: an output with holes says so.
func (w *runWatch) read(ctx context.Context, tail bool) {
	w.mu.Lock()
	last, skip := w.last, w.same
	w.mu.Unlock()
	q := LogQuery{AppID: w.run.AppID, Dyno: w.run.Name(), Tail: tail}
	err := w.p.logs.Read(ctx, q, func(l LogLine) error {
		switch {
		case l.Instance != w.run.ID || l.At.Before(last):
			return nil
		case l.At.Equal(last) && skip > 0:
			skip--
			return nil
		}
		w.take(l)
		return nil
	})
	if err != nil && ctx.Err() == nil {
		w.p.log.Warn("read the output of a run", "app", w.run.App, "instance", w.run.ID, "err", err)
	}
}

func (w *runWatch) take(l LogLine) {
	fmt.Fprintf(w.out, "       %s\n", l.Text)
	w.mu.Lock()
	defer w.mu.Unlock()
	if !l.At.Equal(w.last) {
		w.last, w.same = l.At, 0
	}
	w.same++
	w.unsaved.WriteString(l.Text)
	w.unsaved.WriteByte('\n')
	w.savedAt = l.At
}

// saveEach writes down what came, until the end.
func (w *runWatch) saveEach(ctx context.Context, end <-chan struct{}) {
	tick := time.NewTicker(saveEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			w.save(ctx)
		case <-end:
			return
		}
	}
}

// save writes down what came since the last time. What cannot be written
// waits, within the bound of what is kept at all.
func (w *runWatch) save(ctx context.Context) {
	w.mu.Lock()
	chunk, at := bytes.Clone(w.unsaved.Bytes()), w.savedAt
	w.unsaved.Reset()
	w.mu.Unlock()
	if len(chunk) == 0 {
		return
	}
	err := w.p.store.AppendRunOutput(ctx, w.run.ID, at, chunk)
	if err == nil {
		return
	}
	if ctx.Err() == nil {
		w.p.log.Warn("keep the output of a run", "app", w.run.App, "instance", w.run.ID, "err", err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	chunk = append(chunk, w.unsaved.Bytes()...)
	w.unsaved.Reset()
	w.unsaved.Write(chunk[max(0, len(chunk)-MaxRunOutput):])
}
