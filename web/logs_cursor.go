package web

import (
	"context"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"strings"
	"time"

	"paas/server"
)

const (
	// cursorOverlap is how far before its own time a line is looked for: lines
	// of several hosts do not come in the order of their times.
	cursorOverlap = 10 * time.Second
	// maxAway is how long a page may have been cut off and still get every
	// line of that time, up to maxBehind of them.
	maxAway   = 10 * time.Minute
	maxBehind = 5000
)

// logCursor is the place behind a line in an app's log: its time, a hash of it
// and the how manieth of equal lines it is. A page that was cut off goes on
// there.
type logCursor struct {
	at   time.Time
	hash uint64
	nth  int
}

func (c logCursor) String() string { return fmt.Sprintf("%d.%x.%d", c.at.UnixNano(), c.hash, c.nth) }

// parseCursor reads a cursor; false when s is none.
func parseCursor(s string) (logCursor, bool) {
	var c logCursor
	var nano int64
	if len(s) > 64 {
		return c, false
	}
	if n, err := fmt.Sscanf(s, "%d.%x.%d", &nano, &c.hash, &c.nth); n != 3 || err != nil || c.nth < 1 || nano < 0 {
		return c, false
	}
	c.at = time.Unix(0, nano).UTC()
	return c, c.String() == s
}

func hashLine(l server.LogLine) uint64 {
	h := fnv.New64a()
	_ = binary.Write(h, binary.BigEndian, l.At.UnixNano())
	_, _ = h.Write([]byte(l.Source + "\x00" + l.Dyno + "\x00" + l.Text))
	return h.Sum64()
}

// cursors makes the cursor of each line that passes.
type cursors struct {
	ring [64]uint64 // of lines before: equal ones stand close together
	next int
	last logCursor
}

// pass notes a line. The log's own note of lines lost is not in the log: the
// cursor stays before what was lost.
func (c *cursors) pass(l server.LogLine) logCursor {
	if l.Source == "paas" && l.Dyno == "logplex" && strings.HasPrefix(l.Text, "Error L11 (Tail") {
		return c.last
	}
	hash, nth := hashLine(l), 1
	for _, h := range c.ring {
		if h == hash {
			nth++
		}
	}
	c.ring[c.next] = hash
	c.next = (c.next + 1) % len(c.ring)
	c.last = logCursor{l.At, hash, nth}
	return c.last
}

// resume is where a reading goes on behind a cursor.
type resume struct {
	q       server.LogQuery // to read with
	behind  logCursor       // the cursor itself
	skip    logCursor       // lines up to it were seen; nth 0: none
	leave   int             // lines behind it that are left out
	unknown bool            // lines may be missing, nobody counted them
}

// resumeAt finds how to go on behind the cursor with q. It looks for the line
// in the log itself, so nothing of who read what is kept on the server.
func (s *Server) resumeAt(v *visit, q server.LogQuery, c logCursor, now time.Time) (resume, error) {
	fresh := q
	fresh.Lines = maxBehind
	if behind := c.at.Add(1); fresh.Since.Before(behind) {
		fresh.Since = behind
	}
	if now.Sub(c.at) > maxAway {
		return resume{q: fresh, behind: c, unknown: true}, nil
	}
	q.Lines = 0
	if from := c.at.Add(-cursorOverlap); q.Since.Before(from) {
		q.Since = from
	}
	seen, behind := 0, 0
	look := q
	look.Tail = false
	err := s.svc.Logs(v.ctx(), v.actor(), v.app().ID, look, func(l server.LogLine) error {
		switch {
		case seen >= c.nth:
			behind++
		case hashLine(l) == c.hash:
			seen++
		}
		return nil
	})
	switch {
	case err != nil:
		return resume{}, err
	case seen < c.nth: // no longer kept
		return resume{q: fresh, behind: c}, nil
	}
	return resume{q: q, behind: c, skip: c, leave: max(0, behind-maxBehind)}, nil
}

// read calls line for what comes behind the cursor; marks learns of the lines
// before it too, as some of them may equal those that come.
func (r resume) read(ctx context.Context, s *Server, actor server.Actor, app string, marks *cursors, line func(server.LogLine) error) error {
	left, leave := r.skip.nth, r.leave
	return s.svc.Logs(ctx, actor, app, r.q, func(l server.LogLine) error {
		switch {
		case left > 0:
			if hashLine(l) == r.skip.hash {
				left--
			}
			marks.pass(l)
			return nil
		case leave > 0:
			leave--
			marks.pass(l)
			return nil
		}
		return line(l)
	})
}
