package httpd

import (
	"fmt"
	"regexp/syntax"
	"strconv"
	"strings"
	"time"

	"paas/server"
	"paas/server/api"
)

// search takes what the client looks for: times, a text, a pattern.
func (ses *session) search(in api.LogSessionRequest, now time.Time) error {
	since, err := moment("since", in.Since, now)
	if err != nil {
		return err
	}
	until, err := moment("until", in.Until, now)
	if err != nil {
		return err
	}
	switch {
	case len(in.Text) > maxSearch || len(in.Pattern) > maxSearch:
		return server.Errorf(server.ErrInvalid, "Text and pattern to search for may have %d bytes.", maxSearch)
	case !since.IsZero() && !until.IsZero() && !since.Before(until):
		return server.Errorf(server.ErrInvalid, "Field since must be before field until: there are no lines between them.")
	case in.Tail && !until.IsZero():
		return server.Errorf(server.ErrInvalid, "Field until ends before what tail waits for: give one of them.")
	}
	if in.Pattern != "" {
		ses.Pattern = in.Pattern
		if in.IgnoreCase {
			ses.Pattern = "(?i)" + in.Pattern
		}
		if err := checkPattern(ses.Pattern); err != nil {
			return err
		}
	}
	ses.Text, ses.Fold = in.Text, in.IgnoreCase
	if !since.IsZero() {
		ses.From = since.UnixMicro()
	}
	if !until.IsZero() {
		ses.To = until.UnixMicro()
	}
	return nil
}

// maxPattern bounds the steps of a pattern, each of which may be taken for each
// byte of a log. A pattern for a UUID has 40.
const maxPattern = 500

func checkPattern(pattern string) error {
	re, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return server.Errorf(server.ErrInvalid, "Field pattern is no regular expression (RE2): %s.", strings.TrimPrefix(err.Error(), "error parsing regexp: "))
	}
	prog, err := syntax.Compile(re.Simplify())
	if err != nil {
		return fmt.Errorf("pattern of a log session: %w", err)
	}
	if len(prog.Inst) > maxPattern {
		return server.Errorf(server.ErrInvalid, "Field pattern asks for too much work: it has %d steps and may have %d. Ask for fewer repetitions.", len(prog.Inst), maxPattern)
	}
	return nil
}

// moment reads a time, RFC 3339 or how long before now; zero when empty.
func moment(field, s string, now time.Time) (time.Time, error) {
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
		return time.Time{}, server.Errorf(server.ErrInvalid, "Field %s must be a time like 2026-05-01T12:00:00Z or how long ago, like 90s, 2h or 7d.", field)
	}
	return now.Add(-d), nil
}
