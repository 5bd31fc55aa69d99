package web

import (
	"bytes"
	"strings"
	"unicode/utf8"
)

// What a page shows of an output, so that one of 10 MB harms no browser. The
// whole is a link away, as text.
const (
	shownLines    = 2000 // of all sections
	shownBytes    = 256 << 10
	shownSections = 100
	shownLine     = 2000 // bytes of a line
	// foldedLines is what is shown of a section that is not the last.
	foldedLines = 300
)

// outLine is one line of a deploy's output. As JSON it is what js/deploy.js
// reads.
type outLine struct {
	Kind  string `json:"k,omitempty"` // "head" begins a section, "bad" is a failure's
	Spans []span `json:"s"`
}

// outSection is a line "-----> …" with what follows it.
type outSection struct {
	Head  []span // nil: what comes before the first
	Lines []outLine
	Left  int  // how many lines before these are not shown
	Last  bool // it is open
}

// output is what a page shows of a deploy's output.
type output struct {
	Sections []outSection
	Left     int // sections before these that are not shown
	Offset   int // bytes up to the end of what is shown
	Size     int // bytes of the whole
}

const (
	headMark = "-----> "
	badMark  = " !     "
)

// readLine is one line with its colours. A line that overwrote itself is
// worth its last state.
func readLine(raw []byte) outLine {
	raw = bytes.TrimRight(raw, "\r\n")
	if i := bytes.LastIndexByte(raw, '\r'); i >= 0 {
		raw = raw[i+1:]
	}
	text, cut := string(raw), ""
	if len(text) > shownLine {
		end := shownLine
		for end > 0 && !utf8.RuneStart(text[end]) {
			end--
		}
		text, cut = text[:end], " …"
	}
	l := outLine{Spans: ansi(text)}
	if cut != "" {
		l.Spans = append(l.Spans, span{Text: cut})
	}
	switch {
	case strings.HasPrefix(text, headMark):
		l.Kind = "head"
	case strings.HasPrefix(text, badMark):
		l.Kind = "bad"
	}
	return l
}

// readOutput folds an output into its sections. Of one that grows, only whole
// lines are shown: the rest comes when its end does.
func readOutput(all []byte, ended bool) output {
	o := output{Size: len(all), Offset: len(all)}
	if !ended {
		o.Offset = bytes.LastIndexByte(all, '\n') + 1
	}
	parts := cutSections(all[:o.Offset])
	o.Left = max(0, len(parts)-shownSections)
	parts = parts[o.Left:]
	o.Sections = make([]outSection, len(parts))
	lines, size := shownLines, shownBytes
	for i := len(parts) - 1; i >= 0; i-- { // how it ended matters most
		limit := lines
		if i < len(parts)-1 {
			limit = min(limit, foldedLines)
		}
		s := readSection(parts[i], limit, size)
		s.Last = i == len(parts)-1
		for _, l := range s.Lines {
			lines--
			for _, sp := range l.Spans {
				size -= len(sp.Text)
			}
		}
		o.Sections[i] = s
	}
	return o
}

// cutSections divides before each line that begins a section.
func cutSections(all []byte) [][]byte {
	var parts [][]byte
	begin := 0
	for at := 0; at < len(all); {
		if at > begin && bytes.HasPrefix(all[at:], []byte(headMark)) {
			parts, begin = append(parts, all[begin:at]), at
		}
		n := bytes.IndexByte(all[at:], '\n')
		if n < 0 {
			break
		}
		at += n + 1
	}
	if begin < len(all) {
		parts = append(parts, all[begin:])
	}
	return parts
}

// readSection reads the end of a section, within the limits.
func readSection(part []byte, maxLines, maxBytes int) outSection {
	var s outSection
	lines := bytes.SplitAfter(part, []byte("\n"))
	if len(lines[len(lines)-1]) == 0 {
		lines = lines[:len(lines)-1]
	}
	if bytes.HasPrefix(part, []byte(headMark)) {
		s.Head, lines = readLine(lines[0]).Spans, lines[1:]
	}
	first := len(lines)
	for first > 0 && len(lines)-first < maxLines && maxBytes > 0 {
		first--
		maxBytes -= min(len(lines[first]), shownLine)
	}
	for _, raw := range lines[first:] {
		s.Lines = append(s.Lines, readLine(raw))
	}
	s.Left = first
	return s
}
