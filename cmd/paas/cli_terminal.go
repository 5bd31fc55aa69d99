package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"golang.org/x/term"

	"paas/server/api"
	"paas/server/client"
)

// terminal is what a person sits at.
type terminal interface {
	size() api.WindowSize
	// raw hands each key to the process and each of its bytes to the screen,
	// until restore.
	raw() (restore func(), err error)
	// resizes tells changes of the size until stop, which waits.
	resizes() (changes <-chan api.WindowSize, stop func())
}

// screen is the terminal that the command was typed at.
type screen struct{ in, out *os.File }

// terminalOf is the terminal behind two streams, nil when there is none.
func terminalOf(in io.Reader, out io.Writer) terminal {
	i, ok := in.(*os.File)
	o, also := out.(*os.File)
	if !ok || !also || !isTerminal(in) || !isTerminal(out) {
		return nil
	}
	return screen{i, o}
}

func (s screen) size() api.WindowSize {
	cols, rows, err := term.GetSize(int(s.out.Fd()))
	if err != nil || cols < 1 || rows < 1 || cols > 1<<16-1 || rows > 1<<16-1 {
		return api.WindowSize{}
	}
	return api.WindowSize{Rows: uint16(rows), Cols: uint16(cols)}
}

func (s screen) raw() (func(), error) {
	before, err := term.MakeRaw(int(s.in.Fd()))
	if err != nil {
		return nil, fmt.Errorf("prepare the terminal: %w", err)
	}
	return func() { _ = term.Restore(int(s.in.Fd()), before) }, nil // as it was, or gone
}

func (s screen) resizes() (<-chan api.WindowSize, func()) {
	changed := make(chan os.Signal, 1)
	signal.Notify(changed, syscall.SIGWINCH)
	out, over := make(chan api.WindowSize), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-over:
				return
			case <-changed:
			}
			select {
			case <-over:
				return
			case out <- s.size():
			}
		}
	})
	return out, func() { signal.Stop(changed); close(over); wg.Wait() }
}

// converse joins the person's streams with a session. up is what is shown when
// the other end is there.
func (s *session) converse(tty bool, up string, open func(context.Context, client.Terminal) (api.TerminalExit, error)) (api.TerminalExit, error) {
	t := client.Terminal{In: s.input(), Out: s.out, Err: s.err}
	restore, opened := func() {}, false
	if tty {
		t.Size = s.term.size()
		changes, stop := s.term.resizes()
		defer stop()
		t.Resize = changes
	}
	defer func() { restore() }()
	var failed error
	ctx, cancel := context.WithCancel(s.ctx)
	defer cancel()
	t.Opened = func() {
		opened = true
		fmt.Fprintln(s.err, up)
		if tty {
			if undo, err := s.term.raw(); err == nil {
				restore = undo
			} else {
				failed = err
				cancel()
			}
		}
	}
	exit, err := open(ctx, t)
	if !opened {
		fmt.Fprintln(s.err, "!")
	}
	if failed != nil {
		err = failed
	}
	return exit, err
}

// input is stdin. The process's own cannot be closed under a read of it.
func (c *cli) input() io.Reader {
	if f, ok := c.in.(*os.File); ok {
		return struct{ io.Reader }{f}
	}
	return c.in
}

// exitStatus ends the program with a code; err, if any, is said before.
type exitStatus struct {
	code int
	err  error
}

func (e *exitStatus) Error() string {
	if e.err != nil {
		return e.err.Error()
	}
	return fmt.Sprintf("exit status %d", e.code)
}

func (e *exitStatus) Unwrap() error { return e.err }

// ended is what a session's end means for the command. With code, the exit
// status of what ran becomes its own.
func ended(exit api.TerminalExit, err error, code bool) error {
	if err != nil {
		return err
	}
	if exit.Text != "" {
		err = tell(exit.Text, "")
	}
	// What a shell, and the instance's own init, say when there is no program to run.
	code = code || exit.Code == 126 || exit.Code == 127
	switch {
	case code && exit.Code > 0 && exit.Code < 256:
		return &exitStatus{code: int(exit.Code), err: err}
	case code && exit.Code != 0:
		return &exitStatus{code: exitFailure, err: err}
	}
	return err
}
