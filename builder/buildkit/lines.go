package buildkit

import (
	"bytes"
	"strings"
	"unicode/utf8"
)

// maxLine bounds one line of build output, in bytes; a longer one is cut.
const maxLine = 4096

// lineCutter makes lines of pieces of a stream.
type lineCutter struct{ buf []byte }

func (c *lineCutter) write(data []byte, emit func(string)) {
	for len(data) > 0 {
		part, rest, ended := bytes.Cut(data, []byte("\n"))
		if room := maxLine - len(c.buf); room > 0 {
			c.buf = append(c.buf, part[:min(room, len(part))]...)
		}
		if ended {
			emit(cleanLine(string(c.buf)))
			c.buf = c.buf[:0]
		}
		data = rest
	}
}

func (c *lineCutter) flush(emit func(string)) {
	if len(c.buf) > 0 {
		emit(cleanLine(string(c.buf)))
		c.buf = nil
	}
}

// cleanLine makes foreign text safe for a terminal: colours stay, every other
// control sequence goes. Of a line that was drawn over, the last state stays.
func cleanLine(s string) string {
	s = strings.TrimRight(s, "\r")
	if i := strings.LastIndexByte(s, '\r'); i >= 0 {
		s = s[i+1:]
	}
	var b strings.Builder
	coloured := false
	for len(s) > 0 {
		if s[0] == 0x1b {
			n, colour := escape(s)
			if colour {
				b.WriteString(s[:n])
				coloured = true
			}
			s = s[n:]
			continue
		}
		r, n := utf8.DecodeRuneInString(s)
		switch {
		case r == utf8.RuneError && n == 1:
			b.WriteRune(utf8.RuneError)
		case r == '\t' || (r >= 0x20 && r != 0x7f && (r < 0x80 || r > 0x9f)):
			b.WriteRune(r)
		}
		s = s[n:]
	}
	if coloured {
		b.WriteString("\x1b[0m") // a colour does not run into the next line
	}
	return b.String()
}

// escape measures the control sequence at the start of s and tells whether it
// only sets a colour.
func escape(s string) (n int, colour bool) {
	if len(s) < 2 {
		return len(s), false
	}
	switch s[1] {
	case '[': // parameters, intermediates, one final byte
		i := 2
		for i < len(s) && s[i] >= 0x20 && s[i] <= 0x3f {
			i++
		}
		if i == len(s) {
			return i, false
		}
		if s[i] < 0x40 || s[i] > 0x7e {
			return i, false
		}
		return i + 1, s[i] == 'm' && strings.Trim(s[2:i], "0123456789;:") == ""
	case ']', 'P', 'X', '^', '_': // strings, ended by BEL or ESC \
		for i := 2; i < len(s); i++ {
			if s[i] == 0x07 {
				return i + 1, false
			}
			if s[i] == 0x1b && i+1 < len(s) && s[i+1] == '\\' {
				return i + 2, false
			}
		}
		return len(s), false
	}
	if s[1] >= 0x80 {
		return 1, false // the byte belongs to a rune
	}
	return 2, false
}
