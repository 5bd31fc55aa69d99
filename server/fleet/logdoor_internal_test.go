package fleet

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"regexp"
	"slices"
	"testing"
	"time"

	"paas/server"
	"paas/server/logd"
)

// A server reads and follows the log of another, which does not lead, byte for
// byte.
func TestLogDoor(t *testing.T) {
	logs, err := logd.New(logd.Config{Dir: t.TempDir()}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	auth := newTestAuthority(t)
	door := LogDoor(logs)
	s, err := New(Config{Addr: "127.0.0.1:0", Epoch: func() int64 { return 0 }, Registry: Registry{URL: "http://127.0.0.1:9"},
		Behind: func(string) http.Handler { return door }}, auth, nil, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-ended })
	began := time.Now().UTC().Truncate(time.Microsecond)
	line := func(n int) server.LogLine {
		return server.LogLine{AppID: "app", At: began.Add(time.Duration(n) * time.Millisecond), Source: "app", Dyno: "web.1", Instance: "i", Text: fmt.Sprintf("line %d \xff\x00", n)}
	}
	for n := range 5 {
		logs.Append(line(n))
	}
	p, addr := NewLogPeers(NewPeers("s2", auth)), s.Addr().String()
	if at, err := p.LogCursor(t.Context(), addr, "i"); err != nil || !at.Equal(line(4).At) {
		t.Errorf("it ends at %s, %v", at, err)
	}
	var got []server.LogLine
	take := func(l server.LogLine) error {
		l.At = l.At.UTC()
		got = append(got, l)
		return nil
	}
	q := server.LogQuery{AppID: "app", Lines: 2, Pattern: regexp.MustCompile("line [0-3]")}
	if err := p.ReadLog(t.Context(), addr, q, take); err != nil || !slices.Equal(got, []server.LogLine{line(2), line(3)}) {
		t.Errorf("%q %v", got, err)
	}
	joined, caught, followed := make(chan struct{}), make(chan struct{}), make(chan server.LogLine)
	q = server.LogQuery{AppID: "app", Lines: -1, Tail: true, Joined: func() { close(joined) }, Caught: func() { close(caught) }}
	following, stop := context.WithCancel(t.Context())
	over := make(chan error, 1)
	go func() {
		over <- p.ReadLog(following, addr, q, func(l server.LogLine) error { followed <- l; return nil })
	}()
	<-joined
	<-caught
	logs.Append(line(9))
	if l := <-followed; l.Text != line(9).Text {
		t.Errorf("%q", l.Text)
	}
	stop()
	if err := <-over; err == nil {
		t.Error("it ended as if all was read")
	}
}
