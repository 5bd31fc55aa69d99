package api

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

// TerminalPatience is how long a client hears nothing of a server, not even a
// ping, before it takes the connection for lost.
const TerminalPatience = 60 * time.Second

// Messages is the WebSocket below a link. Send may be called by many at once
// and takes no longer than its own limit; Receive is called by one.
type Messages interface {
	Send(message []byte) error
	Receive() ([]byte, error)
}

// Link is one end of a terminal session: it keeps both windows. What arrives
// is taken by Read or Copy as fast as they can; Serve never waits for that.
// Close ends everything that waits.
type Link struct {
	m       Messages
	control func(Frame) error
	heard   atomic.Int64 // Unix nanoseconds

	mu      sync.Mutex
	wake    sync.Cond
	queue   []Frame // streams that arrived
	queued  int     // bytes in queue
	taken   int     // bytes since the last grant
	ended   bool    // EOF has come
	unread  bool    // nobody reads any more
	credit  int     // bytes that may be sent
	closed  error
	sending sync.Mutex // one grant at a time, in order
}

// ErrLinkClosed is what a closed link's users get when nothing else is known.
var ErrLinkClosed = errors.New("the session has ended")

// NewLink makes one. control gets every frame that is not of a stream, window
// or EOF, while Serve runs; its error ends the link.
func NewLink(m Messages, control func(Frame) error) *Link {
	l := &Link{m: m, control: control, credit: TerminalWindow}
	l.wake.L = &l.mu
	l.Heard()
	return l
}

// Heard notes a sign of life of the other side.
func (l *Link) Heard() { l.heard.Store(time.Now().UnixNano()) }

// Silence is the time since the last one.
func (l *Link) Silence() time.Duration { return time.Since(time.Unix(0, l.heard.Load())) }

// Serve receives until the connection or control fails, and closes the link.
func (l *Link) Serve() error {
	for {
		b, err := l.m.Receive()
		if err == nil {
			l.Heard()
			err = l.receive(b)
		}
		if err != nil {
			l.Close(err)
			return err
		}
	}
}

func (l *Link) receive(b []byte) error {
	f, err := ParseFrame(b)
	if err != nil {
		return err
	}
	switch {
	case f.Channel.stream():
		return l.enqueue(f)
	case f.Channel == ChannelEOF:
		l.change(func() { l.ended = true })
		return nil
	case f.Channel == ChannelWindow:
		l.change(func() { l.credit = min(l.credit+int(f.Grant), TerminalWindow) })
		return nil
	}
	return l.control(f)
}

func (l *Link) change(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f()
	l.wake.Broadcast()
}

// enqueue keeps what arrived. Small pieces are joined, so that the memory of a
// queue is bounded by the window however it was cut.
func (l *Link) enqueue(f Frame) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended || l.queued+len(f.Data) > TerminalWindow {
		return fmt.Errorf("%w: more than its window", errFrame)
	}
	if l.unread {
		return nil
	}
	l.queued += len(f.Data)
	if n := len(l.queue); n > 0 && l.queue[n-1].Channel == f.Channel && len(l.queue[n-1].Data)+len(f.Data) <= MaxTerminalMessage {
		l.queue[n-1].Data = append(l.queue[n-1].Data, f.Data...)
	} else {
		l.queue = append(l.queue, f)
	}
	l.wake.Broadcast()
	return nil
}

// next gives the next piece of a stream, io.EOF at its end, or why there is none.
// Whoever has used it grants its bytes back with took.
func (l *Link) next(most int) (Frame, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.queue) == 0 && !l.ended && !l.unread && l.closed == nil {
		l.wake.Wait()
	}
	if l.unread {
		return Frame{}, ErrLinkClosed
	}
	if len(l.queue) == 0 {
		if l.ended {
			return Frame{}, io.EOF
		}
		return Frame{}, l.closed
	}
	f := l.queue[0]
	if len(f.Data) > most {
		l.queue[0].Data = f.Data[most:]
		f.Data = f.Data[:most:most]
	} else {
		l.queue[0] = Frame{}
		l.queue = l.queue[1:]
	}
	l.queued -= len(f.Data)
	return f, nil
}

// took counts bytes that went to where they belong, and grants them anew when
// they are worth a message.
func (l *Link) took(n int) {
	l.sending.Lock()
	defer l.sending.Unlock()
	l.mu.Lock()
	l.taken += n
	grant := 0
	if l.taken >= TerminalWindow/4 {
		grant, l.taken = l.taken, 0
	}
	l.mu.Unlock()
	if grant > 0 {
		// When it fails so does Serve, which tells why.
		_ = l.m.Send(Frame{Channel: ChannelWindow, Grant: uint32(grant)}.Encode())
	}
}

// Read reads the one stream that arrives (stdin); io.EOF is its end.
func (l *Link) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	f, err := l.next(len(p))
	if err != nil {
		return 0, err
	}
	n := copy(p, f.Data)
	l.took(n)
	return n, nil
}

// Copy writes what arrives on stdout and stderr until the link ends, and gives
// the error of a writer, or nil. It has written everything that arrived.
func (l *Link) Copy(stdout, stderr io.Writer) error {
	for {
		f, err := l.next(MaxTerminalMessage)
		if err != nil {
			return nil // Serve tells why
		}
		w := stdout
		if f.Channel == ChannelStderr {
			w = stderr
		}
		if _, err := w.Write(f.Data); err != nil {
			return err
		}
		l.took(len(f.Data))
	}
}

// CloseInput drops what arrives from now on, and ends a Read that waits.
func (l *Link) CloseInput() {
	l.change(func() { l.unread, l.queue, l.queued = true, nil, 0 })
}

// Close ends the link: reads and writes fail with cause once what has arrived
// was read.
func (l *Link) Close(cause error) {
	if cause == nil {
		cause = ErrLinkClosed
	}
	l.change(func() {
		if l.closed == nil {
			l.closed = cause
		}
	})
}

// Send sends a frame that no window counts.
func (l *Link) Send(f Frame) error { return l.m.Send(f.Encode()) }

// Writer sends what is written on a channel and waits where the other side's
// window is used up.
func (l *Link) Writer(c Channel) io.Writer { return linkWriter{l, c} }

type linkWriter struct {
	l *Link
	c Channel
}

func (w linkWriter) Write(p []byte) (int, error) {
	sent := 0
	for sent < len(p) {
		n, err := w.l.spend(min(len(p)-sent, MaxTerminalMessage-1))
		if err != nil {
			return sent, err
		}
		if err := w.l.m.Send(Frame{Channel: w.c, Data: p[sent : sent+n]}.Encode()); err != nil {
			return sent, err
		}
		sent += n
	}
	return sent, nil
}

// spend takes up to n bytes of the window, at least one.
func (l *Link) spend(n int) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.credit == 0 && l.closed == nil {
		l.wake.Wait()
	}
	if l.closed != nil {
		return 0, l.closed
	}
	n = min(n, l.credit)
	l.credit -= n
	return n, nil
}
