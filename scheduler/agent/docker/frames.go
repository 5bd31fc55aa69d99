package docker

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"
)

const (
	maxChunk = 10_000   // bytes of one line, as Heroku splits
	maxFrame = 1 << 20  // far more than the engine writes
	part     = 16 << 10 // bytes after which the engine cuts a line
)

// split reads the engine's stream of frames, stdout and stderr mixed, and
// calls line for every line after since. A frame is one message:
// "2006-01-02T15:04:05.000000000Z text", with a line feed unless the line goes
// on in the next frame of the same stream. What is open at the end is a line
// of its own when the stream is final: the last words of a process.
func split(r io.Reader, since time.Time, final bool, line func(time.Time, string)) error {
	l := &lines{since: since, line: line}
	var header [8]byte
	var body []byte
	for {
		if _, err := io.ReadFull(r, header[:]); err != nil {
			if err == io.EOF {
				if final {
					l.flush()
				}
				return nil
			}
			return fmt.Errorf("read frame: %w", err)
		}
		size := binary.BigEndian.Uint32(header[4:])
		if header[0] > 3 || size > maxFrame {
			return fmt.Errorf("read frame: stream %d with %d bytes is none", header[0], size)
		}
		if cap(body) < int(size) {
			body = make([]byte, max(int(size), 32<<10))
		}
		body = body[:size]
		if _, err := io.ReadFull(r, body); err != nil {
			return fmt.Errorf("read frame: %w", err)
		}
		if header[0] == 3 {
			return errors.New("engine: " + string(body))
		}
		if err := l.frame(int(header[0]), body); err != nil {
			return err
		}
	}
}

// lines joins frames to lines. Index of open is the stream.
type lines struct {
	since time.Time
	last  time.Time
	line  func(time.Time, string)
	open  [3]struct {
		text []byte
		at   time.Time
		held bool // there is one, perhaps empty
	}
}

func (l *lines) frame(stream int, body []byte) error {
	stamp, text, ok := bytes.Cut(body, []byte{' '})
	at, err := time.Parse(time.RFC3339Nano, string(stamp))
	if !ok || err != nil {
		return fmt.Errorf("read frame: it starts with no time: %.40q", body)
	}
	o := &l.open[stream]
	// Engines before 23.0 forget to mark the last part of a cut line. Parts of
	// one line bear one time, and all but the last have the full length.
	if !at.Equal(o.at) {
		l.close(stream)
	}
	whole := bytes.HasSuffix(text, []byte{'\n'}) || len(text) < part
	o.at, o.held = at, true
	o.text = append(o.text, bytes.TrimSuffix(text, []byte{'\n'})...)
	rest := o.text
	for ; len(rest) > maxChunk; rest = rest[maxChunk:] {
		l.emit(at, rest[:maxChunk])
	}
	o.text = append(o.text[:0], rest...)
	if whole {
		l.close(stream)
	}
	return nil
}

// close gives the open line of a stream, if there is one.
func (l *lines) close(stream int) {
	if o := &l.open[stream]; o.held {
		l.emit(o.at, o.text)
		o.text, o.held = o.text[:0], false
	}
}

func (l *lines) flush() {
	for stream := range l.open {
		l.close(stream)
	}
}

// emit makes times distinct, a nanosecond apart: the pieces of one line bear
// the same one, and the time is what tells a second reading where to go on.
func (l *lines) emit(at time.Time, text []byte) {
	if !at.After(l.last) {
		at = l.last.Add(1)
	}
	l.last = at
	if at.After(l.since) {
		l.line(at, string(text))
	}
}
