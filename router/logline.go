package router

import (
	"strconv"
	"time"
)

const (
	maxLogPath = 4096 // bytes of a path in a log line; the rest is cut
	maxLogWord = 253
)

// logEntry is what a log line tells about one request.
type logEntry struct {
	failure   failure // code "" for a request that went well
	method    string
	path      string // as the client sent it, with the query
	host      string
	requestID string
	fwd       string // address of the client
	dyno      string
	connect   time.Duration // < 0 when there was no connection to an instance
	service   time.Duration // < 0 likewise
	status    int
	bytes     int64 // of the answer's body
	protocol  string
}

// line renders e in the form of Heroku's router. Fields that a client chooses
// are percent-encoded where they could end a value or a line, so no request
// can forge a field.
func (e logEntry) line() string {
	b := make([]byte, 0, 256+len(e.path))
	if e.failure.code == "" {
		b = append(b, "at=info"...)
	} else {
		b = append(b, "at=error code="...)
		b = append(b, e.failure.code...)
		b = append(b, ` desc="`...)
		b = append(b, e.failure.desc...)
		b = append(b, '"')
	}
	b = append(b, " method="...)
	b = appendWord(b, e.method)
	b = append(b, ` path="`...)
	b = appendQuoted(b, e.path)
	b = append(b, `" host=`...)
	b = appendWord(b, e.host)
	b = append(b, " request_id="...)
	b = appendWord(b, e.requestID)
	b = append(b, ` fwd="`...)
	b = appendQuoted(b, e.fwd)
	b = append(b, `" dyno=`...)
	b = appendWord(b, e.dyno)
	b = append(b, " connect="...)
	b = appendMillis(b, e.connect)
	b = append(b, " service="...)
	b = appendMillis(b, e.service)
	b = append(b, " status="...)
	b = strconv.AppendInt(b, int64(e.status), 10)
	b = append(b, " bytes="...)
	b = strconv.AppendInt(b, e.bytes, 10)
	b = append(b, " protocol="...)
	return string(append(b, e.protocol...))
}

func appendMillis(b []byte, d time.Duration) []byte {
	if d < 0 {
		return b
	}
	return append(strconv.AppendInt(b, d.Milliseconds(), 10), "ms"...)
}

// appendQuoted adds s for use between double quotes: printable ASCII without
// quote and backslash stays, every other byte becomes %XX.
func appendQuoted(b []byte, s string) []byte {
	cut := len(s) > maxLogPath
	if cut {
		s = s[:maxLogPath]
	}
	for i := range len(s) {
		if c := s[i]; c > ' ' && c < 0x7f && c != '"' && c != '\\' {
			b = append(b, c)
		} else {
			b = appendPercent(b, c)
		}
	}
	if cut {
		b = append(b, "..."...)
	}
	return b
}

// appendWord adds s for use without quotes.
func appendWord(b []byte, s string) []byte {
	if len(s) > maxLogWord {
		s = s[:maxLogWord]
	}
	for i := range len(s) {
		if c := s[i]; isHostByte(c) || c == ':' || c == '[' || c == ']' {
			b = append(b, c)
		} else {
			b = appendPercent(b, c)
		}
	}
	return b
}

func appendPercent(b []byte, c byte) []byte {
	const hex = "0123456789ABCDEF"
	return append(b, '%', hex[c>>4], hex[c&15])
}
