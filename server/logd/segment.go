package logd

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"paas/server"
)

const segmentExt = ".log"

// segment is one append-only file of an app. The number in its name only grows.
type segment struct {
	seq  uint64
	size int64 // bytes that hold whole records
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
		segs = append(segs, segment{seq: seq, size: info.Size()})
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
// crash left half-written at its end, and gives the cursors of its instances.
func recoverSegment(dir string, s *segment) (map[string]time.Time, error) {
	path := s.path(dir)
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read segment: %w", err)
	}
	cursors := map[string]time.Time{}
	whole := scanRecords(b, func(r rawRecord) {
		if string(r.instance) != "-" && r.at.After(cursors[string(r.instance)]) {
			cursors[string(r.instance)] = r.at
		}
	})
	s.size = int64(whole)
	if whole < len(b) {
		if err := os.Truncate(path, s.size); err != nil {
			return nil, fmt.Errorf("cut torn record: %w", err)
		}
	}
	return cursors, nil
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

// newest gives the last n lines (all when n is 0) that q chooses out of the
// segments, oldest first. A segment that rotation took away meanwhile held
// lines older than those that replaced it, and ends the search.
func newest(dir string, segs []segment, q server.LogQuery, n int) ([]server.LogLine, error) {
	var out []server.LogLine
	full := func() bool { return n > 0 && len(out) >= n }
	for i := len(segs) - 1; i >= 0 && !full(); i-- {
		b, err := readSegment(dir, segs[i])
		if errors.Is(err, fs.ErrNotExist) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("read log segment: %w", err)
		}
		for len(b) > 0 && !full() {
			var rec []byte
			b, rec = lastLine(b)
			r, ok := parseRecord(rec)
			if !ok || string(r.source) == cursorSource {
				continue
			}
			if l := r.line(); matches(q, l) {
				l.AppID = q.AppID
				out = append(out, l)
			}
		}
	}
	slices.Reverse(out)
	return out, nil
}

// readSegment reads the whole records a segment held when it was looked at;
// it may have grown since.
func readSegment(dir string, s segment) ([]byte, error) {
	f, err := os.Open(s.path(dir))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b := make([]byte, s.size)
	n, err := f.ReadAt(b, 0)
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

// matches says whether the query chooses a line of its app.
func matches(q server.LogQuery, l server.LogLine) bool {
	if q.Source != "" && q.Source != l.Source {
		return false
	}
	if q.Dyno != "" && q.Dyno != l.Dyno {
		return false
	}
	return q.Type == "" || q.Type == processType(l.Dyno)
}

// processType is "web" of "web.1"; a name without a number is its own type.
func processType(dyno string) string {
	if i := strings.LastIndexByte(dyno, '.'); i > 0 {
		return dyno[:i]
	}
	return dyno
}
