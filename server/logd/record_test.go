package logd

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"paas/server"
)

func TestParseRecordRefuses(t *testing.T) {
	for _, b := range []string{
		"",
		"\x00\x00\x00",
		"2026-11-21T07:24:55.123456789+00:00",
		"2026-11-21T07:24:55.123456789+00:00 app[web.1]: a logplex line",
		"2026-02-31T07:24:55.123456789+00:00 app[web.1] i: x",
		"2026-13-01T07:24:55.123456789+00:00 app[web.1] i: x",
		"2026-11-21T24:24:55.123456789+00:00 app[web.1] i: x",
		"2026-11-21T07:24:55.12345678x+00:00 app[web.1] i: x",
		"2026-11-21T07:24:55.123456789+01:00 app[web.1] i: x",
		"2026-11-21T07:24:55.123456789+00:00 [web.1] i: x",
		"2026-11-21T07:24:55.123456789+00:00 app[web.1] " + strings.Repeat("i", 129) + ": x",
	} {
		if l, ok := parseRecord([]byte(b)); ok {
			t.Errorf("%q was read as %+v", b, l.line())
		}
	}
}

func TestNamesCannotBreakARecord(t *testing.T) {
	in := server.LogLine{At: time.Unix(1e9, 5), Source: "a[b", Dyno: "x] y: z\n", Instance: "i: j", Text: "t"}
	b := appendRecord(nil, in)
	if bytes.Count(b, []byte("\n")) != 1 {
		t.Fatalf("%q is not one line", b)
	}
	r, ok := parseRecord(bytes.TrimSuffix(b, []byte("\n")))
	l := r.line()
	if !ok || l.Source != "a_b" || l.Dyno != "x__y__z_" || l.Instance != "i__j" || l.Text != "t" || !l.At.Equal(in.At) {
		t.Errorf("%q: %+v, %v", b, l, ok)
	}
}

func TestTimesThatDoNotFit(t *testing.T) {
	for _, at := range []time.Time{{}, time.Date(12026, 1, 1, 0, 0, 0, 0, time.UTC), time.Unix(-1<<40, 0)} {
		r, ok := parseRecord(bytes.TrimSpace(appendRecord(nil, server.LogLine{At: at, Text: "x"})))
		if !ok || time.Since(r.at) > time.Minute || time.Since(r.at) < 0 {
			t.Errorf("%v became %v, %v", at, r.at, ok)
		}
	}
}

// FuzzParseRecord: whatever is read as a record is written back as the same
// bytes, so that nothing is ever taken for a record that is none.
func FuzzParseRecord(f *testing.F) {
	f.Add([]byte("2026-11-21T07:24:55.123456789+00:00 app[web.1] 0192f0c1-aa: hello: x"))
	f.Add([]byte("2026-11-21T07:24:55.000000000+00:00 #[-] i-1: "))
	f.Add([]byte("2026-02-29T23:59:60.000000000+00:00 -[-] -: \xff\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, ok := parseRecord(b)
		if !ok || bytes.ContainsRune(b, '\n') {
			return
		}
		l := r.line()
		out := appendRecord(nil, l)
		r, ok = parseRecord(out[:len(out)-1])
		if again := r.line(); !ok || again != l && again != sanitized(l) {
			t.Fatalf("%q\nread    %+v\nwritten %q\nread    %+v, %v", b, l, out, r.line(), ok)
		}
	})
}

// sanitized is a line as it comes back: names lose what would break a record.
func sanitized(l server.LogLine) server.LogLine {
	for _, p := range []*string{&l.Source, &l.Dyno, &l.Instance} {
		*p = name(appendName(nil, *p))
	}
	return l
}

// FuzzScan: a segment of any bytes is scanned without a panic, and cutting
// it where the scan says leaves the same records.
func FuzzScan(f *testing.F) {
	good := appendRecord(nil, server.LogLine{At: time.Unix(1e9, 0), Source: "app", Dyno: "web.1", Text: "x"})
	f.Add(good)
	f.Add(append(bytes.Clone(good), good[:20]...))
	f.Add([]byte("\n\x00\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		count := func(b []byte) (n, whole int) {
			whole = scanRecords(b, func(rawRecord) { n++ })
			return n, whole
		}
		n, whole := count(b)
		if again, w := count(b[:whole]); again != n || w != whole {
			t.Fatalf("cut at %d: %d records of %d, whole %d", whole, again, n, w)
		}
		lines := 0
		for rest := b[:whole]; len(rest) > 0; {
			var rec []byte
			rest, rec = lastLine(rest)
			if _, ok := parseRecord(rec); ok {
				lines++
			}
		}
		if lines != n {
			t.Fatalf("%d records backwards, %d forwards", lines, n)
		}
	})
}

func FuzzSplitText(f *testing.F) {
	f.Add("a\nb", uint8(1))
	f.Add("€", uint8(60))
	f.Add("\x80", uint8(200))
	f.Fuzz(func(t *testing.T, s string, n uint8) {
		if len(s) > 64 {
			return
		}
		s = strings.Repeat(s, int(n)*128)
		var b strings.Builder
		splitText(s, func(p string) {
			if len(p) > maxText || strings.Contains(p, "\n") {
				t.Fatalf("piece of %d bytes", len(p))
			}
			b.WriteString(p)
		})
		if b.String() != strings.ReplaceAll(s, "\n", "") {
			t.Fatal("bytes lost")
		}
	})
}
