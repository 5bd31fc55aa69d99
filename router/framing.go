package router

import (
	"bytes"
	"math"
	"strconv"
	"strings"
	"sync/atomic"
)

// headScanner reads along with net/http on one HTTP/1 connection to notice
// what net/http hides from handlers: that a request came with both
// Content-Length and Transfer-Encoding, the mark of request smuggling
// (net/http silently drops the former).
//
// It needs no opinion on chunked bodies: a request with a Transfer-Encoding is
// the last one of its connection, so the scanner stops there. If it ever
// disagreed with net/http about a boundary it would only refuse a request too
// many; it never changes a byte.
type headScanner struct {
	off   bool
	skip  uint64 // bytes of body still to pass over
	head  []byte // the part of a head seen so far
	count int64  // heads seen
	limit int    // of head; net/http answers 431 beyond it

	// last is the number of the request with a Transfer-Encoding, shifted left
	// by one, plus 1 when it has a Content-Length as well. Read by the handler.
	last atomic.Int64
}

// feed takes the bytes that net/http is about to see.
func (s *headScanner) feed(p []byte) {
	for len(p) > 0 && !s.off {
		if s.skip > 0 {
			n := min(s.skip, uint64(len(p)))
			s.skip -= n
			p = p[n:]
			continue
		}
		p = s.feedHead(p)
	}
}

// feedHead takes bytes up to the end of the head and returns the rest.
func (s *headScanner) feedHead(p []byte) []byte {
	if len(s.head) == 0 {
		p = bytes.TrimLeft(p, "\r\n") // tolerated between requests
	}
	before := len(s.head)
	s.head = append(s.head, p...)
	end := headEnd(s.head, max(0, before-3))
	if end < 0 {
		if len(s.head) > s.limit {
			s.stop()
		}
		return nil
	}
	rest := p[end-before:]
	s.count++
	s.judge(s.head[:end])
	s.head = s.head[:0]
	return rest
}

// headEnd is the index after the empty line that ends a head, or -1. Lines may
// end in a bare LF, as for net/http.
func headEnd(b []byte, from int) int {
	for i := from; i < len(b); i++ {
		if b[i] != '\n' {
			continue
		}
		if i+1 < len(b) && b[i+1] == '\n' {
			return i + 2
		}
		if i+2 < len(b) && b[i+1] == '\r' && b[i+2] == '\n' {
			return i + 3
		}
	}
	return -1
}

func (s *headScanner) judge(head []byte) {
	var length, coding bool
	var n uint64
	for line := range bytes.Lines(head) {
		name, value, ok := bytes.Cut(line, []byte(":"))
		if !ok {
			continue
		}
		switch strings.ToLower(string(name)) {
		case "content-length":
			length = true
			v, err := strconv.ParseUint(string(bytes.TrimSpace(value)), 10, 63)
			if err != nil {
				v = math.MaxInt64 // net/http refuses it and closes
			}
			n = v
		case "transfer-encoding":
			coding = true
		}
	}
	if !coding {
		s.skip = n
		return
	}
	last := s.count << 1
	if length {
		last |= 1
	}
	s.last.Store(last)
	s.stop()
}

func (s *headScanner) stop() {
	s.off = true
	s.head = nil
}

// verdict says of the n-th request of the connection whether it has a
// Transfer-Encoding and whether that contradicts a Content-Length.
func (s *headScanner) verdict(n int64) (coded, contradicts bool) {
	last := s.last.Load()
	return last>>1 == n, last>>1 == n && last&1 == 1
}
