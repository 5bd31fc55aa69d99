package httpd

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"paas/server"
)

// The sizes of a page.
const (
	defaultPage = 200
	maxPage     = 1000
)

// span is what a Range header asks for: a field, bounds on its values, the
// order, and how many.
//
//	version ..; max=15, order=desc
//	id ]5f0c…..; max=200         "]" leaves the first bound itself out
//	name a..m[                   "[" leaves the last bound itself out
type span struct {
	field            string
	from, to         string
	fromOpen, toOpen bool
	max              int
	desc             bool
}

// parseRange reads a Range header for a list that can be sorted by fields;
// the first is taken when the header is empty.
func parseRange(header string, fields []string) (span, error) {
	const longest = 1024
	s := span{field: fields[0], max: defaultPage}
	header = strings.TrimSpace(header)
	if header == "" || strings.HasPrefix(header, "bytes=") {
		return s, nil
	}
	if len(header) > longest {
		return s, badRange("it is longer than %d bytes", longest)
	}
	bounds, params, _ := strings.Cut(header, ";")
	if err := s.readBounds(strings.TrimSpace(bounds), fields); err != nil {
		return s, err
	}
	split := func(r rune) bool { return r == ',' || r == ';' }
	for p := range strings.FieldsFuncSeq(params, split) {
		if err := s.readParam(strings.TrimSpace(p)); err != nil {
			return s, err
		}
	}
	return s, nil
}

func (s *span) readBounds(b string, fields []string) error {
	if b == "" {
		return nil
	}
	field, rest, _ := strings.Cut(b, " ")
	if !slices.Contains(fields, field) {
		return badRange("this list can be sorted by %s, not by %q", strings.Join(fields, ", "), field)
	}
	s.field = field
	rest = strings.TrimSpace(rest)
	if rest == "" {
		return nil
	}
	from, to, ok := strings.Cut(rest, "..")
	if !ok {
		return badRange("%q has no \"..\"", rest)
	}
	s.from, s.fromOpen = strings.CutPrefix(strings.TrimSpace(from), "]")
	s.to, s.toOpen = strings.CutSuffix(strings.TrimSpace(to), "[")
	if s.fromOpen && s.from == "" || s.toOpen && s.to == "" {
		return badRange("a bracket without a bound")
	}
	return nil
}

func (s *span) readParam(p string) error {
	if p == "" {
		return nil
	}
	key, value, _ := strings.Cut(p, "=")
	switch key {
	case "max":
		n, err := strconv.Atoi(value)
		if err != nil || n < 1 || n > maxPage {
			return badRange("max must be 1 to %d", maxPage)
		}
		s.max = n
	case "order":
		if value != "asc" && value != "desc" {
			return badRange("order must be asc or desc")
		}
		s.desc = value == "desc"
	default:
		return badRange("%q is neither max nor order", key)
	}
	return nil
}

// next is the Next-Range header of a page that ended with last.
func (s span) next(last string) string {
	to := s.to
	if s.toOpen {
		to += "["
	}
	order := ""
	if s.desc {
		order = ", order=desc"
	}
	return fmt.Sprintf("%s ]%s..%s; max=%d%s", s.field, last, to, s.max, order)
}

func badRange(format string, args ...any) error {
	return server.Errorf(errRange, "The Range header is not understood: "+format+".", args...)
}
