package agenttest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"
)

// The part of the contract that is about output.

// collector keeps the output of one instance.
type collector struct {
	mu    sync.Mutex
	lines []stamped
	more  chan struct{}
	done  chan error
}

func collect(t *testing.T, s Subject, id string, since time.Time) *collector {
	c := &collector{more: make(chan struct{}, 1), done: make(chan error, 1)}
	ctx := patience(t)
	go func() {
		c.done <- s.Runtime.Logs(ctx, id, since, func(at time.Time, text string) {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.lines = append(c.lines, stamped{at, text})
			select {
			case c.more <- struct{}{}:
			default:
			}
		})
	}()
	return c
}

func (c *collector) got() []stamped {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.lines)
}

// await waits for n lines.
func (c *collector) await(t *testing.T, n int) []stamped {
	t.Helper()
	late := time.After(30 * time.Second)
	for len(c.got()) < n {
		select {
		case <-c.more:
		case <-late:
			t.Fatalf("waited for %d lines, got %d", n, len(c.got()))
		}
	}
	return c.got()
}

// all waits for the end of the stream.
func (c *collector) all(t *testing.T) []stamped {
	t.Helper()
	select {
	case err := <-c.done:
		if err != nil {
			t.Fatal(err)
		}
	case <-time.After(30 * time.Second):
		t.Fatalf("the output does not end; %d lines so far", len(c.got()))
	}
	return c.got()
}

func outputInOrder(t *testing.T, s Subject) {
	const n = 5000
	a, _ := started(t, s, "lines", fmt.Sprint(n))
	got := collect(t, s, a.ID, time.Time{}).await(t, n)
	inOrder(t, got, 0)
}

func inOrder(t *testing.T, got []stamped, first int) {
	t.Helper()
	for i, l := range got {
		if want := fmt.Sprintf("line %06d", first+i); l.text != want {
			t.Fatalf("line %d is %q, not %q", i, l.text, want)
		}
		if i > 0 && !l.at.After(got[i-1].at) {
			t.Fatalf("line %d is of %s, the one before of %s", i, l.at, got[i-1].at)
		}
	}
}

func outputSince(t *testing.T, s Subject) {
	const n = 300
	a, _ := started(t, s, "lines", fmt.Sprint(n))
	all := collect(t, s, a.ID, time.Time{}).await(t, n)
	for _, from := range []int{0, 1, n / 2, n - 2} {
		rest := collect(t, s, a.ID, all[from].at).await(t, n-from-1)
		if !slices.Equal(rest, all[from+1:]) {
			t.Fatalf("since line %d: %d lines from %+v", from, len(rest), rest[0])
		}
	}
}

func outputLong(t *testing.T, s Subject) {
	a, _ := started(t, s, "long", "25000")
	all := collect(t, s, a.ID, time.Time{}).all(t)
	var sizes []int
	for _, l := range all {
		sizes = append(sizes, len(l.text))
	}
	if !slices.Equal(sizes, []int{10_000, 10_000, 5_000, 4}) || all[3].text != "half" {
		t.Fatal("sizes", sizes)
	}
	for from := range all {
		rest := collect(t, s, a.ID, all[from].at).all(t)
		if !slices.Equal(rest, all[from+1:]) {
			t.Fatalf("since piece %d: %d pieces", from, len(rest))
		}
	}
}

func outputBeforeRemoval(t *testing.T, s Subject) {
	a, _ := started(t, s, "web")
	out := collect(t, s, a.ID, time.Time{})
	out.await(t, 1)
	if err := s.Runtime.Stop(patience(t), a.ID, time.Minute); err != nil {
		t.Fatal(err)
	}
	got := out.all(t)
	if len(got) != 2 || got[0].text != "listening" || got[1].text != "bye" {
		t.Fatalf("%+v", got)
	}
}

func outputFollows(t *testing.T, s Subject) {
	a, _ := started(t, s, "ticker")
	out := collect(t, s, a.ID, time.Time{})
	out.await(t, 200)
	ctx, cancel := context.WithCancel(context.Background())
	n := 0
	err := s.Runtime.Logs(ctx, a.ID, time.Time{}, func(time.Time, string) {
		if n++; n == 100 {
			cancel()
		}
	})
	if err == nil || n < 100 {
		t.Fatalf("%d lines, %v", n, err)
	}
}
