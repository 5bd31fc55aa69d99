package gitd

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

const maxSGR = 32 // bytes of a colour sequence that is let through

// sanitize makes bytes safe for a terminal. Text, tabs, line ends and SGR
// colours stay; every other control character, a byte that is no UTF-8, and
// what reorders text on the screen are shown as escapes.
func sanitize(dst, text []byte) []byte {
	for i := 0; i < len(text); {
		if n := sgr(text[i:]); n > 0 {
			dst = append(dst, text[i:i+n]...)
			i += n
			continue
		}
		r, n := utf8.DecodeRune(text[i:])
		switch {
		case r == utf8.RuneError && n == 1, r < 0x20 && r != '\t' && r != '\n' && r != '\r', r == 0x7f:
			dst = fmt.Appendf(dst, `\x%02x`, text[i])
		case r >= 0x80 && r < 0xa0, reorders(r):
			dst = fmt.Appendf(dst, `\u%04x`, r)
		default:
			dst = append(dst, text[i:i+n]...)
		}
		i += n
	}
	return dst
}

// sgr is the length of the colour sequence text begins with, 0 when none.
func sgr(text []byte) int {
	if len(text) < 3 || text[0] != 0x1b || text[1] != '[' {
		return 0
	}
	for i := 2; i < min(len(text), maxSGR); i++ {
		c := text[i]
		if c == 'm' {
			return i + 1
		}
		if (c < '0' || c > '9') && c != ';' && c != ':' {
			return 0
		}
	}
	return 0
}

func reorders(r rune) bool {
	return r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069
}

// oneLine is text for a place that holds one line: a reason, a log field.
func oneLine(text string) string {
	const limit = 300
	line := string(sanitize(nil, []byte(strings.Join(strings.Fields(text), " "))))
	if len(line) > limit {
		line = strings.ToValidUTF8(line[:limit], "") + "…"
	}
	return line
}
