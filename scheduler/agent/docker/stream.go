package docker

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"paas/scheduler/agent"
)

// endOfFile is what a terminal takes for the end of the input.
const endOfFile = "\x04"

// converse carries bytes between a client and a process until the process's
// output ends or ctx does. Nothing is kept on the way: who reads slowly makes
// the other side wait.
func converse(ctx context.Context, w *wire, tty bool, o agent.IO) error {
	closing := context.AfterFunc(ctx, func() { _ = w.Close() })
	stop := o.Feed(plainWriter{w}, func() {
		if tty {
			// Closing the connection's half would end the output too. A
			// terminal has a character for it.
			_, _ = io.WriteString(w, endOfFile)
			return
		}
		w.closeInput()
	})
	var err error
	if tty {
		_, err = io.Copy(plainWriter{o.Out}, w)
	} else {
		err = demultiplex(w, o.Out, o.Err)
	}
	closing()
	_ = w.Close() // all was read
	stop()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// plainWriter hides ReadFrom, which may be clever about its buffers.
type plainWriter struct{ io.Writer }

// demultiplex reads the engine's frames of two streams: one byte that says
// which, three of nothing, the size in four, and as many of output. A frame is
// passed on as it comes, through one small buffer.
func demultiplex(r io.Reader, stdout, stderr io.Writer) error {
	var header [8]byte
	buf := make([]byte, 32<<10)
	for {
		if _, err := io.ReadFull(r, header[:]); err != nil {
			if err == io.EOF {
				return nil
			}
			return fmt.Errorf("read frame: %w", err)
		}
		size := int64(binary.BigEndian.Uint32(header[4:]))
		if header[0] > 3 || size > maxFrame {
			return fmt.Errorf("read frame: stream %d with %d bytes is none", header[0], size)
		}
		body := io.LimitReader(r, size)
		if header[0] == 3 {
			text, _ := io.ReadAll(io.LimitReader(body, maxRefusal))
			return errors.New("engine: " + string(text))
		}
		to := stdout
		if header[0] == 2 {
			to = stderr
		}
		n, err := io.CopyBuffer(plainWriter{to}, body, buf)
		if err != nil {
			return fmt.Errorf("pass output on: %w", err)
		}
		if n < size {
			return fmt.Errorf("read frame: %w", io.ErrUnexpectedEOF)
		}
	}
}

// sizes gives the terminal the sizes its client tells, until done is closed.
func sizes(ctx context.Context, resize <-chan agent.WindowSize, set func(context.Context, agent.WindowSize)) {
	for {
		select {
		case size, ok := <-resize:
			if !ok {
				return
			}
			if size.Rows > 0 && size.Cols > 0 {
				set(ctx, size)
			}
		case <-ctx.Done():
			return
		}
	}
}
