package server

import (
	"testing"
	"time"
)

// A process that was stopped for longer than its lease does not lead from its
// first moment on, whichever of its timers has fired.
func TestEpochLooksAtTheClock(t *testing.T) {
	l := NewLeader(LeaderConfig{Owner: "a"}, nil, nil)
	if l.Epoch() != 0 {
		t.Error("it leads before it has the lease")
	}
	l.held.Store(&tenure{epoch: 7, trusted: time.Now().Add(time.Hour)})
	if l.Epoch() != 7 {
		t.Error("it does not lead though it has the lease")
	}
	l.held.Store(&tenure{epoch: 7, trusted: time.Now().Add(-time.Millisecond)})
	if l.Epoch() != 0 {
		t.Error("it trusts a lease that has run out")
	}
}
