package httpd

import (
	"context"
	"sync"

	"paas/server"
	"paas/server/api"
)

// pumpBytes is how much of a log waits for a client at most; then its reader
// waits, and the log counts for it what it misses (L11).
const pumpBytes = 256 << 10

// pump writes log lines to a stream in a goroutine of its own: what comes while
// one write is under way goes out with the next. A single line goes at once,
// and a flood does not cost a system call a line.
type pump struct {
	ctx  context.Context
	out  *stream
	wake chan struct{} // something to write, or the end
	room chan struct{} // something was written
	done sync.WaitGroup

	mu    sync.Mutex
	buf   []byte
	ended bool
	err   error
}

func startPump(ctx context.Context, out *stream) *pump {
	p := &pump{ctx: ctx, out: out, wake: make(chan struct{}, 1), room: make(chan struct{}, 1)}
	p.done.Go(p.write)
	return p
}

func ring(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// line takes one line; it waits while the client is too far behind.
func (p *pump) line(l server.LogLine) error {
	l.Text = api.Printable(l.Text, true)
	for {
		p.mu.Lock()
		err, full := p.err, len(p.buf) > pumpBytes
		if err == nil && !full {
			p.buf = append(server.AppendLogLine(p.buf, l), '\n')
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

func (p *pump) write() {
	var spare []byte
	for {
		<-p.wake
		p.mu.Lock()
		batch, ended := p.buf, p.ended
		p.buf = spare[:0]
		p.mu.Unlock()
		if len(batch) > 0 {
			if _, err := p.out.Write(batch); err != nil {
				p.mu.Lock()
				p.err = err
				p.mu.Unlock()
			}
			ring(p.room)
		}
		if ended {
			return
		}
		spare = batch
	}
}

// end writes what is left and gives the first error of writing.
func (p *pump) end() error {
	p.mu.Lock()
	p.ended = true
	p.mu.Unlock()
	ring(p.wake)
	p.done.Wait()
	return p.err
}
