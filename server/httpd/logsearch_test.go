package httpd

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"paas/server"
)

func TestLogSearch(t *testing.T) {
	r := start(t)
	r.pushed("shop")
	r.fake.Say("shop", "app", "web.1", "Error: one", "fine", "error: two")
	for _, c := range []struct{ body, want string }{
		{`{"text":"Error"}`, "Error: one"},
		{`{"text":"error","ignore_case":true}`, "Error: one|error: two"},
		{`{"text":"error","ignore_case":true,"lines":1}`, "error: two"},
		{`{"pattern":"^fine$|two$"}`, "fine|error: two"},
		{`{"pattern":"^FINE$","ignore_case":true}`, "fine"},
		{`{"since":"2026-05-01T12:00:02Z"}`, "fine|error: two"},
		{`{"since":"2026-05-01T14:00:01+02:00","until":"2026-05-01T12:00:03Z"}`, "Error: one|fine"},
		{`{"text":"Error","dyno":"router"}`, ""},
		{`{"level":"error"}`, "Error: one|error: two"},
		{`{"level":"error","pattern":"one"}`, "Error: one"},
	} {
		a := r.want(r.as("", "GET", r.session(c.body), ""), 200)
		var got []string
		for line := range strings.Lines(string(a.body)) {
			_, text, _ := strings.Cut(strings.TrimSpace(line), "]: ")
			got = append(got, text)
		}
		if strings.Join(got, "|") != c.want {
			t.Errorf("%s: %q, want %q", c.body, got, c.want)
		}
	}
}

func TestBadLogSearches(t *testing.T) {
	r := start(t)
	r.pushed("shop")
	long := strings.Repeat("x", 501)
	for body, want := range map[string]string{
		`{"since":"yesterday"}`:                        "Field since must be a time like",
		`{"until":"-2h"}`:                              "Field until must be a time like",
		`{"since":"99999999999d"}`:                     "Field since",
		`{"since":"0001-01-01T00:00:00Z"}`:             "Field since",
		`{"since":"1h","until":"2h"}`:                  "no lines between",
		`{"until":"2h","tail":true}`:                   "give one of them",
		`{"text":"` + long + `"}`:                      "500 bytes",
		`{"pattern":"` + long + `"}`:                   "500 bytes",
		`{"pattern":"(("}`:                             "no regular expression",
		`{"pattern":"((((a{1000}){1000}){1000}){9})"}`: "no regular expression",
		`{"pattern":".{0,990}[xq]"}`:                   "too much work",
		`{"level":"loud"}`:                             "Field level must be",
		`{"lines":100001}`:                             "1 to 100000",
		`{"text":7}`:                                   "Field text must be a string",
	} {
		if a := r.do("POST", "/apps/shop/log-sessions", body); a.StatusCode != 422 || !strings.Contains(string(a.body), want) {
			t.Errorf("%.60s: %d %s, want %q", body, a.StatusCode, a.body, want)
		}
	}
}

// FuzzMoment: whatever is read as a time can be sent in a session's URL.
func FuzzMoment(f *testing.F) {
	f.Add("2h")
	f.Add("7d")
	f.Add("2026-05-01T12:00:00.5+02:00")
	f.Add("9999-12-31T23:59:59-23:59")
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, s string) {
		at, err := server.Moment("since", s, now)
		if err != nil || s == "" {
			return
		}
		if at.IsZero() || time.UnixMicro(at.UnixMicro()).Sub(at).Abs() > time.Millisecond {
			t.Fatalf("%q is %v", s, at)
		}
	})
}

// TestLogFlood streams more than waits for a client at once, whole and in order.
func TestLogFlood(t *testing.T) {
	r := start(t)
	r.pushed("shop")
	text := strings.Repeat("x", 100)
	for n := range 20_000 {
		r.fake.Say("shop", "app", "web.1", fmt.Sprintf("%d %s", n, text))
	}
	url := r.session(`{"lines":20000}`)
	a := r.want(r.as("", "GET", url, ""), 200)
	n := 0
	for line := range strings.Lines(string(a.body)) {
		if !strings.HasSuffix(line, fmt.Sprintf("]: %d %s\n", n, text)) {
			t.Fatalf("line %d is %q", n, line)
		}
		n++
	}
	if n != 20_000 {
		t.Errorf("%d lines", n)
	}
}
