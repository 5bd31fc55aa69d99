package server

import (
	"context"
	"sync"
	"time"
)

// pumpBytes is how much of a log waits for a client at most; then its reader
// waits, and the log counts for it what it misses (L11).
const pumpBytes = 256 << 10

// LogPump writes log lines to a client in a goroutine of its own: what comes
// while one write is under way goes out with the next. A single line goes at
// once, and a flood does not cost a system call a line.
type LogPump struct {
	ctx   context.Context
	to    LogSink
	wake  chan struct{} // something to write, or the end
	room  chan struct{} // something was written
	ended chan struct{}
	done  sync.WaitGroup

	mu  sync.Mutex
	buf []byte
	err error
}

// LogSink is a client of a LogPump.
type LogSink struct {
	// Encode appends a line as the client reads it.
	Encode func(dst []byte, l LogLine) []byte
	// Write sends what Encode made of one line or more.
	Write func(batch []byte) error
	Pause time.Duration // between two writes at least
}

// PumpLog begins; Line is for Service.Logs, End must be called.
func PumpLog(ctx context.Context, to LogSink) *LogPump {
	p := &LogPump{ctx: ctx, to: to, wake: make(chan struct{}, 1), room: make(chan struct{}, 1), ended: make(chan struct{})}
	p.done.Go(p.run)
	return p
}

func ring(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Line takes one line; it waits while the client is too far behind.
func (p *LogPump) Line(l LogLine) error {
	for {
		p.mu.Lock()
		err, full := p.err, len(p.buf) > pumpBytes
		if err == nil && !full {
			p.buf = p.to.Encode(p.buf, l)
		}
		p.mu.Unlock()
		if err != nil || !full {
			ring(p.wake)
			return err
		}
		select {
		case <-p.room:
		case <-p.ctx.Done():
			return p.ctx.Err()
		}
	}
}

func (p *LogPump) run() {
	var spare []byte
	for over := false; !over; {
		select {
		case <-p.wake:
		case <-p.ended:
			over = true
		}
		p.mu.Lock()
		batch := p.buf
		p.buf = spare[:0]
		p.mu.Unlock()
		if len(batch) > 0 {
			p.write(batch)
		}
		spare = batch
	}
}

func (p *LogPump) write(batch []byte) {
	if err := p.to.Write(batch); err != nil {
		p.mu.Lock()
		p.err = err
		p.mu.Unlock()
	}
	ring(p.room)
	if p.to.Pause > 0 {
		select {
		case <-time.After(p.to.Pause):
		case <-p.ended:
		}
	}
}

// End writes what is left and gives the first error of writing.
func (p *LogPump) End() error {
	close(p.ended)
	p.done.Wait()
	return p.err
}
