package httpd

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"paas/server"
	"paas/server/api"
)

// sortBy is one field a list in memory can be sorted and cut by.
type sortBy[T any] struct {
	name  string
	value func(T) string
}

// replyAll answers with a window on a list that is in memory as a whole.
func replyAll[T any](w http.ResponseWriter, r *http.Request, all []T, fields ...sortBy[T]) error {
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = f.name
	}
	s, err := parseRange(r.Header.Get("Range"), names)
	if err != nil {
		return err
	}
	value := fields[slices.Index(names, s.field)].value
	in := slices.DeleteFunc(slices.Clone(all), func(t T) bool { return !s.holds(value(t)) })
	slices.SortStableFunc(in, func(a, b T) int {
		if s.desc {
			a, b = b, a
		}
		return cmp.Compare(value(a), value(b))
	})
	more := len(in) > s.max
	return replyPage(w, r, s, names, in[:min(len(in), s.max)], more, value)
}

// holds says whether a value lies within the bounds. With order=desc the
// bounds are given from the top.
func (s span) holds(v string) bool {
	low, high, lowOpen, highOpen := s.from, s.to, s.fromOpen, s.toOpen
	if s.desc {
		low, high, lowOpen, highOpen = s.to, s.from, s.toOpen, s.fromOpen
	}
	if low != "" && (v < low || lowOpen && v == low) {
		return false
	}
	return high == "" || v < high || !highOpen && v == high
}

// replyStored answers with a window on a list that the store pages by version.
// An "id" may be asked for in its place as long as it has no bounds.
func replyStored[T any](w http.ResponseWriter, r *http.Request,
	fetch func(server.Page) ([]T, error), version func(T) string,
) error {
	fields := []string{"version", "id"}
	s, err := parseRange(r.Header.Get("Range"), fields)
	if err != nil {
		return err
	}
	if s.from == "" {
		s.field = fields[0]
	}
	// One more than asked for tells whether there is more; the store gives no
	// more than a page, and after a full one the next may be empty.
	page := server.Page{Max: min(s.max+1, maxPage), Desc: s.desc}
	if err := s.bound(&page); err != nil {
		return err
	}
	items, err := fetch(page)
	if err != nil {
		return err
	}
	more := len(items) > s.max || len(items) == maxPage
	return replyPage(w, r, s, fields, items[:min(len(items), s.max)], more, version)
}

// replyRecent answers with a window on the newest 1,000 of a list that comes
// newest first. Its ids say nothing about order, so that the only bound is the
// id to start behind.
func replyRecent[T any](w http.ResponseWriter, r *http.Request,
	fetch func(server.Page) ([]T, error), id func(T) string,
) error {
	fields := []string{"id"}
	s, err := parseRange(r.Header.Get("Range"), fields)
	if err != nil {
		return err
	}
	if s.to != "" || s.from != "" && !s.fromOpen {
		return badRange("this list takes only ]ID.. to start behind an id")
	}
	items, err := fetch(server.Page{Max: maxPage, Desc: true})
	if err != nil {
		return err
	}
	if !s.desc {
		slices.Reverse(items)
	}
	if s.from != "" {
		at := slices.IndexFunc(items, func(t T) bool { return id(t) == s.from })
		if at < 0 {
			return badRange("%q is not in this list", s.from)
		}
		items = items[at+1:]
	}
	more := len(items) > s.max
	return replyPage(w, r, s, fields, items[:min(len(items), s.max)], more, id)
}

// bound fills Page.After, which leaves the bound itself out.
func (s span) bound(p *server.Page) error {
	switch {
	case s.to != "":
		return badRange("this list takes no upper bound; use max")
	case s.from == "":
		return nil
	case s.field != "version":
		return badRange("this list takes bounds on version only")
	}
	n, err := strconv.Atoi(strings.TrimPrefix(s.from, "v"))
	if err != nil || n < 0 {
		return badRange("%q is no version", s.from)
	}
	if !s.fromOpen {
		if n--; s.desc {
			n += 2
		}
	}
	p.After = strconv.Itoa(max(n, 0))
	return nil
}

func replyPage[T any](w http.ResponseWriter, r *http.Request, s span, fields []string,
	items []T, more bool, value func(T) string,
) error {
	h := w.Header()
	h.Set("Accept-Ranges", strings.Join(fields, ", "))
	code := http.StatusOK
	if len(items) > 0 {
		first, last := value(items[0]), value(items[len(items)-1])
		h.Set("Content-Range", s.field+" "+first+".."+last)
		if more {
			h.Set(api.HeaderNextRange, s.next(last))
			code = http.StatusPartialContent
		}
	}
	if items == nil {
		items = []T{}
	}
	return reply(w, r, code, items)
}
