package logd_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"paas/server"
	"paas/server/logd"
)

// start is lately: a segment of long ago is ended as soon as a store is opened.
var start = time.Now().UTC().Add(-time.Hour).Truncate(time.Second).Add(123456789)

// open makes a store that runs until the test ends, or until stop is called.
func open(t testing.TB, cfg logd.Config) (s *logd.Store, stop func()) {
	t.Helper()
	s, err := logd.New(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
	})
	t.Cleanup(stop)
	return s, stop
}

func line(n int) server.LogLine {
	return server.LogLine{
		AppID: "app-1", At: start.Add(time.Duration(n) * time.Millisecond),
		Source: "app", Dyno: "web.1", Instance: "i-1", Text: fmt.Sprintf("line %d", n),
	}
}

func texts(t testing.TB, s *logd.Store, q server.LogQuery) []string {
	t.Helper()
	var out []string
	err := s.Read(context.Background(), q, func(l server.LogLine) error {
		out = append(out, l.Text)
		return nil
	})
	if err != nil {
		t.Fatalf("read: %v", err)
	}
	return out
}

func wantTexts(t testing.TB, got []string, want ...string) {
	t.Helper()
	if strings.Join(got, "|") != strings.Join(want, "|") {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestReadChoosesNewest(t *testing.T) {
	s, _ := open(t, logd.Config{Dir: t.TempDir()})
	add := func(source, dyno, text string) {
		s.Append(server.LogLine{AppID: "a", At: start, Source: source, Dyno: dyno, Text: text})
	}
	add("paas", "api", "Release v1")
	add("app", "web.1", "one")
	add("app", "web.2", "two")
	add("app", "worker.1", "three")
	add("paas", "router", "at=info")
	add("paas", "web.1", "State changed")
	s.Append(server.LogLine{AppID: "b", At: start, Source: "app", Dyno: "web.1", Text: "other app"})

	tests := []struct {
		name string
		q    server.LogQuery
		want []string
	}{
		{"all", server.LogQuery{}, []string{"Release v1", "one", "two", "three", "at=info", "State changed"}},
		{"newest two", server.LogQuery{Lines: 2}, []string{"at=info", "State changed"}},
		{"more than there are", server.LogQuery{Lines: 99, Type: "worker"}, []string{"three"}},
		{"none", server.LogQuery{Lines: -1}, nil},
		{"source", server.LogQuery{Source: "app", Lines: 2}, []string{"two", "three"}},
		{"dyno", server.LogQuery{Dyno: "web.1"}, []string{"one", "State changed"}},
		{"type", server.LogQuery{Type: "web"}, []string{"one", "two", "State changed"}},
		{"type without number", server.LogQuery{Type: "router"}, []string{"at=info"}},
		{"source and dyno", server.LogQuery{Source: "paas", Dyno: "web.1"}, []string{"State changed"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.q.AppID = "a"
			wantTexts(t, texts(t, s, tt.q), tt.want...)
		})
	}
	wantTexts(t, texts(t, s, server.LogQuery{AppID: "nobody"}))
}

func TestLinesAreKeptAsTheyCame(t *testing.T) {
	dir := t.TempDir()
	s, stop := open(t, logd.Config{Dir: dir})
	want := server.LogLine{
		AppID: "app-1", At: start, Source: "app", Dyno: "web.1", Instance: "0192f0c1-aa",
		Text: "\x1b[31mred\x1b[0m \xff\x00\t]: app[x] y: z\r",
	}
	s.Append(want)
	stop()
	s, _ = open(t, logd.Config{Dir: dir})
	var got []server.LogLine
	err := s.Read(context.Background(), server.LogQuery{AppID: "app-1"}, func(l server.LogLine) error {
		got = append(got, l)
		return nil
	})
	if err != nil || len(got) != 1 || got[0] != want {
		t.Errorf("got %+v, %v\nwant %+v", got, err, want)
	}
	if c := s.Cursor("0192f0c1-aa"); !c.Equal(start) {
		t.Errorf("cursor %v, want %v with its nanoseconds", c, start)
	}
	if c := s.Cursor("unknown"); !c.IsZero() {
		t.Errorf("cursor of an unknown instance: %v", c)
	}
}

func TestLongLinesAreSplit(t *testing.T) {
	s, _ := open(t, logd.Config{Dir: t.TempDir()})
	l := line(1)
	l.Text = strings.Repeat("ä", 12_500) // 25,000 bytes
	s.Append(l)
	got := texts(t, s, server.LogQuery{AppID: "app-1"})
	if strings.Join(got, "") != l.Text {
		t.Fatal("pieces do not make the line")
	}
	if len(got) != 3 || len(got[0]) != 10_000 {
		t.Errorf("%d pieces, first of %d bytes", len(got), len(got[0]))
	}
	l.Text = "one\ntwo\n"
	s.Append(l)
	wantTexts(t, texts(t, s, server.LogQuery{AppID: "app-1", Lines: 2}), "one", "two")
}

func TestRotationKeepsTheNewestAndTheCursors(t *testing.T) {
	dir := t.TempDir()
	cfg := logd.Config{Dir: dir, SegmentBytes: 4096, MaxBytes: 3 * 4096}
	s, stop := open(t, cfg)
	quiet := line(0)
	quiet.Instance, quiet.Text = "i-quiet", "said once"
	s.Append(quiet)
	const n = 1000
	for i := range n {
		s.Append(line(i))
	}
	check := func() {
		t.Helper()
		got := texts(t, s, server.LogQuery{AppID: "app-1"})
		if len(got) < 50 || len(got) > 300 {
			t.Errorf("%d lines kept", len(got))
		}
		for i, text := range got {
			if want := fmt.Sprintf("line %d", n-len(got)+i); text != want {
				t.Fatalf("line %d is %q, want %q", i, text, want)
			}
		}
		if !s.Cursor("i-quiet").Equal(quiet.At) || !s.Cursor("i-1").Equal(line(n-1).At) {
			t.Errorf("cursors %v, %v", s.Cursor("i-quiet"), s.Cursor("i-1"))
		}
		files, err := filepath.Glob(filepath.Join(dir, "app-1", "*.log"))
		var size int64
		for _, f := range files {
			if fi, err := os.Stat(f); err == nil {
				size += fi.Size()
			}
		}
		// One that a clock has ended early is smaller, so that one more may fit.
		if err != nil || len(files) < 3 || len(files) > 4 || size > cfg.MaxBytes {
			t.Errorf("%d segments of %d bytes, %v", len(files), size, err)
		}
	}
	check()
	stop()
	s, _ = open(t, cfg)
	check()
}

func TestTornEndIsCut(t *testing.T) {
	for _, torn := range []string{
		"2026-11-21T07:24:55.123456789+00:00 app[we",
		"2026-11-21T07:24:55.123456789+00:00 app[web.1] i-1: half a li",
		strings.Repeat("\x00", 4096),
		"\n\n\x00\x00\n",
	} {
		dir := t.TempDir()
		s, stop := open(t, logd.Config{Dir: dir})
		s.Append(line(1), line(2))
		stop()
		seg := filepath.Join(dir, "app-1", "0000000000000001.log")
		f, err := os.OpenFile(seg, os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteString(torn); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		s, stop = open(t, logd.Config{Dir: dir})
		s.Append(line(3))
		wantTexts(t, texts(t, s, server.LogQuery{AppID: "app-1"}), "line 1", "line 2", "line 3")
		stop()
	}
}

func TestDropRemoves(t *testing.T) {
	dir := t.TempDir()
	s, _ := open(t, logd.Config{Dir: dir})
	s.Append(line(1))
	seen, done := make(chan string, 1), make(chan error, 1)
	go func() {
		done <- s.Read(context.Background(), server.LogQuery{AppID: "app-1", Tail: true}, func(l server.LogLine) error {
			seen <- l.Text
			return nil
		})
	}()
	<-seen
	s.Drop("app-1")
	if err := <-done; err != nil {
		t.Errorf("follower of a dropped app: %v", err)
	}
	s.Append(line(2))
	wantTexts(t, texts(t, s, server.LogQuery{AppID: "app-1"}))
	if !s.Cursor("i-1").IsZero() {
		t.Error("cursor outlived the app")
	}
	if e, err := os.ReadDir(dir); err != nil || len(e) != 0 {
		t.Errorf("left in the directory: %v, %v", e, err)
	}
}

func TestDropHalfDoneIsFinishedAtOpen(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, ".dropped-app-1"), 0o700); err != nil {
		t.Fatal(err)
	}
	open(t, logd.Config{Dir: dir})
	if e, err := os.ReadDir(dir); err != nil || len(e) != 0 {
		t.Errorf("left in the directory: %v, %v", e, err)
	}
}

func TestIDsThatAreNoDirectoryNameAreIgnored(t *testing.T) {
	dir := t.TempDir()
	s, _ := open(t, logd.Config{Dir: filepath.Join(dir, "logs")})
	for _, id := range []string{"", ".", "..", "../x", "a/b", ".hidden", strings.Repeat("x", 65)} {
		s.Append(server.LogLine{AppID: id, Text: "x"})
		s.Drop(id)
		wantTexts(t, texts(t, s, server.LogQuery{AppID: id}))
	}
	if e, err := os.ReadDir(dir); err != nil || len(e) != 1 {
		t.Errorf("written outside: %v, %v", e, err)
	}
}

func TestWriteFailureLosesNothingElse(t *testing.T) {
	dir := t.TempDir()
	s, _ := open(t, logd.Config{Dir: dir})
	// A file where the app's directory would be: every write of it fails.
	block := filepath.Join(dir, "app-1")
	if err := os.WriteFile(block, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s.Append(line(1))
	wantTexts(t, texts(t, s, server.LogQuery{AppID: "app-1"}))
	if err := os.Remove(block); err != nil {
		t.Fatal(err)
	}
	s.Append(line(2))
	wantTexts(t, texts(t, s, server.LogQuery{AppID: "app-1"}), "line 2")
}

func TestRunWritesWithoutAReader(t *testing.T) {
	dir := t.TempDir()
	s, stop := open(t, logd.Config{Dir: dir, FlushEvery: time.Millisecond})
	s.Append(line(1))
	seg := filepath.Join(dir, "app-1", "0000000000000001.log")
	deadline := time.Now().Add(60 * time.Second)
	for {
		if b, err := os.ReadFile(seg); err == nil && strings.HasSuffix(string(b), "line 1\n") {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("not written")
		}
		time.Sleep(time.Millisecond)
	}
	stop()
	s.Append(line(2)) // late lines of a stopping process are written at once
	b, err := os.ReadFile(seg)
	if err != nil || !strings.HasSuffix(string(b), "line 2\n") {
		t.Errorf("after the end of Run: %q, %v", b, err)
	}
}

func TestReadEndsWithTheReadersError(t *testing.T) {
	s, _ := open(t, logd.Config{Dir: t.TempDir()})
	s.Append(line(1), line(2))
	gone := errors.New("client gone")
	for _, tail := range []bool{false, true} {
		calls := 0
		err := s.Read(context.Background(), server.LogQuery{AppID: "app-1", Tail: tail}, func(server.LogLine) error {
			calls++
			return gone
		})
		if !errors.Is(err, gone) || calls != 1 {
			t.Errorf("tail %v: %v after %d calls", tail, err, calls)
		}
	}
}
