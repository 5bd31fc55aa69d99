package server

import (
	"testing"
	"time"
)

func TestParseAppError(t *testing.T) {
	at := time.Now()
	for _, c := range []struct{ dyno, text, code, desc, of string }{
		{"router", `at=error code=H10 desc="App crashed" method=GET path="/a%20dyno=x" host=a.b request_id=1 fwd="::1" dyno= connect= service= status=503 bytes=1 protocol=http`, "H10", "App crashed", ""},
		{"router", `at=error code=H12 desc="Request timeout" method=GET path="/" dyno=web.2 connect=1ms`, "H12", "Request timeout", "web.2"},
		{"web.1", "Error R14 (Memory quota exceeded)", "R14", "Memory quota exceeded", "web.1"},
		{"web.1", "Error R10 (Boot timeout) -> Web process failed to bind", "R10", "Boot timeout", "web.1"},
		{"logplex", "Error L10 (output buffer overflow): 5 messages dropped since …", "L10", "output buffer overflow", ""},
		{"router", `at=info method=GET path="/?at=error code=H10 desc=" status=200`, "", "", ""},
		{"router", "Error R14 (Memory quota exceeded)", "", "", ""},
		{"web.1", "Process exited with status 1", "", "", ""},
		{"web.1", "Error R1", "", "", ""},
	} {
		e, ok := parseAppError(LogLine{At: at, Source: "paas", Dyno: c.dyno, Text: c.text})
		if ok != (c.code != "") || ok && (e.Code != c.code || e.Text != c.desc || e.Dyno != c.of || !e.Last.Equal(at)) {
			t.Errorf("%s: %+v %v", c.text, e, ok)
		}
		if ok != errorLine.MatchString(c.text) && c.dyno != "router" {
			t.Errorf("%s: the reader of the log does not choose what is counted", c.text)
		}
	}
}

func FuzzParseAppError(f *testing.F) {
	f.Add("router", `at=error code=H10 desc="App crashed" dyno=web.1 `)
	f.Add("web.1", "Error R14 (Memory quota exceeded)")
	f.Fuzz(func(t *testing.T, dyno, text string) {
		e, ok := parseAppError(LogLine{Dyno: dyno, Text: text})
		if ok && (len(e.Code) != 3 || len(e.Text) > maxErrorText+len("…")) {
			t.Fatalf("%q gives %+v", text, e)
		}
	})
}

func TestSettings(t *testing.T) {
	n := func(i int) *int { return &i }
	for _, bad := range []map[string]*int{{}, {"stop_timeout": n(0)}, {"stop_timeout": n(301)}, {"boot_timeout": n(1801)}, {"release_timeout": n(-1)},
		{"log_days": n(366)}, {"log_mb": n(10001)}, {"nothing": n(1)}, {"stop_timeout": n(10), "nothing": nil}} {
		if err := checkSettings(bad); !IsID(err, ErrInvalid) {
			t.Errorf("%v: %v", bad, err)
		}
	}
	patch := map[string]*int{"stop_timeout": n(300), "log_mb": n(1)}
	if err := checkSettings(patch); err != nil {
		t.Error(err)
	}
	a := AppSettings{LogDays: 3, LogMB: 5}.With(patch)
	if a != (AppSettings{StopTimeout: 300, LogDays: 3, LogMB: 1}) {
		t.Errorf("%+v", a)
	}
	if a = a.With(map[string]*int{"log_days": nil}); a.LogDays != 0 || *a.Map()["log_mb"] != 1 || a.Map()["log_days"] != nil {
		t.Errorf("%+v", a)
	}
	if got := describeSettings(map[string]*int{"log_mb": n(1), "log_days": nil}); got != "log-days unset, log-mb=1" {
		t.Error(got)
	}
}
