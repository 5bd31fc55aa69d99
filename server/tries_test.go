package server

import (
	"fmt"
	"testing"
	"time"
)

func TestTries(t *testing.T) {
	l := NewTries(2, time.Minute)
	now := time.Unix(0, 0)
	for i, c := range []struct {
		address string
		after   time.Duration
		want    bool
	}{
		{"192.0.2.1", 0, true},
		{"192.0.2.77", 0, true}, // a neighbour counts with it
		{"192.0.2.1", 30 * time.Second, false},
		{"::ffff:192.0.2.1", 30 * time.Second, false}, // the same in other clothes
		{"198.51.100.1", 30 * time.Second, true},
		{"2001:db8::1", 0, true},
		{"2001:db8::2%eth0", 0, true},
		{"2001:db8::ffff", 0, false},
		{"2001:db8:0:1::1", 0, true},
		{"192.0.2.1", time.Minute, true}, // a new window
		{"", 0, true},                    // the operator's socket
		{"", 0, true},
		{"", 0, true},
	} {
		if got := l.Allow(c.address, now.Add(c.after)); got != c.want {
			t.Errorf("%d: %s after %s: %v", i, c.address, c.after, got)
		}
	}
}

// Filling the table neither grows it nor frees who has used up their tries.
func TestTriesAreBounded(t *testing.T) {
	l := NewTries(1, time.Minute)
	now := time.Unix(0, 0)
	if !l.Allow("192.0.2.1", now) {
		t.Fatal("the first try was refused")
	}
	for i := range 2 * maxTriers {
		l.Allow(fmt.Sprintf("10.%d.%d.1", i/256%256, i%256), now)
		l.Allow(fmt.Sprintf("11.%d.%d.1", i/256%256, i%256), now)
	}
	if len(l.seen) > maxTriers {
		t.Errorf("%d addresses are kept", len(l.seen))
	}
	if l.Allow("192.0.2.1", now) {
		t.Error("the table was flushed by filling it")
	}
	if l.Spent("203.0.113.1", now) {
		t.Error("an address that did nothing is out of tries, because others fill the table")
	}
	if !l.Allow("203.0.113.1", now.Add(time.Minute)) {
		t.Error("what has expired leaves no room")
	}
}

// Who looks first and counts only failures is told when those were too many.
func TestTriesSpent(t *testing.T) {
	l, now := NewTries(2, time.Minute), time.Unix(0, 0)
	for i, want := range []bool{false, false, true} {
		if got := l.Spent("192.0.2.1", now); got != want {
			t.Errorf("after %d failures: %v", i, got)
		}
		l.Allow("192.0.2.7", now)
	}
	if l.Spent("192.0.2.1", now.Add(time.Minute)) {
		t.Error("it is never forgotten")
	}
	if l.Spent("", now) {
		t.Error("the operator's socket is limited")
	}
}
