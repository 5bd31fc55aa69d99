package server

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
