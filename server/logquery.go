package server

import (
	"fmt"
	"regexp"
	"regexp/syntax"
	"strconv"
	"strings"
	"time"

	"paas/server/api"
)

const (
	defaultLogLines = 100
	// MaxLogLines is how many lines one reading gives, beyond Heroku's 1,500:
	// they are streamed from where they lie.
	MaxLogLines  = 100_000
	maxLogSearch = 500 // bytes of a text or pattern to search for
)

var dynoName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,128}(\.[0-9]{1,6})?$`)

// ParseLogQuery makes a query of what a client asks for; times before now are
// told from now. Heroku's source "heroku" is "paas" here; a dyno without a
// number is a process type. Its error is for people.
func ParseLogQuery(in api.LogSessionRequest, now time.Time) (LogQuery, error) {
	q := LogQuery{Source: in.Source, Dyno: in.Dyno, Type: in.Type, Tail: in.Tail, Level: in.Level}
	switch in.Source {
	case "", "app", "paas":
	case "heroku":
		q.Source = "paas"
	default:
		return q, Errorf(ErrInvalid, "Field source must be \"app\" or \"paas\".")
	}
	for field, v := range map[string]string{"dyno": in.Dyno, "type": in.Type} {
		if v != "" && !dynoName.MatchString(v) {
			return q, Errorf(ErrInvalid, "Field %s is no name of a dyno.", field)
		}
	}
	if in.Dyno != "" && !strings.Contains(in.Dyno, ".") && in.Dyno != "router" && in.Dyno != "api" {
		q.Dyno, q.Type = "", in.Dyno
	}
	if !IsLogLevel(in.Level) {
		return q, Errorf(ErrInvalid, "Field level must be \"error\", \"warn\" or \"info\".")
	}
	q.Lines = defaultLogLines
	if in.Since+in.Until+in.Text+in.Pattern+in.Level != "" { // who looks for something wants all of it
		q.Lines = MaxLogLines
	}
	if in.Lines != nil {
		q.Lines = *in.Lines
	}
	if q.Lines < 1 || q.Lines > MaxLogLines {
		return q, Errorf(ErrInvalid, "Field lines must be 1 to %d.", MaxLogLines)
	}
	return q, q.search(in, now)
}

// search takes what the client looks for: times, a text, a pattern.
func (q *LogQuery) search(in api.LogSessionRequest, now time.Time) (err error) {
	if q.Since, err = Moment("since", in.Since, now); err != nil {
		return err
	}
	if q.Until, err = Moment("until", in.Until, now); err != nil {
		return err
	}
	switch {
	case len(in.Text) > maxLogSearch || len(in.Pattern) > maxLogSearch:
		return Errorf(ErrInvalid, "Text and pattern to search for may have %d bytes.", maxLogSearch)
	case !q.Since.IsZero() && !q.Until.IsZero() && !q.Since.Before(q.Until):
		return Errorf(ErrInvalid, "Field since must be before field until: there are no lines between them.")
	case in.Tail && !q.Until.IsZero():
		return Errorf(ErrInvalid, "Field until ends before what tail waits for: give one of them.")
	}
	q.Text, q.Fold = in.Text, in.IgnoreCase
	if in.Pattern == "" {
		return nil
	}
	pattern := in.Pattern
	if in.IgnoreCase {
		pattern = "(?i)" + pattern
	}
	q.Pattern, err = logPattern(pattern)
	return err
}

// maxPattern bounds the steps of a pattern, each of which may be taken for each
// byte of a log. A pattern for a UUID has 40.
const maxPattern = 500

func logPattern(pattern string) (*regexp.Regexp, error) {
	re, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return nil, Errorf(ErrInvalid, "Field pattern is no regular expression (RE2): %s.", strings.TrimPrefix(err.Error(), "error parsing regexp: "))
	}
	prog, err := syntax.Compile(re.Simplify())
	if err != nil {
		return nil, fmt.Errorf("pattern for logs: %w", err)
	}
	if len(prog.Inst) > maxPattern {
		return nil, Errorf(ErrInvalid, "Field pattern asks for too much work: it has %d steps and may have %d. Ask for fewer repetitions.", len(prog.Inst), maxPattern)
	}
	return regexp.Compile(pattern)
}

// Moment reads a time, RFC 3339 or how long before now; zero when empty.
// Field is its name in the error, which is for people.
func Moment(field, s string, now time.Time) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	if t, err := time.Parse(time.RFC3339Nano, s); err == nil && t.Year() >= 1970 && t.Year() < 10000 {
		return t, nil
	}
	d, err := time.ParseDuration(s)
	if days, ok := strings.CutSuffix(s, "d"); ok {
		var n int
		n, err = strconv.Atoi(days)
		d = time.Duration(n) * 24 * time.Hour
		if n > 36500 {
			d = -1
		}
	}
	if err != nil || d < 0 {
		return time.Time{}, Errorf(ErrInvalid, "Field %s must be a time like 2026-05-01T12:00:00Z or how long ago, like 90s, 2h or 7d.", field)
	}
	return now.Add(-d), nil
}
