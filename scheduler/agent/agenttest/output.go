package agenttest

import (
	"bytes"
	"context"
	"sync"
	"time"
)

// chunk is where a long line is cut.
const chunk = 10_000

type stamped struct {
	at   time.Time
	text string
}

// fakeOutput keeps what a process printed.
type fakeOutput struct {
	mu    sync.Mutex
	lines []stamped
	open  []byte
	over  bool
	more  chan struct{} // closed and replaced at each change
}

func newFakeOutput() *fakeOutput { return &fakeOutput{more: make(chan struct{})} }

func (o *fakeOutput) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, b := range bytes.SplitAfter(p, []byte{'\n'}) {
		o.open = append(o.open, bytes.TrimSuffix(b, []byte{'\n'})...)
		for len(o.open) > chunk {
			o.emit(o.open[:chunk])
			o.open = o.open[chunk:]
		}
		if bytes.HasSuffix(b, []byte{'\n'}) {
			o.emit(o.open)
			o.open = nil
		}
	}
	o.changed()
	return len(p), nil
}

func (o *fakeOutput) emit(text []byte) {
	at := time.Now().Round(0)
	if n := len(o.lines); n > 0 && !at.After(o.lines[n-1].at) {
		at = o.lines[n-1].at.Add(1)
	}
	o.lines = append(o.lines, stamped{at, string(text)})
}

func (o *fakeOutput) changed() {
	close(o.more)
	o.more = make(chan struct{})
}

func (o *fakeOutput) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.open) > 0 {
		o.emit(o.open)
	}
	o.over = true
	o.changed()
}

func (o *fakeOutput) follow(ctx context.Context, since time.Time, line func(time.Time, string)) error {
	for next := 0; ; {
		o.mu.Lock()
		fresh, over, more := o.lines[next:], o.over, o.more
		o.mu.Unlock()
		next += len(fresh)
		for _, l := range fresh {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if l.at.After(since) {
				line(l.at, l.text)
			}
		}
		if over {
			return nil
		}
		select {
		case <-more:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
