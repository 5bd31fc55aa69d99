package server_test

import (
	"testing"
	"time"

	"paas/server"
)

func TestFormatLogLine(t *testing.T) {
	at := time.Date(2026, 11, 21, 8, 24, 55, 123456789, time.FixedZone("CET", 3600))
	tests := []struct {
		name string
		line server.LogLine
		want string
	}{
		{"app", server.LogLine{At: at, Source: "app", Dyno: "web.1", Text: "hello"},
			"2026-11-21T07:24:55.123456+00:00 app[web.1]: hello"},
		{"whole second", server.LogLine{At: at.Truncate(time.Second), Source: "paas", Dyno: "router", Text: "at=info"},
			"2026-11-21T07:24:55.000000+00:00 paas[router]: at=info"},
		{"empty text", server.LogLine{At: at, Source: "app", Dyno: "web.1"},
			"2026-11-21T07:24:55.123456+00:00 app[web.1]: "},
		{"bytes kept", server.LogLine{At: at, Source: "app", Dyno: "run.1234", Text: "\x1b[31m\xff\t]: x"},
			"2026-11-21T07:24:55.123456+00:00 app[run.1234]: \x1b[31m\xff\t]: x"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := server.FormatLogLine(tt.line); got != tt.want {
				t.Errorf("got  %q\nwant %q", got, tt.want)
			}
		})
	}
}
