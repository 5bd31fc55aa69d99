package client

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"paas/server/api"
)

// cutLog serves a log that grows, and cuts each connection after some lines.
type cutLog struct {
	t     *testing.T
	lines []string
	calls int
	asked []api.LogSessionRequest
	fail  int // how many sessions are refused before one is made again
	end   int // after that many connections the app is gone
}

func logLine(sec int, text string) string {
	at := time.Date(2026, 11, 21, 7, 24, 0, 0, time.UTC).Add(time.Duration(sec) * time.Second)
	return at.Format("2006-01-02T15:04:05.000000-07:00") + " app[web.1]: " + text + "\n"
}

func (c *cutLog) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPost {
		var in api.LogSessionRequest
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
			c.t.Error(err)
		}
		switch {
		case c.calls >= c.end:
			w.WriteHeader(http.StatusNotFound)
			io.WriteString(w, `{"id":"not_found","message":"gone"}`)
		case c.fail > 0:
			c.fail--
			w.WriteHeader(http.StatusServiceUnavailable)
			io.WriteString(w, `{"id":"service_unavailable","message":"back soon"}`)
		default:
			c.asked = append(c.asked, in)
			io.WriteString(w, `{"logplex_url":"http://x/log-sessions/t"}`)
		}
		return
	}
	// Everything since the time asked for, and 30 lines more each time, the
	// last one torn.
	c.calls++
	c.fail = 2
	since, _ := time.Parse(time.RFC3339Nano, c.asked[len(c.asked)-1].Since)
	upTo := min(c.calls*30, len(c.lines))
	for _, l := range c.lines[:upTo] {
		if at, _ := time.Parse(time.RFC3339Nano, l[:stampLength]); !at.Before(since) {
			io.WriteString(w, l)
		}
	}
	if upTo < len(c.lines) {
		io.WriteString(w, c.lines[upTo][:40])
	}
	_ = http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler)
}

func TestTailGoesOnWhereItBroke(t *testing.T) {
	srv := &cutLog{t: t, end: 4}
	for n := range 120 {
		srv.lines = append(srv.lines, logLine(n, fmt.Sprint("line ", n)))
	}
	for _, n := range []int{29, 40} { // the same text at the same time, twice
		srv.lines[n] = srv.lines[n-1]
	}
	srv.lines[35] = logLine(25, "late, from another host")
	c := serve(t, srv.ServeHTTP)
	var got bytes.Buffer
	lost := 0
	five := 5
	err := c.Tail(t.Context(), "x", api.LogSessionRequest{Lines: &five, Source: "app", Text: "line"}, &got, func(error) { lost++ })
	var e *api.Error
	if !errors.As(err, &e) || e.Message != "gone" {
		t.Fatalf("ended with %v", err)
	}
	if want := strings.Join(srv.lines, ""); got.String() != want {
		t.Errorf("got\n%s\nwant\n%s", got.String(), want)
	}
	if lost < 4 {
		t.Errorf("told of %d losses", lost)
	}
	first, second := srv.asked[0], srv.asked[1]
	if !first.Tail || *first.Lines != 5 || first.Since != "" || second.Source != "app" || second.Text != "line" || second.Since != "2026-11-21T07:24:18Z" {
		t.Errorf("asked %+v, then %+v", first, second)
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space") }

func TestTailEndsWithItsOutput(t *testing.T) {
	srv := &cutLog{t: t, end: 9, lines: []string{logLine(1, "x"), logLine(2, "y")}}
	c := serve(t, srv.ServeHTTP)
	if err := c.Tail(t.Context(), "x", api.LogSessionRequest{}, full{}, nil); err == nil || err.Error() != "no space" {
		t.Errorf("got %v", err)
	}
}
