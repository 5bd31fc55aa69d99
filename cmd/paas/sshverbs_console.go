package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"

	"paas/server/api"
	"paas/server/gitd"
)

// console is the client's side of a command over SSH. A terminal there is raw
// all the time, so what the kernel does for a local one is done here: lines are
// edited and echoed, Ctrl-C ends the command, and "\n" begins a new line. While
// a process of a dyno has the terminal, none of that is done.
type console struct {
	g      gitd.Command
	cancel context.CancelFunc
	away   atomic.Bool // a process of a dyno has the terminal
	pump   sync.WaitGroup

	mu     sync.Mutex
	wake   sync.Cond
	ready  []byte // to be read
	line   []byte // being typed
	ended  error  // why no more comes
	closed bool   // nobody reads any more

	out  sync.Mutex
	last byte // that was written
}

const maxTyped = 4 << 10 // bytes that wait to be read

func openConsole(g gitd.Command, cancel context.CancelFunc) *console {
	c := &console{g: g, cancel: cancel}
	c.wake.L = &c.mu
	if g.Terminal != nil {
		c.pump.Go(c.read)
	}
	return c
}

// close ends the reading of keys and waits for that.
func (c *console) close() {
	_ = c.g.In.Close() // a pipe's never fails
	c.change(func() { c.closed = true })
	c.pump.Wait()
}

func (c *console) change(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f()
	c.wake.Broadcast()
}

// input is the command's stdin.
func (c *console) input() io.Reader {
	if c.g.Terminal == nil {
		return c.g.In
	}
	return (*keys)(c)
}

// writer is one of the command's outputs.
func (c *console) writer(w io.Writer) io.Writer {
	if c.g.Terminal == nil {
		return w
	}
	return display{c, w}
}

// terminal is nil when the client asked for none.
func (c *console) terminal() terminal {
	if c.g.Terminal == nil {
		return nil
	}
	return far{c}
}

// far is the terminal at the client's end.
type far struct{ *console }

func (f far) size() api.WindowSize { return f.g.Terminal.Size }

func (f far) raw() (func(), error) {
	f.away.Store(true)
	return func() { f.away.Store(false) }, nil
}

func (f far) resizes() (<-chan api.WindowSize, func()) { return f.g.Terminal.Resizes, func() {} }

// keys is a console as stdin.
type keys console

// IsTerminal says that a person types it.
func (k *keys) IsTerminal() bool { return true }

func (k *keys) Read(p []byte) (int, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for len(k.ready) == 0 && k.ended == nil && !k.closed {
		k.wake.Wait()
	}
	switch {
	case k.closed:
		return 0, io.ErrClosedPipe
	case len(k.ready) == 0:
		return 0, k.ended
	}
	n := copy(p, k.ready)
	k.ready = k.ready[n:]
	k.wake.Broadcast()
	return n, nil
}

// Close ends a Read that waits.
func (k *keys) Close() error {
	(*console)(k).change(func() { k.closed = true })
	return nil
}

// read takes keys until the client has no more, or the command has ended.
func (c *console) read() {
	b := make([]byte, 1<<10)
	for {
		n, err := c.g.In.Read(b)
		if c.away.Load() {
			c.give(b[:n])
		} else {
			for _, key := range b[:n] {
				c.key(key)
			}
		}
		if err != nil {
			if !errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			c.change(func() { c.ended = err })
			return
		}
	}
}

// give passes bytes on to a process, which takes them when it likes.
func (c *console) give(b []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.ready) > 0 && len(c.ready)+len(b) > maxTyped && !c.closed {
		c.wake.Wait()
	}
	if !c.closed {
		c.ready = append(c.ready, b...)
		c.wake.Broadcast()
	}
}

// The keys that edit a line.
const (
	keyInterrupt = 0x03
	keyEnd       = 0x04
	keyBackspace = 0x08
	keyKillLine  = 0x15
	keyDelete    = 0x7f
)

// key edits the line that is being typed, and shows it.
func (c *console) key(b byte) {
	switch {
	case b == keyInterrupt:
		c.cancel() // first: what is shown may have to wait
		c.echo("^C\r\n")
	case b == keyEnd:
		c.change(func() {
			if len(c.line) == 0 {
				c.ended = io.EOF
			}
		})
	case b == '\r' || b == '\n':
		c.echo("\r\n")
		c.change(func() {
			if len(c.ready)+len(c.line) < maxTyped {
				c.ready = append(append(c.ready, c.line...), '\n')
			}
			c.line = c.line[:0]
		})
	case b == keyBackspace || b == keyDelete:
		c.erase(1)
	case b == keyKillLine:
		c.erase(len(c.line))
	case b >= 0x20 && b < 0x7f && len(c.line) < maxTyped/2:
		c.line = append(c.line, b)
		c.echo(string(rune(b)))
	}
}

func (c *console) erase(n int) {
	n = min(n, len(c.line))
	c.line = c.line[:len(c.line)-n]
	c.echo(string(bytes.Repeat([]byte("\b \b"), n)))
}

// echo shows keys; when it fails the client is gone, and all ends with it.
func (c *console) echo(s string) { _, _ = display{c, c.g.Out}.Write([]byte(s)) }

// display is a console as output.
type display struct {
	c *console
	w io.Writer
}

// IsTerminal says that a person sees it.
func (d display) IsTerminal() bool { return true }

func (d display) Write(p []byte) (int, error) {
	d.c.out.Lock()
	defer d.c.out.Unlock()
	if len(p) == 0 {
		return 0, nil
	}
	shown := p
	if !d.c.away.Load() {
		shown = make([]byte, 0, len(p)+8)
		for i, b := range p {
			before := d.c.last
			if i > 0 {
				before = p[i-1]
			}
			if b == '\n' && before != '\r' {
				shown = append(shown, '\r')
			}
			shown = append(shown, b)
		}
	}
	d.c.last = p[len(p)-1]
	if _, err := d.w.Write(shown); err != nil {
		return 0, err
	}
	return len(p), nil
}
