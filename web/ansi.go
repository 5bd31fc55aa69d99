package web

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// span is a piece of a line in one look. Class is empty or class names of
// css/ansi.css; Text is what the page may show as text.
type span struct{ Class, Text string }

// MarshalJSON writes what js/ansi.js reads: the text, or [class, text].
func (s span) MarshalJSON() ([]byte, error) {
	if s.Class == "" {
		return json.Marshal(s.Text)
	}
	return json.Marshal([2]string{s.Class, s.Text})
}

const (
	// maxSpans bounds what one line costs a browser; what follows has no look.
	maxSpans = 48
	maxCSI   = 64   // bytes of a control sequence
	maxOSC   = 2048 // bytes of an operating system command: titles, links
)

// ansi divides a line that a program printed by its colours (SGR: 16, 256 and
// true colours, as the nearest of 16; bold, dim, italic, underline, reverse).
// Other control sequences are dropped; other control characters, and those
// that turn the writing direction, are shown as signs. Text that the sequence
// "conceal" would hide is shown. Each line begins without a look.
func ansi(line string) []span {
	line = strings.TrimRight(line, "\r\n")
	var w spanWriter
	var now sgrLook
	for {
		i := strings.IndexByte(line, 0x1b)
		if i < 0 {
			break
		}
		w.text.WriteString(line[:i])
		line = line[i:]
		n, sgr := sequence(line)
		switch {
		case n == 0: // no sequence: the character is shown
			n = 1
			w.text.WriteByte(line[0])
		case sgr:
			now.set(line[2 : n-1])
			w.look(now.class())
		}
		line = line[n:]
	}
	w.text.WriteString(line)
	w.end()
	return w.spans
}

// spanWriter gathers spans; the last it may make has no look.
type spanWriter struct {
	spans []span
	class string
	text  strings.Builder // of the span to come
}

func (w *spanWriter) look(class string) {
	if class == w.class || len(w.spans) == maxSpans-1 {
		return
	}
	w.end()
	if w.class = class; len(w.spans) == maxSpans-1 {
		w.class = ""
	}
}

func (w *spanWriter) end() {
	if w.text.Len() > 0 {
		w.spans = append(w.spans, span{w.class, visible(w.text.String())})
		w.text.Reset()
	}
}

// sequence is the length of the escape sequence that s begins with, 0 when it
// begins with none that ends, and whether it sets the look.
func sequence(s string) (length int, sgr bool) {
	if len(s) < 2 {
		return 0, false
	}
	switch s[1] {
	case '[':
		return csi(s)
	case ']':
		return osc(s), false
	case '(', ')': // character sets, as tput sgr0 writes them
		if len(s) > 2 && s[2] >= '0' && s[2] <= 'Z' {
			return 3, false
		}
	}
	return 0, false
}

func csi(s string) (length int, sgr bool) {
	sgr = true
	for i := 2; i < len(s) && i < maxCSI; i++ {
		switch c := s[i]; {
		case c >= '0' && c <= ';': // digits, colon, semicolon
		case c >= 0x20 && c < 0x40:
			sgr = false
		case c >= 0x40 && c < 0x7f:
			return i + 1, sgr && c == 'm'
		default:
			return 0, false
		}
	}
	return 0, false
}

func osc(s string) int {
	for i := 2; i < len(s) && i < maxOSC; i++ {
		switch {
		case s[i] == 0x07:
			return i + 1
		case s[i] == 0x1b && i+1 < len(s) && s[i+1] == '\\':
			return i + 2
		case s[i] < 0x20:
			return 0
		}
	}
	return 0
}

// visible is plain for one line, with the pictures that Unicode has for
// control characters.
func visible(text string) string {
	return plain(strings.Map(func(r rune) rune {
		switch {
		case r == '\t':
			return r
		case r < 0x20:
			return 0x2400 + r
		case r == 0x7f:
			return 0x2421
		case r == 0x2028, r == 0x2029: // they would break the line
			return '�'
		}
		return r
	}, text))
}

// sgrLook is what SGR sequences have set. Colours are 1 to 16, 0 is none.
type sgrLook struct {
	fg, bg                                int
	bold, dim, italic, underline, reverse bool
}

// set takes the parameters of one sequence: "1;31", "38;5;208", "38:2::1:2:3".
func (l *sgrLook) set(params string) {
	fields := strings.Split(params, ";")
	for i := 0; i < len(fields); i++ {
		if sub := strings.Split(fields[i], ":"); len(sub) > 1 {
			l.colons(sub)
			continue
		}
		n := number(fields[i])
		if n == 38 || n == 48 {
			colour, used := extended(fields[i+1:])
			l.paint(n, colour)
			i += used
			continue
		}
		l.one(n)
	}
}

