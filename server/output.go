package server

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"sync"
	"time"
)

const (
	// maxOutput bounds what is kept of one deploy's output.
	maxOutput = 10 << 20
	// maxOutputEnd is what is kept of the end of an output beyond that: how
	// the deploy ended and why is said last. At times it is twice as much.
	maxOutputEnd = 4 << 10
)

// outputs holds the output of the deploys this process works on: followers
// read it as it grows, and it is written to the store in the background.
type outputs struct {
	store DeployStore
	log   *slog.Logger

	mu   sync.Mutex
	open map[string]*Output
}

// Output is what one deploy says to the pusher. It is an io.Writer; a write
// never fails and never blocks on a follower.
type Output struct {
	mu     sync.Mutex
	buf    []byte
	full   bool
	end    []byte // the newest of what came when it was full
	closed bool
	whole  bool          // the deploy is over: nobody else says more of it
	change chan struct{} // closed and replaced with each change
	saved  int
}

func newOutputs(store DeployStore, log *slog.Logger) *outputs {
	return &outputs{store: store, log: log, open: map[string]*Output{}}
}

// start opens a deploy's output; what an earlier attempt wrote stays in front.
func (o *outputs) start(ctx context.Context, deployID string) (*Output, error) {
	before, err := o.store.Output(ctx, deployID)
	if err != nil {
		return nil, err
	}
	out := &Output{buf: before, saved: len(before), change: make(chan struct{})}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.open[deployID] = out
	return out, nil
}

func (o *outputs) get(deployID string) *Output {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.open[deployID]
}

// save writes what is new to the store each interval until the output closes.
func (o *outputs) save(ctx context.Context, deployID string, out *Output, every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		changed, closed := out.watch()
		o.flush(ctx, deployID, out)
		if closed {
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

func (o *outputs) flush(ctx context.Context, deployID string, out *Output) {
	chunk := out.unsaved()
	if len(chunk) == 0 {
		return
	}
	if err := o.store.AppendOutput(ctx, deployID, chunk); err != nil {
		o.log.Warn("keep deploy output", "deploy", deployID, "err", err)
		return
	}
	out.mu.Lock()
	out.saved += len(chunk)
	out.mu.Unlock()
}

// finish closes an output, stores the rest and forgets it: from now on it is
// read from the store.
func (o *outputs) finish(ctx context.Context, deployID string, out *Output) {
	out.Close()
	o.flush(ctx, deployID, out)
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.open[deployID] == out {
		delete(o.open, deployID)
	}
}

func (out *Output) unsaved() []byte {
	out.mu.Lock()
	defer out.mu.Unlock()
	return bytes.Clone(out.buf[out.saved:])
}

func (out *Output) Write(p []byte) (int, error) {
	out.mu.Lock()
	defer out.mu.Unlock()
	if out.closed {
		return len(p), nil
	}
	if out.full {
		if out.end = append(out.end, p...); len(out.end) > 2*maxOutputEnd {
			out.end = append(out.end[:0], out.end[len(out.end)-maxOutputEnd:]...)
		}
		return len(p), nil
	}
	out.buf = append(out.buf, p...)
	if len(out.buf) > maxOutput {
		out.full = true
		out.end = bytes.Clone(out.buf[max(maxOutput, len(out.buf)-maxOutputEnd):])
		out.buf = append(out.buf[:maxOutput], "\n !     The output is longer than 10 MB; of the rest only the end is shown.\n"...)
	}
	out.wake()
	return len(p), nil
}

// Close ends the output; followers get to its end.
func (out *Output) Close() {
	out.mu.Lock()
	defer out.mu.Unlock()
	if !out.closed {
		out.closed = true
		if _, whole, found := bytes.Cut(out.end, []byte("\n")); found { // its first line may be half
			out.buf = append(out.buf, whole...)
		}
		out.wake()
	}
}

// closeAs closes it and says whether nobody else will say more.
func (out *Output) closeAs(whole bool) {
	out.mu.Lock()
	out.whole = whole
	out.mu.Unlock()
	out.Close()
}

func (out *Output) isWhole() bool {
	out.mu.Lock()
	defer out.mu.Unlock()
	return out.whole
}

func (out *Output) wake() {
	close(out.change)
	out.change = make(chan struct{})
}

func (out *Output) watch() (<-chan struct{}, bool) {
	out.mu.Lock()
	defer out.mu.Unlock()
	return out.change, out.closed
}

// copyTo writes everything from offset on to w until the output closes or ctx
// ends, and gives the offset it came to.
func (out *Output) copyTo(ctx context.Context, w io.Writer, offset int) (int, error) {
	for {
		out.mu.Lock()
		chunk := bytes.Clone(out.buf[min(offset, len(out.buf)):])
		change, closed := out.change, out.closed
		out.mu.Unlock()
		if len(chunk) > 0 {
			if _, err := w.Write(chunk); err != nil {
				return offset, err
			}
			offset += len(chunk)
			continue
		}
		if closed {
			return offset, nil
		}
		select {
		case <-change:
		case <-ctx.Done():
			return offset, ctx.Err()
		}
	}
}
