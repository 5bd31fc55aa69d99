package logd_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"paas/server"
	"paas/server/logd"
)

func TestSearch(t *testing.T) {
	s, _ := open(t, logd.Config{Dir: t.TempDir(), SegmentBytes: 4096})
	for n := range 1000 { // many segments
		l := line(n)
		if n%100 == 7 {
			l.Text = fmt.Sprintf("Übel: Error %d\x1b[0m", n)
		}
		s.Append(l)
	}
	at := func(n int) time.Time { return line(n).At }
	for _, tt := range []struct {
		name string
		q    server.LogQuery
		want []string
	}{
		{"text, newest two", server.LogQuery{Text: "Error", Lines: 2}, []string{"Übel: Error 807\x1b[0m", "Übel: Error 907\x1b[0m"}},
		{"text, wrong case", server.LogQuery{Text: "error"}, nil},
		{"text, any case", server.LogQuery{Text: "üBEL: eRROR 1", Fold: true}, []string{"Übel: Error 107\x1b[0m"}},
		{"pattern", server.LogQuery{Pattern: regexp.MustCompile(`^line (41|42)$`)}, []string{"line 41", "line 42"}},
		{"since is in", server.LogQuery{Since: at(998)}, []string{"line 998", "line 999"}},
		{"until is out", server.LogQuery{Until: at(2)}, []string{"line 0", "line 1"}},
		{"between", server.LogQuery{Since: at(500), Until: at(503), Lines: 2}, []string{"line 501", "line 502"}},
		{"text and time", server.LogQuery{Since: at(100), Until: at(300), Text: "Error"}, []string{"Übel: Error 107\x1b[0m", "Übel: Error 207\x1b[0m"}},
		{"text is not looked for in names", server.LogQuery{Text: "i-1"}, nil},
		{"nothing that late", server.LogQuery{Since: at(5000)}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.q.AppID = "app-1"
			wantTexts(t, texts(t, s, tt.q), tt.want...)
		})
	}
	if got := texts(t, s, server.LogQuery{AppID: "app-1", Lines: 900}); len(got) != 900 || got[0] != "line 100" || got[899] != "line 999" {
		t.Errorf("%d lines", len(got))
	}
}

// TestSearchWhileRotating: what a slow reader has not come to yet may be
// removed under it; it gets the rest, in order, and no error.
func TestSearchWhileRotating(t *testing.T) {
	s, _ := open(t, logd.Config{Dir: t.TempDir(), SegmentBytes: 4096, MaxBytes: 4 * 4096})
	n := 0
	add := func() { l := line(n); l.Text = strconv.Itoa(n); s.Append(l); n++ }
	for range 150 {
		add()
	}
	last, got := -1, 0
	err := s.Read(context.Background(), server.LogQuery{AppID: "app-1"}, func(l server.LogLine) error {
		v, err := strconv.Atoi(l.Text)
		if err != nil || v <= last {
			return fmt.Errorf("%q after %d", l.Text, last)
		}
		last, got = v, got+1
		for range 20 {
			add()
		}
		return nil
	})
	if err != nil || got == 0 {
		t.Fatalf("%d lines, %v", got, err)
	}
}

func TestTextFollows(t *testing.T) {
	s, _ := open(t, logd.Config{Dir: t.TempDir()})
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	joined, got, done := make(chan struct{}), make(chan string), make(chan error, 1)
	go func() {
		q := server.LogQuery{AppID: "app-1", Tail: true, Text: "WANTED", Fold: true, Lines: -1, Joined: func() { close(joined) }}
		done <- s.Read(ctx, q, func(l server.LogLine) error { got <- l.Text; return nil })
	}()
	<-joined
	l := line(1)
	s.Append(l)
	l.Text = "this is Wanted"
	s.Append(l)
	if text := <-got; text != "this is Wanted" {
		t.Errorf("got %q", text)
	}
	cancel()
	<-done
}

