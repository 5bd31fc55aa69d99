package fleet

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// A flood gets the pace and no more, and who would wait too long takes nobody's place.
func TestPaceOfConnections(t *testing.T) {
	var w ways
	now := time.Now()
	until := now.Add(holdLimit)
	at := func(now time.Time, n int) (last time.Duration, taken int) {
		for range n {
			wait, ok := w.reserve(now, until, true)
			if !ok {
				return last, taken
			}
			last = wait
			taken++
		}
		return last, taken
	}
	if last, taken := at(now, wayBurst); taken != wayBurst || last > 0 {
		t.Errorf("%d at once, the last after %v", taken, last)
	}
	if last, taken := at(now, 1<<20); taken != int(holdLimit/wayEvery) || last != holdLimit {
		t.Errorf("%d more, the last after %v", taken, last)
	}
	now, until = now.Add(time.Hour), until.Add(time.Hour)
	if last, taken := at(now, wayBurst+1); taken != wayBurst+1 || last != wayEvery {
		t.Errorf("%d an hour later, the last after %v", taken, last)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Nanosecond)
	defer cancel()
	if w.pace(ctx) {
		t.Error("it waited beyond its limit")
	}
}

// What is more than the ways to the leader is refused at once, and a door has
// ways of its own.
func TestForwardIsBounded(t *testing.T) {
	f := NewForward(nil, nil, func() int64 { return 0 }, slog.New(slog.DiscardHandler))
	way := f.gates[DoorDashboard]
	for range maxWays {
		if !way.enter() {
			t.Fatal("refused too early")
		}
	}
	answer := httptest.NewRecorder()
	f.Handler(DoorDashboard, http.NotFoundHandler()).ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", http.NoBody))
	if answer.Code != http.StatusServiceUnavailable || answer.Header().Get("Retry-After") == "" {
		t.Errorf("%d %q", answer.Code, answer.Body)
	}
	if !f.gates[DoorOperator].enter() {
		t.Error("the operator has no way")
	}
	way.leave()
	if !way.enter() {
		t.Error("what was given back is not there")
	}
}
