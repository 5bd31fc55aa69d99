package logd

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"paas/server"
)

// maxCursors bounds the instances an app's newest segment remembers. An app
// has far fewer running at once; the oldest are long gone.
const maxCursors = 512

// appLog is the log of one app. Everything in it is guarded by mu; a write is
// one append to the page cache, so nobody waits for the disk itself.
//
// No file stays open between writes: an open and a close every 100 ms cost
// little, and a thousand quiet apps hold no descriptor.
type appLog struct {
	id, dir string
	store   *Store

	mu        sync.Mutex
	maxBytes  int64         // kept at most
	maxAge    time.Duration // kept so long
	segs      []segment     // oldest first; the last one is written to
	bytes     int64         // in all segments
	begun     time.Time     // when the last segment got its first line; zero: it has none
	pending   []byte        // records not yet written
	lines     int           // records in pending
	dirty     bool          // in the store's list of logs to flush
	cursors   map[string]time.Time
	followers map[*follower]struct{}
	gone      bool // dropped: takes nothing any more
}

func newAppLog(s *Store, id, dir string) *appLog {
	return &appLog{
		id: id, dir: dir, store: s, maxBytes: s.cfg.MaxBytes, maxAge: s.cfg.MaxAge,
		cursors: map[string]time.Time{}, followers: map[*follower]struct{}{},
	}
}

// open reads what an earlier process left.
func (a *appLog) open() error {
	segs, err := listSegments(a.dir)
	if err != nil || len(segs) == 0 {
		return err
	}
	a.cursors, a.begun, err = recoverSegment(a.dir, &segs[len(segs)-1])
	if err != nil {
		return err
	}
	a.segs = segs
	for _, s := range segs {
		a.grow(s.size)
	}
	return nil
}

// grow counts bytes that were written, or negative ones that were removed.
func (a *appLog) grow(n int64) {
	a.bytes += n
	a.store.total.Add(n)
}

// segmentBytes is the size at which a new segment begins: a small limit is
// kept in small steps.
func (a *appLog) segmentBytes() int64 { return min(a.store.cfg.SegmentBytes, max(a.maxBytes/4, 4<<10)) }

// maxPending is the bytes that wait in memory before the one who appends
// writes them.
func (a *appLog) maxPending() int { return int(min(256<<10, a.segmentBytes()/4)) }

// add takes one line: to the followers at once, to the disk with the next
// flush. The caller holds mu.
func (a *appLog) add(l server.LogLine) error {
	l.At = storableTime(l.At)
	if l.Instance != "" && l.At.After(a.cursors[l.Instance]) {
		a.cursors[l.Instance] = l.At
	}
	splitText(l.Text, func(text string) {
		l.Text = text
		a.pending = appendRecord(a.pending, l)
		a.lines++
		for f := range a.followers {
			f.push(l)
		}
	})
	if len(a.pending) < a.maxPending() {
		return nil
	}
	return a.flush()
}

// lostError says how many lines could not be written.
type lostError struct {
	lines int
	cause error
}

func (e *lostError) Error() string {
	return fmt.Sprintf("write app log: %d lines lost: %v", e.lines, e.cause)
}
func (e *lostError) Unwrap() error { return e.cause }

// flush writes what is pending. On an error those lines are gone (followers
// had them) and the segment ends where it ended before: a full disk must
// neither stop the apps nor eat the memory. The caller holds mu.
func (a *appLog) flush() error {
	if len(a.pending) == 0 || a.gone {
		return nil
	}
	batch, lines := a.pending, a.lines
	a.pending, a.lines = nil, 0
	if cap(batch) <= a.maxPending()*2 {
		a.pending = batch[:0:cap(batch)]
	}
	if err := a.write(batch); err != nil {
		return &lostError{lines: lines, cause: err}
	}
	return nil
}

func (a *appLog) write(batch []byte) error {
	if len(a.segs) == 0 {
		if err := os.MkdirAll(a.dir, 0o700); err != nil {
			return err
		}
	}
	if n := len(a.segs); n == 0 || a.segs[n-1].size+int64(len(batch)) > a.segmentBytes() {
		return a.rotate(batch)
	}
	s := &a.segs[len(a.segs)-1]
	if err := appendFile(s.path(a.dir), batch, s.size, 0); err != nil {
		return err
	}
	a.wrote(len(batch), true)
	return nil
}

// wrote notes n bytes at the end of the last segment.
func (a *appLog) wrote(n int, lines bool) {
	s, now := &a.segs[len(a.segs)-1], time.Now()
	s.size += int64(n)
	s.modified = now
	a.grow(int64(n))
	if lines && a.begun.IsZero() {
		a.begun = now
	}
}

// rotate begins a new segment with the cursors and the batch, then removes
// the oldest beyond the limit.
func (a *appLog) rotate(batch []byte) error {
	next := segment{seq: 1}
	if n := len(a.segs); n > 0 {
		next.seq = a.segs[n-1].seq + 1
	}
	content := append(a.checkpoint(), batch...)
	if err := appendFile(next.path(a.dir), content, 0, os.O_CREATE); err != nil {
		return err
	}
	a.segs, a.begun = append(a.segs, next), time.Time{}
	a.wrote(len(content), len(batch) > 0)
	// The new segment is counted as full: it is to grow within the limit.
	for a.bytes-int64(len(content))+a.segmentBytes() > a.maxBytes && len(a.segs) > 1 {
		if !a.removeOldest() {
			return nil // the lines are stored; the next rotation tries again
		}
	}
	return nil
}

// checkpoint is the cursors as records, and forgets the oldest beyond the limit.
func (a *appLog) checkpoint() []byte {
	type cursor struct {
		instance string
		at       time.Time
	}
	all := make([]cursor, 0, len(a.cursors))
	for i, at := range a.cursors {
		all = append(all, cursor{i, at})
	}
	slices.SortFunc(all, func(x, y cursor) int {
		return cmp.Or(y.at.Compare(x.at), cmp.Compare(x.instance, y.instance))
	})
	var b []byte
	for n, c := range all {
		if n >= maxCursors {
			delete(a.cursors, c.instance)
			continue
		}
		b = appendRecord(b, server.LogLine{At: c.at, Source: cursorSource, Instance: c.instance})
	}
	return b
}

// appendFile appends b to a file that ends at size. When that fails the file
// is cut back to size, so that the next record does not continue a torn one.
func appendFile(path string, b []byte, size int64, flag int) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|flag, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err != nil {
		err = errors.Join(err, f.Truncate(size))
	}
	return errors.Join(err, f.Close())
}