// colons is a parameter with parts of its own: a colour, or a kind of
// underline.
func (l *sgrLook) colons(sub []string) {
	switch n := number(sub[0]); {
	case n == 4:
		l.underline = number(sub[1]) != 0
	case n == 38 || n == 48:
		if len(sub) > 5 && number(sub[1]) == 2 { // 38:2:space:r:g:b
			sub = append(sub[:2:2], sub[3:]...)
		}
		colour, _ := extended(sub[1:])
		l.paint(n, colour)
	}
}

func (l *sgrLook) paint(which, colour int) {
	switch {
	case colour == 0: // not understood
	case which == 38:
		l.fg = colour
	default:
		l.bg = colour
	}
}

func (l *sgrLook) one(n int) {
	switch {
	case n == 0:
		*l = sgrLook{}
	case n == 1:
		l.bold = true
	case n == 2:
		l.dim = true
	case n == 3:
		l.italic = true
	case n == 4, n == 21:
		l.underline = true
	case n == 7:
		l.reverse = true
	case n == 22:
		l.bold, l.dim = false, false
	case n == 23:
		l.italic = false
	case n == 24:
		l.underline = false
	case n == 27:
		l.reverse = false
	default:
		l.colour(n)
	}
}

func (l *sgrLook) colour(n int) {
	switch {
	case n >= 30 && n <= 37:
		l.fg = n - 30 + 1
	case n == 39:
		l.fg = 0
	case n >= 40 && n <= 47:
		l.bg = n - 40 + 1
	case n == 49:
		l.bg = 0
	case n >= 90 && n <= 97:
		l.fg = n - 90 + 9
	case n >= 100 && n <= 107:
		l.bg = n - 100 + 9
	}
}

// class are the names in css/ansi.css. On a coloured ground the text's colour
// is ours: programs choose pairs that nobody can read.
func (l *sgrLook) class() string {
	var names []string
	fg, bg := l.fg, l.bg
	if l.reverse {
		fg, bg = l.bg, l.fg
	}
	switch {
	case bg > 0:
		names = append(names, fmt.Sprintf("a-bg%d", bg-1))
	case l.reverse:
		names = append(names, "a-reverse")
	case fg > 0:
		names = append(names, fmt.Sprintf("a-fg%d", fg-1))
	case l.dim:
		names = append(names, "a-dim")
	}
	for _, n := range []struct {
		on   bool
		name string
	}{{l.bold, "a-bold"}, {l.italic, "a-italic"}, {l.underline, "a-underline"}} {
		if n.on {
			names = append(names, n.name)
		}
	}
	return strings.Join(names, " ")
}

// number is a parameter's value; an empty one is 0, one that is none is -1.
func number(s string) int {
	if s == "" {
		return 0
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 || n > 255 {
		return -1
	}
	return n
}

// extended reads 5;n or 2;r;g;b: the nearest of 16 plus 1, and how many
// parameters it took.
func extended(fields []string) (colour, used int) {
	switch {
	case len(fields) >= 2 && number(fields[0]) == 5:
		if n := number(fields[1]); n >= 0 {
			colour = palette256(n) + 1
		}
		return colour, 2
	case len(fields) >= 4 && number(fields[0]) == 2:
		r, g, b := number(fields[1]), number(fields[2]), number(fields[3])
		if r >= 0 && g >= 0 && b >= 0 {
			colour = nearest(r, g, b) + 1
		}
		return colour, 4
	}
	return 0, len(fields)
}

// palette256 is the nearest of 16 of xterm's 256 colours.
func palette256(n int) int {
	level := func(n int) int {
		if n == 0 {
			return 0
		}
		return 55 + 40*n
	}
	switch {
	case n < 16:
		return n
	case n < 232:
		n -= 16
		return nearest(level(n/36), level(n/6%6), level(n%6))
	}
	grey := 8 + 10*(n-232)
	return nearest(grey, grey, grey)
}

// nearest is the nearest of xterm's first 16 colours.
func nearest(r, g, b int) int {
	palette := [16][3]int{{0, 0, 0}, {205, 0, 0}, {0, 205, 0}, {205, 205, 0}, {0, 0, 238}, {205, 0, 205}, {0, 205, 205}, {229, 229, 229},
		{127, 127, 127}, {255, 0, 0}, {0, 255, 0}, {255, 255, 0}, {92, 92, 255}, {255, 0, 255}, {0, 255, 255}, {255, 255, 255}}
	best, least := 0, 1<<30
	for i, p := range palette {
		dr, dg, db := r-p[0], g-p[1], b-p[2]
		if d := dr*dr + dg*dg + db*db; d < least {
			best, least = i, d
		}
	}
	return best
}
