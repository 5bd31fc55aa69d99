package logd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"paas/server"
)

const (
	// maxScans bounds how many searches look through segments at once, and how
	// many of those with a pattern, whose work nobody knows before: the others
	// wait, so that they do not take the machine from the apps. Each waits
	// again for each segment: a long one keeps nobody from theirs.
	maxScans = 2
	// lookUp is how many records are looked at between two looks at whether
	// the reader is still there.
	lookUp = 64
	// maxLag is how much later than its own time a line may have been written
	// for a search by time to find it: hosts' clocks differ.
	maxLag = time.Hour
)

// filter chooses records by their bytes, the cheapest test first.
type filter struct {
	q            server.LogQuery
	since, until string // as records have them; empty: any
	text         []byte // lower case when the query folds
}

func newFilter(q server.LogQuery) *filter {
	f := &filter{q: q, text: []byte(q.Text)}
	if q.Fold {
		f.text = bytes.ToLower(f.text)
	}
	if !q.Since.IsZero() {
		f.since = storableTime(q.Since).Format(stampLayout)
	}
	if !q.Until.IsZero() {
		f.until = storableTime(q.Until).Format(stampLayout)
	}
	return f
}

// none says that no record of b can match.
func (f *filter) none(b []byte) bool {
	return len(f.text) > 0 && !f.q.Fold && !bytes.Contains(b, f.text)
}

// match parses a record and says whether it is chosen.
func (f *filter) match(rec []byte) (rawRecord, bool) {
	if len(rec) < stampLen || f.none(rec) {
		return rawRecord{}, false
	}
	if stamp := rec[:stampLen]; f.since != "" && string(stamp) < f.since || f.until != "" && string(stamp) >= f.until {
		return rawRecord{}, false
	}
	r, ok := parseRecord(rec)
	if !ok || string(r.source) == cursorSource || !f.named(r) {
		return r, false
	}
	switch {
	case len(f.text) == 0:
	case f.q.Fold && !bytes.Contains(bytes.ToLower(r.text), f.text), !f.q.Fold && !bytes.Contains(r.text, f.text):
		return r, false
	}
	if f.q.Pattern != nil && !f.q.Pattern.Match(r.text) {
		return r, false
	}
	return r, f.q.Level == "" || f.q.MatchesLevel(r.line())
}

func (f *filter) named(r rawRecord) bool {
	if f.q.Source != "" && f.q.Source != string(r.source) || f.q.Dyno != "" && f.q.Dyno != string(r.dyno) {
		return false
	}
	return f.q.Type == "" || f.q.Type == server.DynoType(string(r.dyno))
}

// place is where in a list of segments a record begins.
type place struct {
	seg int
	off int64
}

// history calls line for the newest lines that q chooses out of the segments,
// oldest first. It looks for where they begin from the end, and then reads
// from there on: however many they are, it holds one segment at a time.
func (s *Store) history(ctx context.Context, dir string, segs []segment, q server.LogQuery, line func(server.LogLine) error) error {
	f := newFilter(q)
	for !q.Since.IsZero() && len(segs) > 0 && segs[0].modified.Add(maxLag).Before(q.Since) {
		segs = segs[1:]
	}
	from, err := s.start(ctx, dir, segs, f)
	if err != nil {
		return err
	}
	for i := from.seg; i < len(segs); i++ {
		var off int64
		if i == from.seg {
			off = from.off
		}
		b, err := readSegment(dir, segs[i], off)
		if errors.Is(err, fs.ErrNotExist) {
			continue // too old meanwhile
		}
		if err != nil {
			return fmt.Errorf("read log segment: %w", err)
		}
		if err := f.each(ctx, b, line); err != nil {
			return err
		}
	}
	return nil
}

// start finds where the newest q.Lines lines begin; 0 is all. A segment that
// was removed meanwhile held lines older than the rest, and ends the search.
func (s *Store) start(ctx context.Context, dir string, segs []segment, f *filter) (place, error) {
	if f.q.Lines <= 0 || len(segs) == 0 {
		return place{}, nil
	}
	left := f.q.Lines
	at := place{seg: len(segs)}
	for i := len(segs) - 1; i >= 0 && left > 0; i-- {
		off, found, err := s.scan(ctx, dir, segs[i], f, left)
		if errors.Is(err, fs.ErrNotExist) {
			break
		}
		if err != nil {
			return place{}, fmt.Errorf("search log segment: %w", err)
		}
		if found > 0 {
			at, left = place{i, off}, left-found
		}
	}
	return at, nil
}

// scan is back for a segment on disk, when it is its turn.
func (s *Store) scan(ctx context.Context, dir string, seg segment, f *filter, most int) (off int64, found int, err error) {
	turn := s.scans
	if f.q.Pattern != nil || f.q.Level != "" {
		turn = s.patterns
	}
	select {
	case turn <- struct{}{}:
		defer func() { <-turn }()
	case <-ctx.Done():
		return 0, 0, ctx.Err()
	}
	b, err := readSegment(dir, seg, 0)
	if err != nil {
		return 0, 0, err
	}
	return f.back(ctx, b, most)
}

// back finds the newest matches of a segment, most at most: where the first of
// them begins and how many they are.
func (f *filter) back(ctx context.Context, b []byte, most int) (off int64, found int, err error) {
	if f.none(b) {
		return 0, 0, ctx.Err()
	}
	for n := 0; len(b) > 0 && found < most; n++ {
		if n%lookUp == 0 && ctx.Err() != nil {
			return 0, 0, ctx.Err()
		}
		var rec []byte
		b, rec = lastLine(b)
		if _, ok := f.match(rec); ok {
			off, found = int64(len(b)), found+1
		}
	}
	return off, found, nil
}

// each calls line for the matches of b in order.
func (f *filter) each(ctx context.Context, b []byte, line func(server.LogLine) error) error {
	if f.none(b) {
		return ctx.Err()
	}
	for n := 0; len(b) > 0; n++ {
		if n%lookUp == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		rec, rest, _ := bytes.Cut(b, []byte("\n"))
		b = rest
		r, ok := f.match(rec)
		if !ok {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		l := r.line()
		l.AppID = f.q.AppID
		if err := line(l); err != nil {
			return err
		}
	}
	return ctx.Err()
}
