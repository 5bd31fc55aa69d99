package agenttest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"paas/scheduler/agent"
)

// Control is a control plane that remembers what it was told.
type Control struct {
	mu       sync.Mutex
	sets     chan []agent.Assignment
	statuses []agent.Status
	lines    []agent.Line
	usage    []agent.Usage
	beats    []agent.Beat
	cursors  map[string]time.Time
	sessions chan agent.Session
	refuse   int           // reports still to refuse
	slow     time.Duration // each Log takes that long
	change   chan struct{} // closed and replaced at each change
}

// NewControl makes one that knows nothing.
func NewControl() *Control {
	return &Control{sets: make(chan []agent.Assignment, 100), cursors: map[string]time.Time{}, sessions: make(chan agent.Session), change: make(chan struct{})}
}

// Set gives the agent a new set of assignments.
func (c *Control) Set(set ...agent.Assignment) { c.sets <- set }

// Refuse makes the next n reports fail.
func (c *Control) Refuse(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refuse = n
}

// Watch is of agent.Control. Each watcher begins with the newest set.
func (c *Control) Watch(ctx context.Context, _ string) <-chan []agent.Assignment {
	out := make(chan []agent.Assignment)
	go func() {
		defer close(out)
		for {
			select {
			case s := <-c.sets:
				select {
				case out <- s:
				case <-ctx.Done():
					return
				}
			case <-ctx.Done():
				return
			}
		}
	}()
	return out
}

// Report is of agent.Control.
func (c *Control) Report(_ context.Context, _ string, s []agent.Status) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.refuse > 0 {
		c.refuse--
		return errors.New("database unavailable")
	}
	c.statuses = append(c.statuses, s...)
	c.changed()
	return nil
}

// Slow makes each call of Log take its time.
func (c *Control) Slow(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.slow = d
}

// Forget drops the reports of an instance.
func (c *Control) Forget(instance string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.statuses = slices.DeleteFunc(c.statuses, func(s agent.Status) bool { return s.ID == instance })
}

// Log is of agent.Control.
func (c *Control) Log(lines []agent.Line) {
	c.mu.Lock()
	slow := c.slow
	c.mu.Unlock()
	time.Sleep(slow)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lines = append(c.lines, lines...)
	for _, l := range lines {
		c.cursors[l.Instance] = l.At
	}
	c.changed()
}

// LogCursor is of agent.Control.
func (c *Control) LogCursor(instance string) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cursors[instance]
}

// Usage is of agent.Control.
func (c *Control) Usage(_ string, _ time.Time, u []agent.Usage) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.usage = append(c.usage, u...)
	c.changed()
}

// Beat is of agent.Control. The last hundred are kept.
func (c *Control) Beat(_ string, b agent.Beat) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.beats = append(c.beats[max(0, len(c.beats)-99):], b)
	c.changed()
}

// Beats gives the signs of life since it was last asked.
func (c *Control) Beats() []agent.Beat {
	c.mu.Lock()
	defer c.mu.Unlock()
	list := c.beats
	c.beats = nil
	return list
}

// AwaitUsage gives the next measurement of an instance that is as wanted.
func (c *Control) AwaitUsage(t testing.TB, instance string, ok func(agent.Usage) bool) agent.Usage {
	t.Helper()
	deadline := time.After(30 * time.Second)
	for {
		c.mu.Lock()
		list, change := c.usage, c.change
		c.usage = nil
		c.mu.Unlock()
		for _, u := range list {
			if u.Instance == instance && ok(u) {
				return u
			}
		}
		select {
		case <-change:
		case <-deadline:
			t.Fatalf("no such measurement of %s; the last were %+v", instance, list)
		}
	}
}

// Usages gives the measurements that nobody has awaited, and forgets them.
func (c *Control) Usages() []agent.Usage {
	c.mu.Lock()
	defer c.mu.Unlock()
	list := c.usage
	c.usage = nil
	return list
}

func (c *Control) changed() {
	close(c.change)
	c.change = make(chan struct{})
}

// Statuses are the reports of an instance, in order.
func (c *Control) Statuses(instance string) []agent.Status {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(c.statuses), func(s agent.Status) bool { return s.ID != instance })
}

// Lines is what an instance printed, in order.
func (c *Control) Lines(instance string) []agent.Line {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(c.lines), func(l agent.Line) bool { return l.Instance != instance })
}

// Await waits until ok says so; it is asked after each change.
func (c *Control) Await(t testing.TB, what string, ok func() bool) {
	t.Helper()
	late := time.After(40 * time.Second)
	for {
		c.mu.Lock()
		change := c.change
		c.mu.Unlock()
		if ok() {
			return
		}
		select {
		case <-change:
		case <-late:
			c.mu.Lock()
			defer c.mu.Unlock()
			t.Fatalf("waited in vain for %s; reports: %s", what, fmt.Sprintf("%+v", c.statuses))
		}
	}
}

// InOrder checks that lines are those of the program's "lines" or "ticker",
// all of them, once each, with times that grow.
func InOrder(t testing.TB, lines []agent.Line) {
	t.Helper()
	for i, l := range lines {
		if want := fmt.Sprintf("line %06d", i); len(l.Text) < len(want) || l.Text[:len(want)] != want {
			t.Fatalf("line %d of %d is %q", i, len(lines), l.Text)
		}
		if i > 0 && !l.At.After(lines[i-1].At) {
			t.Fatalf("line %d is of %s, the one before of %s", i, l.At, lines[i-1].At)
		}
	}
}

// AwaitState waits for a report and returns it.
func (c *Control) AwaitState(t testing.TB, instance string, state agent.State) agent.Status {
	t.Helper()
	var found agent.Status
	c.Await(t, instance+" to be "+string(state), func() bool {
		for _, s := range c.Statuses(instance) {
			if s.State == state {
				found = s
				return true
			}
		}
		return false
	})
	return found
}

var _ agent.Control = (*Control)(nil)
