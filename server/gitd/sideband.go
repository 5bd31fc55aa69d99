package gitd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"
)

const (
	bandData     = 1     // the report
	bandProgress = 2     // what git shows as "remote: …"
	maxBand      = 65515 // bytes of payload in one packet
	maxPending   = 16 << 10

	keepaliveEvery = 10 * time.Second
	lineWait       = time.Second // a line without an end is shown after this
)

var errGone = errors.New("the pusher is gone")

// sideband multiplexes what a pusher sees and the report onto one connection.
// A pusher without side-band sees nothing but the report.
type sideband struct {
	out io.Writer
	on  bool

	mu   sync.Mutex
	buf  []byte // packet under construction
	err  error
	last time.Time // of the last packet
}

// packet sends data in as many packets as it takes; empty data is one packet
// without payload.
func (s *sideband) packet(band byte, data []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.err == nil {
		n := min(len(data), maxBand)
		s.buf = fmt.Appendf(s.buf[:0], "%04x", n+5)
		s.buf = append(append(s.buf, band), data[:n]...)
		if _, err := s.out.Write(s.buf); err != nil {
			s.err = errors.Join(errGone, err)
			break
		}
		s.last = time.Now()
		if data = data[n:]; len(data) == 0 {
			return nil
		}
	}
	return s.err
}

// report sends the report-status lines, which are pkt-lines of their own.
func (s *sideband) report(lines []byte) error {
	if s.on {
		return errors.Join(s.packet(bandData, lines), s.flush())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	_, err := s.out.Write(lines)
	return err
}

func (s *sideband) flush() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		_, s.err = io.WriteString(s.out, "0000")
	}
	return s.err
}

// idle is how long nothing was sent.
func (s *sideband) idle() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Since(s.last)
}

// progress is the writer of what the pusher sees. It sends whole lines, made
// safe for a terminal. Writing never fails once the pusher is gone: the deploy
// goes on without an audience.
type progress struct {
	band *sideband

	mu      sync.Mutex
	pending []byte // an unfinished line
	safe    []byte
	stop    context.CancelFunc
	done    chan struct{}
}

// newProgress begins showing; the pusher's connection is kept alive until close.
func newProgress(ctx context.Context, band *sideband, every time.Duration) *progress {
	ctx, stop := context.WithCancel(ctx)
	p := &progress{band: band, stop: stop, done: make(chan struct{})}
	go p.keepalive(ctx, every)
	return p
}

func (p *progress) Write(data []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pending = append(p.pending, data...)
	end := bytes.LastIndexAny(p.pending, "\n\r") + 1
	if len(p.pending)-end > maxPending { // a line without an end
		end = len(p.pending)
	}
	p.send(end)
	return len(data), nil
}

// send shows the first n pending bytes.
func (p *progress) send(n int) {
	if n == 0 {
		return
	}
	if p.band.on {
		p.safe = sanitize(p.safe[:0], p.pending[:n])
		p.band.packet(bandProgress, p.safe) //nolint:errcheck // gone; see progress
	}
	p.pending = append(p.pending[:0], p.pending[n:]...)
}

// keepalive sends an empty packet whenever nothing was sent for a while, so
// that neither the pusher nor anything between us takes the line for dead.
func (p *progress) keepalive(ctx context.Context, every time.Duration) {
	defer close(p.done)
	tick := time.NewTicker(min(every, lineWait))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		idle := p.band.idle()
		if idle >= lineWait {
			p.mu.Lock()
			p.send(len(p.pending))
			p.mu.Unlock()
		}
		if idle >= every && p.band.on {
			p.band.packet(bandProgress, nil) //nolint:errcheck // gone; see progress
		}
	}
}

// say shows one line, on a line of its own.
func (p *progress) say(format string, args ...any) {
	p.mu.Lock()
	if len(p.pending) > 0 {
		p.pending = append(p.pending, '\n')
	}
	p.mu.Unlock()
	fmt.Fprintf(p, format+"\n", args...)
}

// close shows what is left, ending its line, and stops the keepalive.
func (p *progress) close() {
	p.stop()
	<-p.done
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.pending) > 0 {
		p.pending = append(p.pending, '\n')
		p.send(len(p.pending))
	}
}
