package drain

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"paas/server"
)

func text(n int) server.LogLine {
	return server.LogLine{AppID: "a", At: time.Unix(int64(n), 0), Source: "app", Dyno: "web.1", Text: fmt.Sprintf("line %d", n)}
}

func TestQueueLosesTheOldestAndSaysSo(t *testing.T) {
	q := newQueue(10, 1<<20, &budget{max: 1 << 20})
	for n := range 25 {
		q.add(text(n))
	}
	got, err := q.take(t.Context(), nil, 100, 1<<20)
	if err != nil || len(got) != 11 || got[1].Text != "line 15" || got[10].Text != "line 24" {
		t.Fatalf("%d lines %v", len(got), err)
	}
	if want := "Error L10 (output buffer overflow): 15 messages dropped since 1970-01-01T00:00:00+00:00."; got[0].Text != want || got[0].Dyno != "logplex" {
		t.Errorf("got %q", got[0].Text)
	}
	q.add(text(25))
	if got, _ = q.take(t.Context(), nil, 100, 1<<20); len(got) != 1 {
		t.Errorf("told twice: %v", got)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := q.take(ctx, nil, 1, 1); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestQueuesShareABudget(t *testing.T) {
	room := &budget{max: 1 << 20}
	var all []*queue
	big := text(1)
	big.Text = strings.Repeat("x", 1000)
	for range 10 {
		q := newQueue(10_000, 4<<20, room)
		all = append(all, q)
		for range 2000 {
			q.add(big)
		}
	}
	if used := room.used.Load(); used > 1<<20+10*(modest+2000) {
		t.Errorf("%d bytes in use", used)
	}
	for _, q := range all {
		if len(q.poll(nil, 10, 1<<20)) < 2 {
			t.Error("a queue was left without lines")
		}
		q.close()
	}
	if used := room.used.Load(); used != 0 {
		t.Errorf("%d bytes not given back", used)
	}
}

func TestQueueBatches(t *testing.T) {
	q := newQueue(100_000, 64<<20, &budget{max: 1 << 30})
	for n := range 5000 {
		q.add(text(n))
	}
	next := 0
	for next < 5000 {
		got, err := q.take(t.Context(), nil, 1000, 20_000)
		if err != nil || len(got) > 200 {
			t.Fatal(len(got), err)
		}
		for _, l := range got {
			if l.Text != fmt.Sprintf("line %d", next) {
				t.Fatalf("%q, want %d", l.Text, next)
			}
			next++
		}
	}
}
