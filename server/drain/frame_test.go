package drain

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"paas/server"
)

// readFrame reads one octet-counted message, as a collector does.
func readFrame(r *bufio.Reader) (string, error) {
	head, err := r.ReadString(' ')
	if err != nil {
		return "", err
	}
	n, err := strconv.Atoi(strings.TrimSuffix(head, " "))
	if err != nil || n < 1 || n > 1<<20 {
		return "", fmt.Errorf("length %q", head)
	}
	b := make([]byte, n)
	_, err = io.ReadFull(r, b)
	return string(b), err
}

func TestFrame(t *testing.T) {
	at := time.Date(2026, 11, 30, 6, 45, 29, 123456789, time.FixedZone("", 3600))
	for _, c := range []struct {
		l    server.LogLine
		want string
	}{
		{server.LogLine{At: at, Source: "app", Dyno: "web.3", Text: "hello"}, "62 <190>1 2026-11-30T05:45:29.123456+00:00 d.7 app web.3 - hello\n"},
		{server.LogLine{At: at, Source: "paas", Dyno: "router", Text: "at=info"}, "<158>1 2026-11-30T05:45:29.123456+00:00 d.7 paas router - at=info\n"},
		{server.LogLine{At: at, Source: "paas", Dyno: "web.1", Text: "Cycling"}, "<134>1 2026-11-30T05:45:29.123456+00:00 d.7 paas web.1 - Cycling\n"},
		{server.LogLine{At: at, Source: "app", Dyno: "api", Text: "Release"}, "<134>1 2026-11-30T05:45:29.123456+00:00 d.7 app api - Release\n"},
		{server.LogLine{At: at, Source: "", Dyno: "a b\n", Text: "x\ny"}, "<134>1 2026-11-30T05:45:29.123456+00:00 d.7 - a_b_ - x y\n"},
	} {
		if got := string(appendFrame(nil, c.l, "d.7")); !strings.HasSuffix(got, c.want) {
			t.Errorf("got  %q\nwant %q", got, c.want)
		}
	}
}

// FuzzFrame: whatever a line holds, a collector reads the same number of
// messages, each of one line and with the header that was meant.
func FuzzFrame(f *testing.F) {
	f.Add("app", "web.1", "hello", int64(1e9))
	f.Add("p\x00\n", "] - ", "5 <1>1\n\n", int64(-1))
	head := regexp.MustCompile(`^<\d{1,3}>1 \S+ d\.t \S+ \S+ - `)
	f.Fuzz(func(t *testing.T, source, dyno, text string, sec int64) {
		l := server.LogLine{At: time.Unix(sec%1e11, 0), Source: source, Dyno: dyno, Text: text}
		b := appendFrame(appendFrame(nil, l, "d.t"), l, "d.t")
		r := bufio.NewReader(bytes.NewReader(b))
		for range 2 {
			msg, err := readFrame(r)
			if err != nil || !head.MatchString(msg) || strings.Count(msg, "\n") != 1 || !strings.HasSuffix(msg, "\n") {
				t.Fatalf("%q: %q, %v", b, msg, err)
			}
		}
		if _, err := r.ReadByte(); err != io.EOF {
			t.Fatalf("%q: something is left", b)
		}
	})
}
