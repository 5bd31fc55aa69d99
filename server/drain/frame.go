package drain

import (
	"strconv"
	"strings"

	"paas/server"
)

// The parts of a syslog message that do not depend on its line.
const (
	stamp    = "2006-01-02T15:04:05.000000-07:00"
	severity = 6 // informational
	local0   = 16
	local3   = 19
	local7   = 23
	maxToken = 64 // bytes of a host name, app name or process id in a frame
)

// appendFrame writes a line as logplex does for its drains: an RFC 5424
// message without structured data (whose nil value logplex leaves out), behind
// its length in bytes (RFC 6587, octet counting):
//
//	83 <40>1 2012-11-30T06:45:29.000000+00:00 d.73ea7440-… app web.3 - hello
func appendFrame(dst []byte, l server.LogLine, token string) []byte {
	msg := make([]byte, 0, 128+len(l.Text))
	msg = append(msg, '<')
	msg = strconv.AppendInt(msg, int64(priority(l)), 10)
	msg = append(msg, ">1 "...)
	msg = l.At.UTC().AppendFormat(msg, stamp)
	for _, part := range []string{token, l.Source, l.Dyno} {
		msg = append(msg, ' ')
		msg = appendToken(msg, part)
	}
	msg = append(msg, " - "...)
	msg = append(msg, strings.ReplaceAll(l.Text, "\n", " ")...)
	msg = append(msg, '\n')
	dst = strconv.AppendInt(dst, int64(len(msg)), 10)
	dst = append(dst, ' ')
	return append(dst, msg...)
}

// priority is facility and severity: an app's own lines are local7, the
// router's local3, those of the platform local0.
func priority(l server.LogLine) int {
	switch {
	case l.Source == "app" && l.Dyno != "api":
		return local7*8 + severity
	case l.Dyno == "router":
		return local3*8 + severity
	}
	return local0*8 + severity
}

// appendToken writes a header field: printable ASCII without blanks, "-" when
// there is none.
func appendToken(dst []byte, s string) []byte {
	if s == "" {
		return append(dst, '-')
	}
	for i := range min(len(s), maxToken) {
		c := s[i]
		if c <= ' ' || c > '~' {
			c = '_'
		}
		dst = append(dst, c)
	}
	return dst
}
