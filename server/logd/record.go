package logd

import (
	"bytes"
	"strings"
	"time"
	"unicode/utf8"

	"paas/server"
)

// A record is one line of a segment: a logplex line that also names the
// instance and keeps nanoseconds, because the time of the newest line of an
// instance is where its host goes on reading after a restart:
//
//	2026-11-21T07:24:55.123456789+00:00 app[web.1] 0192f0c1-…: text
//
// An empty instance is "-". A record of source "#" is no log line: it says
// that the newest line of its instance is of that time. Every segment begins
// with those of all instances known then, so that opening an app needs its
// newest segment only.
const (
	stampLayout  = "2006-01-02T15:04:05.000000000-07:00"
	stampLen     = len(stampLayout)
	maxText      = 10_000 // bytes of text in one record; longer lines are split
	maxName      = 128    // bytes of source, dyno and instance each
	cursorSource = "#"
)

// appendRecord writes a record with its line end. The text must not hold a
// line feed; see splitText.
func appendRecord(dst []byte, l server.LogLine) []byte {
	dst = storableTime(l.At).AppendFormat(dst, stampLayout)
	dst = append(dst, ' ')
	dst = appendName(dst, l.Source)
	dst = append(dst, '[')
	dst = appendName(dst, l.Dyno)
	dst = append(dst, "] "...)
	dst = appendName(dst, l.Instance)
	dst = append(dst, ": "...)
	dst = append(dst, l.Text...)
	return append(dst, '\n')
}

// appendName writes a name so that it can be told apart again: what would end
// it becomes '_'. The platform's own names never hold such bytes.
func appendName(dst []byte, name string) []byte {
	if name == "" {
		return append(dst, '-')
	}
	for i := range min(len(name), maxName) {
		c := name[i]
		if c <= ' ' || c == '[' || c == ']' || c == ':' || c == 0x7f {
			c = '_'
		}
		dst = append(dst, c)
	}
	return dst
}

// storableTime is at in UTC, or now when its year would not fit the layout.
func storableTime(at time.Time) time.Time {
	at = at.UTC()
	if y := at.Year(); y < 1900 || y > 9999 {
		return time.Now().UTC()
	}
	return at
}

// rawRecord is a record whose parts still point into the segment's bytes:
// opening a store looks at every record of its newest segments and needs two
// of the parts.
type rawRecord struct {
	at                           time.Time
	source, dyno, instance, text []byte
}

// parseRecord reads a record without its line end. Anything that
// appendRecord did not write is refused.
func parseRecord(b []byte) (rawRecord, bool) {
	at, ok := parseStamp(b)
	if !ok || len(b) == stampLen || b[stampLen] != ' ' {
		return rawRecord{}, false
	}
	r := rawRecord{at: at}
	var ok1, ok2, ok3 bool
	r.source, b, ok1 = bytes.Cut(b[stampLen+1:], []byte("["))
	r.dyno, b, ok2 = bytes.Cut(b, []byte("] "))
	r.instance, r.text, ok3 = bytes.Cut(b, []byte(": "))
	return r, ok1 && ok2 && ok3 && isName(r.source) && isName(r.dyno) && isName(r.instance)
}

// line copies the parts out.
func (r rawRecord) line() server.LogLine {
	return server.LogLine{
		At: r.at, Source: name(r.source), Dyno: name(r.dyno), Instance: name(r.instance), Text: string(r.text),
	}
}

func isName(b []byte) bool {
	return len(b) > 0 && len(b) <= maxName && !bytes.ContainsAny(b, "\x00 \n")
}

func name(b []byte) string {
	if len(b) == 1 && b[0] == '-' {
		return ""
	}
	return string(b)
}

// parseStamp reads the fixed-width time by position: opening a store parses
// every record of its newest segments, and time.Parse would be half of that.
func parseStamp(b []byte) (time.Time, bool) {
	if len(b) < stampLen || string(b[29:stampLen]) != "+00:00" {
		return time.Time{}, false
	}
	if b[4] != '-' || b[7] != '-' || b[10] != 'T' || b[13] != ':' || b[16] != ':' || b[19] != '.' {
		return time.Time{}, false
	}
	n, ok := [7]int{}, true
	for i, f := range [7][2]int{{0, 4}, {5, 7}, {8, 10}, {11, 13}, {14, 16}, {17, 19}, {20, 29}} {
		for _, c := range b[f[0]:f[1]] {
			ok = ok && '0' <= c && c <= '9'
			n[i] = n[i]*10 + int(c-'0')
		}
	}
	if !ok || n[0] < 1900 || n[3] > 23 || n[4] > 59 || n[5] > 59 {
		return time.Time{}, false
	}
	t := time.Date(n[0], time.Month(n[1]), n[2], n[3], n[4], n[5], n[6], time.UTC)
	// Date makes the 31st of February the 3rd of March: such a day is refused.
	return t, t.Day() == n[2] && int(t.Month()) == n[1]
}

// splitText calls piece for every record a text needs: one for each of its
// lines, and lines over maxText bytes in chunks that do not cut a character.
func splitText(text string, piece func(string)) {
	for {
		line, rest, more := strings.Cut(text, "\n")
		for len(line) > maxText {
			n := chunk(line)
			piece(line[:n])
			line = line[n:]
		}
		piece(line)
		if !more || rest == "" {
			return
		}
		text = rest
	}
}

// chunk is the longest length up to maxText that ends between two characters
// of s, and maxText where s is no UTF-8 there.
func chunk(s string) int {
	for n := maxText; n > maxText-utf8.UTFMax; n-- {
		if utf8.RuneStart(s[n]) {
			return n
		}
	}
	return maxText
}