// TestLevelIsOfHistoryAndNewLines: a level is guessed of what was printed
// before and of what comes, also together with a pattern.
func TestLevelIsOfHistoryAndNewLines(t *testing.T) {
	s, _ := open(t, logd.Config{Dir: t.TempDir()})
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	say := func(texts ...string) {
		for n, text := range texts {
			l := line(n)
			l.Source, l.Text = "app", text
			s.Append(l)
		}
	}
	say("ERROR one", "fine", "ERROR other", "level=info one")
	joined, got, done := make(chan struct{}), make(chan string, 8), make(chan error, 1)
	go func() {
		q := server.LogQuery{AppID: "app-1", Tail: true, Level: "error", Pattern: regexp.MustCompile("one|two"), Joined: func() { close(joined) }}
		done <- s.Read(ctx, q, func(l server.LogLine) error { got <- l.Text; return nil })
	}()
	<-joined
	say("level=warn two", "two is fine", "panic: two")
	if one, two := <-got, <-got; one != "ERROR one" || two != "panic: two" {
		t.Errorf("got %q and %q", one, two)
	}
	cancel()
	<-done
}

func segments(t *testing.T, dir string) (files int, size int64) {
	t.Helper()
	list, err := filepath.Glob(filepath.Join(dir, "*.log"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range list {
		info, err := os.Stat(f)
		if err != nil {
			t.Fatal(err)
		}
		size += info.Size()
	}
	return len(list), size
}

// TestLimits: each app keeps to its own bytes, all together to the total, and
// the one that says most pays for it.
func TestLimits(t *testing.T) {
	dir := t.TempDir()
	s, stop := open(t, logd.Config{Dir: dir, SegmentBytes: 8192, MaxBytes: 64 << 10, TotalBytes: 96 << 10, FlushEvery: time.Millisecond})
	say := func(app string, lines int) {
		for n := range lines {
			l := line(n)
			l.AppID = app
			s.Append(l)
		}
	}
	say("quiet", 10)
	say("small", 1)
	s.SetLimits("small", 0, 16<<10)
	say("small", 2000)
	say("loud-1", 4000)
	say("loud-2", 4000)
	stop() // writes and looks at the total a last time
	s, _ = open(t, logd.Config{Dir: dir, SegmentBytes: 8192, MaxBytes: 64 << 10, TotalBytes: 96 << 10})
	var all int64
	for _, app := range []string{"quiet", "small", "loud-1", "loud-2"} {
		var size int64
		waitFor(t, app+"'s bytes on disk to be those that are counted", func() bool { // the first round may end a segment meanwhile
			_, size = segments(t, filepath.Join(dir, app))
			return s.Used(app) == size
		})
		if app == "small" && size > 20<<10 || size > 72<<10 {
			t.Errorf("%s takes %d bytes", app, size)
		}
		all += size
	}
	s.Append(line(1)) // the next round looks at the total
	waitFor(t, "the total", func() bool {
		return s.Used("quiet")+s.Used("small")+s.Used("loud-1")+s.Used("loud-2")+s.Used("app-1") <= 96<<10
	})
	if got := texts(t, s, server.LogQuery{AppID: "quiet"}); len(got) != 10 {
		t.Errorf("%d lines of the quiet app", len(got))
	}
}

func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(60 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// TestOldLinesGo: by the days of the app, whether it goes on talking or not,
// and the cursors stay.
func TestOldLinesGo(t *testing.T) {
	dir := t.TempDir()
	s, stop := open(t, logd.Config{Dir: dir})
	s.Append(line(1), line(2))
	other := line(3)
	other.AppID = "app-2"
	s.Append(other)
	stop()
	old := time.Now().Add(-49 * time.Hour)
	for _, app := range []string{"app-1", "app-2"} {
		if err := os.Chtimes(filepath.Join(dir, app, "0000000000000001.log"), old, old); err != nil {
			t.Fatal(err)
		}
	}
	s, stop = open(t, logd.Config{Dir: dir}) // 7 days
	wantTexts(t, texts(t, s, server.LogQuery{AppID: "app-1"}), "line 1", "line 2")
	stop()
	s, _ = open(t, logd.Config{Dir: dir, MaxAge: 48 * time.Hour}) // looks at once
	waitFor(t, "the old lines to go", func() bool { return len(texts(t, s, server.LogQuery{AppID: "app-2"})) == 0 })
	waitFor(t, "the old lines to go", func() bool { return len(texts(t, s, server.LogQuery{AppID: "app-1"})) == 0 })
	if c := s.Cursor("i-1"); c.IsZero() {
		t.Error("the cursor went with them")
	}
	if n, _ := segments(t, filepath.Join(dir, "app-1")); n != 1 {
		t.Errorf("%d segments left", n)
	}
}

// FuzzSearch: what a search finds in a segment of any bytes is what reading
// all of it and choosing finds.
func FuzzSearch(f *testing.F) {
	f.Add([]byte("2026-11-21T07:24:55.123456789+00:00 app[web.1] i: hello\n"), "hell", false)
	f.Add([]byte("2026-11-21T07:24:55.123456789+00:00 app[web.1] i: HeLLo\n\n\x00"), "hell", true)
	f.Fuzz(func(t *testing.T, b []byte, text string, fold bool) {
		dir := t.TempDir()
		if err := os.MkdirAll(filepath.Join(dir, "a"), 0o700); err != nil {
			t.Fatal(err)
		}
		b = append(bytes.Clone(b), "\n2026-11-21T07:24:55.123456789+00:00 app[web.1] i: last\n"...)
		if err := os.WriteFile(filepath.Join(dir, "a", "0000000000000001.log"), b, 0o600); err != nil {
			t.Fatal(err)
		}
		s, _ := open(t, logd.Config{Dir: dir})
		var want []string
		q := server.LogQuery{AppID: "a", Text: text, Fold: fold}
		for _, l := range texts(t, s, server.LogQuery{AppID: "a"}) {
			if q.MatchesText(l) {
				want = append(want, l)
			}
		}
		if got := texts(t, s, q); strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Fatalf("got  %q\nwant %q", got, want)
		}
		q.Lines = 1
		if got := texts(t, s, q); len(got) != min(1, len(want)) || len(got) == 1 && got[0] != want[len(want)-1] {
			t.Fatalf("newest %q of %q", got, want)
		}
	})
}

// slow is a pattern that takes a millisecond and more for a line of x.
var slow = regexp.MustCompile(`.{0,990}[xq].{0,990}[xq].{0,990}[xq]Z`)

// Searches with a costly pattern, of however many clients, keep nobody from
// reading a log, and end soon after their clients have gone.
func TestCostlyPatternKeepsNobody(t *testing.T) {
	s, _ := open(t, logd.Config{Dir: t.TempDir()})
	for n := range 20_000 {
		l := line(n)
		l.Text = strings.Repeat("x", 80)
		s.Append(l)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 4)
	for range cap(ended) {
		go func() {
			ended <- s.Read(ctx, server.LogQuery{AppID: "app-1", Lines: 10, Pattern: slow}, func(server.LogLine) error { return nil })
		}()
	}
	time.Sleep(50 * time.Millisecond)
	if got := texts(t, s, server.LogQuery{AppID: "app-1", Lines: 5}); len(got) != 5 {
		t.Errorf("%d lines", len(got))
	}
	select {
	case err := <-ended:
		t.Fatalf("a search ended by itself (%v): this test proves nothing", err)
	default:
	}
	cancel()
	for range cap(ended) {
		select {
		case err := <-ended:
			if !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		case <-time.After(60 * time.Second):
			t.Fatal("a search goes on though its client has gone")
		}
	}
}

// What a reader's pattern costs is the reader's: appending does not wait.
func TestCostlyPatternWhileAppending(t *testing.T) {
	s, _ := open(t, logd.Config{Dir: t.TempDir()})
	ctx, cancel := context.WithCancel(t.Context())
	joined := make(chan struct{})
	ended := make(chan error, 1)
	go func() {
		ended <- s.Read(ctx, server.LogQuery{AppID: "app-1", Lines: -1, Tail: true, Pattern: slow, Joined: func() { close(joined) }},
			func(server.LogLine) error { return nil })
	}()
	<-joined
	begin := time.Now()
	for n := range 5000 {
		l := line(n)
		l.Text = strings.Repeat("x", 80)
		s.Append(l)
	}
	if took := time.Since(begin); took > 10*time.Second {
		t.Errorf("5000 lines took %s", took)
	}
	cancel()
	<-ended
}
