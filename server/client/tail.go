package client

import (
	"bytes"
	"context"
	"hash/maphash"
	"io"
	"time"

	"paas/server/api"
)

const (
	// overlap is how far before its newest line a broken tail is taken up
	// again: lines of several hosts do not come in the order of their times.
	overlap = 10 * time.Second
	// remembered bounds the lines that are known again.
	remembered   = 64 << 10
	tailPatience = 5 * time.Minute // without any answer
	mostLines    = 100_000         // that a session gives
	stampLength  = len("2026-11-21T07:24:55.123456+00:00")
)

// Tail is Logs of a session that goes on. A connection that breaks is made
// anew, and lost is told why: lines since then are fetched, and those that
// were copied before are not copied again.
func (c *Client) Tail(ctx context.Context, app string, in api.LogSessionRequest, out io.Writer, lost func(error)) error {
	in.Tail = true
	w := &resumer{out: out, seed: maphash.MakeSeed(), since: in.Since}
	pause, since := 100*time.Millisecond, time.Now()
	for {
		got := w.lines
		err := c.Logs(ctx, app, in, w)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if w.err != nil { // our own output
			return w.err
		}
		if w.lines > got {
			pause, since = 100*time.Millisecond, time.Now()
		}
		if err != nil && (!again(err) || time.Since(since) > tailPatience) {
			return err
		}
		if err != nil && lost != nil {
			lost(err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
		pause = min(2*pause, 5*time.Second)
		w.resume(&in)
	}
}

// resumer passes lines on and remembers the newest.
type resumer struct {
	out   io.Writer
	seed  maphash.Seed
	since string // what was asked for first
	part  []byte
	err   error
	lines int

	newest time.Time
	ring   []seen
	next   int
	again  map[uint64]int // lines of an earlier connection that may come again
	until  time.Time      // none of them is newer
}

type seen struct {
	at   time.Time
	hash uint64
}

func (w *resumer) Write(p []byte) (int, error) {
	w.part = append(w.part, p...)
	var fresh []byte
	for {
		i := bytes.IndexByte(w.part, '\n')
		if i < 0 {
			break
		}
		if line := w.part[:i+1]; w.isNew(line) {
			fresh = append(fresh, line...)
		}
		w.part = w.part[i+1:]
	}
	if len(fresh) > 0 {
		if _, w.err = w.out.Write(fresh); w.err != nil {
			return 0, w.err
		}
	}
	return len(p), nil
}

// isNew says whether a line has not been passed on yet, and remembers it.
func (w *resumer) isNew(line []byte) bool {
	w.lines++
	at, err := time.Parse(time.RFC3339Nano, string(line[:min(len(line), stampLength)]))
	if err != nil {
		return true
	}
	hash := maphash.Bytes(w.seed, line)
	if !at.After(w.until) && w.again[hash] > 0 {
		w.again[hash]--
		return false
	}
	if at.After(w.newest) {
		w.newest = at
	}
	if len(w.ring) < remembered {
		w.ring = append(w.ring, seen{at, hash})
	} else {
		w.ring[w.next] = seen{at, hash}
		w.next = (w.next + 1) % remembered
	}
	return true
}

// resume makes the request for what comes after the lines passed on.
func (w *resumer) resume(in *api.LogSessionRequest) {
	w.part = nil // of a line that comes again whole
	if w.newest.IsZero() {
		return
	}
	from := w.newest.Add(-overlap)
	if len(w.ring) == remembered && w.ring[w.next].at.After(from) {
		from = w.ring[w.next].at
	}
	w.again = map[uint64]int{}
	w.until = w.newest
	for _, s := range w.ring {
		if !s.at.Before(from) {
			w.again[s.hash]++
		}
	}
	n := mostLines
	in.Lines, in.Since = &n, from.UTC().Format(time.RFC3339Nano)
	if t, err := time.Parse(time.RFC3339Nano, w.since); err == nil && t.After(from) {
		in.Since = w.since
	}
}
