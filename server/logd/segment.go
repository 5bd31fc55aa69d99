package logd

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

const segmentExt = ".log"

// segment is one append-only file of an app. The number in its name only grows.
type segment struct {
	seq      uint64
	size     int64     // bytes that hold whole records
	modified time.Time // of the last write: no line in it came later
}

func (s segment) path(dir string) string {
	return filepath.Join(dir, fmt.Sprintf("%016d%s", s.seq, segmentExt))
}

// listSegments gives the segments of a directory, oldest first. Files of
// other names are not ours and are left alone.
func listSegments(dir string) ([]segment, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var segs []segment
	for _, e := range entries {
		num, ok := strings.CutSuffix(e.Name(), segmentExt)
		seq, perr := strconv.ParseUint(num, 10, 64)
		if !ok || perr != nil || e.IsDir() {
			continue
		}
		info, err := e.Info()
		if err != nil {
			return nil, err
		}
		segs = append(segs, segment{seq: seq, size: info.Size(), modified: info.ModTime()})
	}
	slices.SortFunc(segs, func(a, b segment) int {
		if a.seq < b.seq {
			return -1
		}
		return 1
	})
	return segs, nil
}

// recoverSegment reads the newest segment after a start: it cuts off what a
// crash left half-written at its end, and gives the cursors of its instances
// and the time of its first line (zero when it has none).
func recoverSegment(dir string, s *segment) (cursors map[string]time.Time, first time.Time, err error) {
	path := s.path(dir)
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, first, fmt.Errorf("read segment: %w", err)
	}
	cursors = map[string]time.Time{}
	whole := scanRecords(b, func(r rawRecord) {
		if first.IsZero() && string(r.source) != cursorSource {
			first = r.at
		}
		if string(r.instance) != "-" && r.at.After(cursors[string(r.instance)]) {
			cursors[string(r.instance)] = r.at
		}
	})
	s.size = int64(whole)
	if whole < len(b) {
		if err := os.Truncate(path, s.size); err != nil {
			return nil, first, fmt.Errorf("cut torn record: %w", err)
		}
	}
	return cursors, first, nil
}

// scanRecords calls each for every record of b in order, skips lines that are
// none, and gives the length up to the end of the last record.
func scanRecords(b []byte, each func(rawRecord)) int {
	whole := 0
	for off := 0; ; {
		i := bytes.IndexByte(b[off:], '\n')
		if i < 0 {
			return whole
		}
		r, ok := parseRecord(b[off : off+i])
		off += i + 1
		if ok {
			each(r)
			whole = off
		}
	}
}

// readSegment reads the whole records a segment held from off on when it was
// looked at; it may have grown since.
func readSegment(dir string, s segment, off int64) ([]byte, error) {
	f, err := os.Open(s.path(dir))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b := make([]byte, s.size-off)
	n, err := f.ReadAt(b, off)
	if n == len(b) {
		return b, nil
	}
	return nil, err
}

// lastLine takes the last line off b, without its line end.
func lastLine(b []byte) (rest, line []byte) {
	b = bytes.TrimSuffix(b, []byte("\n"))
	i := bytes.LastIndexByte(b, '\n') + 1
	return b[:i], b[i:]
}
