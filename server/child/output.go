package child

import (
	"bytes"
	"slices"
	"strings"
	"sync"
)

// What is kept of a child's output, for errors.
const (
	tailLines   = 50
	maxLineSize = 1024 // bytes; the rest of a line is dropped
)

// tail holds the last lines.
type tail struct {
	mu   sync.Mutex
	keep []string
}

func (t *tail) add(line string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.keep = append(t.keep, line)
	if extra := len(t.keep) - tailLines; extra > 0 {
		t.keep = slices.Delete(t.keep, 0, extra)
	}
}

func (t *tail) lines() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.keep)
}

func (t *tail) reset() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.keep = nil
}

// lineWriter cuts a stream into lines of bounded length. exec.Cmd writes to it
// from one goroutine; flush is called after that has ended.
type lineWriter struct {
	line func(string)
	buf  []byte
}

func (w *lineWriter) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		part, rest, ended := bytes.Cut(p, []byte("\n"))
		if room := maxLineSize - len(w.buf); room > 0 {
			w.buf = append(w.buf, part[:min(room, len(part))]...)
		}
		if ended {
			w.flush()
		}
		p = rest
	}
	return n, nil
}

func (w *lineWriter) flush() {
	if text := strings.TrimRight(string(w.buf), "\r \t"); text != "" {
		w.line(strings.ToValidUTF8(text, "?"))
	}
	w.buf = w.buf[:0]
}
