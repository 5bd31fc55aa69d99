package server

import (
	"testing"
)

func TestLogLevels(t *testing.T) {
	for _, c := range []struct{ source, dyno, text, want string }{
		{"app", "web.1", `level=error msg="no"`, "error"},
		{"app", "web.1", `time=2026-05-01 level=WARN msg="hm"`, "warn"},
		{"app", "web.1", `{"time":1,"severity":"ERROR","message":"x"}`, "error"},
		{"app", "web.1", `{"level":30,"msg":"ERROR in the text"}`, "info"},
		{"app", "web.1", `{"level":50,"msg":"x"}`, "error"},
		{"app", "web.1", `level=debug msg="an ERROR"`, ""},
		{"app", "web.1", `[ERROR] x`, "error"},
		{"app", "web.1", `2026-05-01 12:00:00,1 INFO server: up`, "info"},
		{"app", "web.1", `error: no such file`, "error"},
		{"app", "web.1", `panic: runtime error`, "error"},
		{"app", "web.1", "\x1b[31mERROR\x1b[0m x", "error"},
		{"app", "web.1", `TypeError: x is undefined`, "error"},
		{"app", "web.1", `java.lang.NullPointerException: x`, "error"},
		{"app", "web.1", `Traceback (most recent call last):`, "error"},
		{"app", "web.1", `warning: unused`, "warn"},
		{"app", "web.1", `errors: 0`, ""},
		{"app", "web.1", `information about errors`, ""},
		{"app", "web.1", `GET / 200`, ""},
		{"app", "web.1", `State changed from up to crashed`, ""},
		{"paas", "web.1", `State changed from up to crashed`, "error"},
		{"paas", "web.1", `State changed from starting to up`, "info"},
		{"paas", "web.1", `Error R14 (Memory quota exceeded)`, "error"},
		{"paas", "web.1", `Process exited with status 137`, "error"},
		{"paas", "web.1", `Process exited with status 0`, ""},
		{"paas", "router", `at=info method=GET path="/?status=500" status=200 bytes=1`, "info"},
		{"paas", "router", `at=info method=GET path="/" status=503 bytes=1`, "error"},
		{"paas", "router", `at=error code=H12 desc="Request timeout" status=503 bytes=1`, "error"},
	} {
		if got := LogLevel(LogLine{Source: c.source, Dyno: c.dyno, Text: c.text}); got != c.want {
			t.Errorf("%s[%s]: %s: %q, want %q", c.source, c.dyno, c.text, got, c.want)
		}
	}
}

func BenchmarkLogLevel(b *testing.B) {
	l := LogLine{Source: "app", Dyno: "web.1", Text: `127.0.0.1 - - "GET /some/path/of/the/app HTTP/1.1" 200 1234 "-" "Mozilla/5.0 (X11; Linux x86_64)"`}
	for b.Loop() {
		LogLevel(l)
	}
}
