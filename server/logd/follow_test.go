package logd_test

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"sync"
	"testing"

	"paas/server"
	"paas/server/logd"
)

// TestFollowHasNoSeam joins followers while lines are appended: each sees
// every line from its first one on, once and in order.
func TestFollowHasNoSeam(t *testing.T) {
	s, _ := open(t, logd.Config{Dir: t.TempDir(), SegmentBytes: 64 << 10, FollowerLines: 1 << 20, FollowerBytes: 1 << 30})
	const lines, followers = 5000, 8
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var wg sync.WaitGroup
	follow := func() {
		defer wg.Done()
		next := -1
		err := s.Read(ctx, server.LogQuery{AppID: "app-1", Lines: 20, Tail: true}, func(l server.LogLine) error {
			n, err := strconv.Atoi(l.Text)
			if err != nil || (next >= 0 && n != next) {
				return fmt.Errorf("got %q, want %d", l.Text, next)
			}
			if next = n + 1; next == lines {
				return errDone
			}
			return nil
		})
		if !errors.Is(err, errDone) {
			t.Errorf("follower: %v", err)
		}
	}
	for n := range lines {
		if n%(lines/followers) == 10 {
			wg.Add(1)
			go follow()
		}
		l := line(n)
		l.Text = strconv.Itoa(n)
		s.Append(l)
	}
	wg.Wait()
}

var errDone = errors.New("seen all")

// TestSlowFollowerIsTold: a reader that stops reading neither holds up Append
// nor takes memory; it learns how many lines it lost, where it lost them.
func TestSlowFollowerIsTold(t *testing.T) {
	s, _ := open(t, logd.Config{Dir: t.TempDir(), FollowerLines: 10})
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	s.Append(line(0))
	entered, release := make(chan struct{}), make(chan struct{})
	got, done := make(chan server.LogLine, 200), make(chan error, 1)
	var once sync.Once
	go func() {
		done <- s.Read(ctx, server.LogQuery{AppID: "app-1", Lines: 1, Tail: true}, func(l server.LogLine) error {
			once.Do(func() { close(entered); <-release })
			got <- l
			return nil
		})
	}()
	<-entered
	for n := 1; n <= 100; n++ {
		s.Append(line(n)) // would hang here if the follower could block it
	}
	close(release)
	for n := range 11 {
		if l := <-got; l.Text != fmt.Sprintf("line %d", n) {
			t.Fatalf("line %d: %q", n, l.Text)
		}
	}
	gap := <-got
	if want := "Error L11 (Tail buffer overflow) -> This tail session dropped 90 messages since " + line(11).At.Format("2006-01-02T15:04:05+00:00") + "."; gap.Text != want {
		t.Errorf("gap: %q\nwant %q", gap.Text, want)
	}
	if ok, _ := regexp.MatchString(`^\S+ paas\[logplex\]: Error L11 `, server.FormatLogLine(gap)); !ok {
		t.Errorf("printed: %q", server.FormatLogLine(gap))
	}
	s.Append(line(101))
	if l := <-got; l.Text != "line 101" {
		t.Errorf("after the gap: %q", l.Text)
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("end: %v", err)
	}
}

func TestFollowerSeesOnlyWhatItChose(t *testing.T) {
	s, _ := open(t, logd.Config{Dir: t.TempDir(), FollowerLines: 4})
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	s.Append(line(0))
	got, done := make(chan string), make(chan error, 1)
	go func() {
		done <- s.Read(ctx, server.LogQuery{AppID: "app-1", Tail: true, Type: "web"}, func(l server.LogLine) error {
			select {
			case got <- l.Text:
			case <-ctx.Done():
			}
			return nil
		})
	}()
	if text := <-got; text != "line 0" {
		t.Fatalf("history: %q", text)
	}
	for n := range 100 { // these would overflow it if they were counted
		l := line(n)
		l.Dyno = "worker.1"
		s.Append(l)
	}
	s.Append(line(7))
	if text := <-got; text != "line 7" {
		t.Errorf("got %q", text)
	}
	cancel()
	<-done
}

// TestConcurrentUse is for the race detector: everything at once.
func TestConcurrentUse(t *testing.T) {
	s, stop := open(t, logd.Config{Dir: t.TempDir(), SegmentBytes: 8 << 10, FollowerLines: 16})
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var writers, readers sync.WaitGroup
	for w := range 4 {
		writers.Add(1)
		go func() {
			defer writers.Done()
			for n := range 500 {
				l := line(n)
				l.AppID, l.Instance = fmt.Sprintf("app-%d", n%3), fmt.Sprintf("i-%d", w)
				s.Append(l, l)
				s.Cursor(l.Instance)
			}
		}()
		readers.Add(1)
		go func() {
			defer readers.Done()
			q := server.LogQuery{AppID: fmt.Sprintf("app-%d", w%3), Tail: w%2 == 0}
			_ = s.Read(ctx, q, func(server.LogLine) error { return nil })
		}()
	}
	writers.Wait()
	s.Drop("app-2")
	cancel()
	readers.Wait()
	stop()
	if got := texts(t, s, server.LogQuery{AppID: "app-0", Lines: 5}); len(got) != 5 {
		t.Errorf("%d lines", len(got))
	}
}
