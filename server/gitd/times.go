package gitd

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"math"
	"os"
	"path"
	"path/filepath"
	"time"
)

// timesFile, in an app's repository, remembers which content each path had in
// the tree that was opened last, and since when.
//
// BuildKit transfers a file only when its path, size, mode or time differ from
// the build before, so an equal time must mean equal content. And web servers
// answer "not modified" by comparing times, so changed content must have a
// later one: a time made from the content alone would not do.
const timesFile = "paas-times"

type seen struct {
	id [20]byte
	at int64 // nanoseconds since 1970
}

// date gives every file of a tree the time since when its path has had this
// content, and remembers it for the next tree of the app.
func (t *Tree) date(repo string, now time.Time) error {
	name := filepath.Join(repo, timesFile)
	before, err := readTimes(name)
	if err != nil {
		before = nil // torn or foreign: every file is sent anew, once
	}
	after := make(map[string]seen, len(before))
	stamp := now.UnixNano()
	for _, s := range before {
		stamp = max(stamp, s.at+1) // the clock may have been set back
	}
	t.root.date("", before, after, stamp)
	return writeTimes(name, after)
}

func (n *node) date(at string, before, after map[string]seen, stamp int64) {
	for _, k := range n.kids {
		p := path.Join(at, k.name)
		if k.mode.IsDir() {
			k.date(p, before, after, stamp)
			continue
		}
		s, ok := before[p]
		if !ok || s.id != k.id {
			s = seen{id: k.id, at: stamp}
		}
		k.since = s.at
		after[p] = s
	}
}

var errTimes = errors.New("damaged list of times")

func readTimes(name string) (map[string]seen, error) {
	f, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	in := bufio.NewReader(f)
	times := map[string]seen{}
	for {
		var head [30]byte
		if _, err := io.ReadFull(in, head[:]); errors.Is(err, io.EOF) {
			return times, nil
		} else if err != nil {
			return nil, errTimes
		}
		p := make([]byte, binary.BigEndian.Uint16(head[28:]))
		if _, err := io.ReadFull(in, p); err != nil {
			return nil, errTimes
		}
		times[string(p)] = seen{id: [20]byte(head[:20]), at: int64(binary.BigEndian.Uint64(head[20:28]))}
	}
}

// writeTimes replaces the list as a whole.
func writeTimes(name string, times map[string]seen) error {
	f, err := os.OpenFile(name+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	out := bufio.NewWriter(f)
	for p, s := range times {
		if len(p) > math.MaxUint16 {
			continue
		}
		var head [30]byte
		copy(head[:], s.id[:])
		binary.BigEndian.PutUint64(head[20:28], uint64(s.at))
		binary.BigEndian.PutUint16(head[28:], uint16(len(p)))
		out.Write(head[:]) //nolint:errcheck // Flush tells
		out.WriteString(p) //nolint:errcheck // Flush tells
	}
	if err := errors.Join(out.Flush(), f.Close()); err != nil {
		return err
	}
	return os.Rename(name+".new", name)
}
