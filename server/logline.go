package server

import (
	"strings"
)

// logStamp is how logplex writes the time of a line: microseconds, UTC, with
// the offset spelled out.
const logStamp = "2006-01-02T15:04:05.000000-07:00"

// FormatLogLine writes a line as logplex does, without a line end:
//
//	2026-11-21T07:24:55.123456+00:00 app[web.1]: text
func FormatLogLine(l LogLine) string {
	return string(AppendLogLine(make([]byte, 0, 64+len(l.Text)), l))
}

// AppendLogLine is FormatLogLine onto dst, for callers that write many lines.
// The text is copied byte by byte: who shows it on a terminal or in a page
// escapes it there.
func AppendLogLine(dst []byte, l LogLine) []byte {
	dst = l.At.UTC().AppendFormat(dst, logStamp)
	dst = append(dst, ' ')
	dst = append(dst, l.Source...)
	dst = append(dst, '[')
	dst = append(dst, l.Dyno...)
	dst = append(dst, "]: "...)
	return append(dst, l.Text...)
}

// Matches says whether the query chooses a line of its app.
func (q LogQuery) Matches(l LogLine) bool {
	switch {
	case q.Source != "" && q.Source != l.Source,
		q.Dyno != "" && q.Dyno != l.Dyno,
		q.Type != "" && q.Type != DynoType(l.Dyno),
		!q.Since.IsZero() && l.At.Before(q.Since),
		!q.Until.IsZero() && !l.At.Before(q.Until):
		return false
	}
	return q.MatchesText(l.Text) && q.MatchesLevel(l)
}

// MatchesLevel says whether the query chooses a line by what it says of how
// grave it is.
func (q LogQuery) MatchesLevel(l LogLine) bool { return q.Level == "" || LogLevel(l) == q.Level }

// MatchesText says whether the query chooses a text, whatever else its line is.
func (q LogQuery) MatchesText(text string) bool {
	if q.Text != "" {
		if q.Fold && !containsFold(text, q.Text) || !q.Fold && !strings.Contains(text, q.Text) {
			return false
		}
	}
	return q.Pattern == nil || q.Pattern.MatchString(text)
}

// containsFold is strings.Contains in any case.
func containsFold(s, sub string) bool {
	return strings.Contains(strings.ToLower(s), strings.ToLower(sub))
}

// DynoType is "web" of "web.1"; a name without a number is its own type.
func DynoType(dyno string) string {
	if i := strings.LastIndexByte(dyno, '.'); i > 0 {
		return dyno[:i]
	}
	return dyno
}
