package server

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"paas/scheduler/agent"
)

// patientTest bounds what a test waits for.
const patientTest = 10 * time.Second

func receive[T any](t *testing.T, c <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patientTest):
		t.Fatalf("%s: nothing within %s", what, patientTest)
		panic("unreachable")
	}
}

type sessionResult struct {
	end agent.SessionEnd
	err error
}

func openAsync(ctx context.Context, hub *Sessions, se agent.Session) <-chan sessionResult {
	out := make(chan sessionResult, 1)
	go func() {
		end, err := hub.open(ctx, "h1", se)
		out <- sessionResult{end, err}
	}()
	return out
}

func TestSessionIsTakenAndEnds(t *testing.T) {
	hub := NewSessions()
	taken := hub.take(t.Context(), "h1")
	var out bytes.Buffer
	result := openAsync(t.Context(), hub, agent.Session{Instance: "i", Kind: agent.Exec, IO: agent.IO{In: strings.NewReader("in"), Out: &out}})
	se := receive(t, taken, "the offer")
	in, err := io.ReadAll(se.IO.In)
	if err != nil || string(in) != "in" || se.Instance != "i" {
		t.Fatalf("session %+v reads %q, %v", se, in, err)
	}
	io.WriteString(se.IO.Out, "out")
	se.Ended(agent.SessionEnd{ExitCode: 3})
	se.Ended(agent.SessionEnd{ExitCode: 4})
	if r := receive(t, result, "the end"); r.err != nil || r.end.ExitCode != 3 || out.String() != "out" {
		t.Fatalf("ended as %+v, output %q", r, out.String())
	}
	receive(t, se.Gone, "Gone after the end")
	if _, err := io.WriteString(se.IO.Out, "late"); !errors.Is(err, io.ErrClosedPipe) || out.String() != "out" {
		t.Errorf("a write after the end: %v, output %q", err, out.String())
	}
	if _, err := se.IO.In.Read(make([]byte, 1)); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("a read after the end: %v", err)
	}
}

func TestSessionOfAClientThatLeaves(t *testing.T) {
	hub := NewSessions()
	taken := hub.take(t.Context(), "h1")
	ctx, leave := context.WithCancel(t.Context())
	result := openAsync(ctx, hub, agent.Session{Instance: "i"})
	se := receive(t, taken, "the offer")
	leave()
	receive(t, se.Gone, "Gone")
	select {
	case r := <-result:
		t.Fatalf("open returned %+v before the host had ended it", r)
	default:
	}
	se.Ended(agent.SessionEnd{ExitCode: 129})
	if r := receive(t, result, "the end"); !errors.Is(r.err, context.Canceled) {
		t.Fatalf("%+v", r)
	}
}

// A host that does not answer holds nobody for ever.
func TestSessionOfADeadHost(t *testing.T) {
	hub := NewSessions()
	hub.takeWithin, hub.endWithin = 10*time.Millisecond, 10*time.Millisecond
	if r := receive(t, openAsync(t.Context(), hub, agent.Session{}), "no agent at all"); !errors.Is(r.err, errNoHost) {
		t.Errorf("no agent at all: %+v", r)
	}
	hub.take(t.Context(), "h1") // connected, and never reads
	if r := receive(t, openAsync(t.Context(), hub, agent.Session{}), "deaf"); r.err == nil && !errors.Is(r.end.Err, errNoHost) {
		t.Errorf("a deaf agent: %+v", r)
	}
	ctx, leave := context.WithCancel(t.Context())
	taken := hub.take(t.Context(), "h2")
	result := make(chan error, 1)
	go func() { _, err := hub.open(ctx, "h2", agent.Session{}); result <- err }()
	receive(t, taken, "the offer")
	leave()
	if err := receive(t, result, "an agent that does not end it"); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

// What an agent has not taken when it goes is refused, not lost.
func TestSessionOfAnAgentThatGoes(t *testing.T) {
	hub := NewSessions()
	hub.takeWithin = time.Second // the hub may have come to hold the other one
	ctx, stop := context.WithCancel(t.Context())
	taken := hub.take(ctx, "h1")
	result := openAsync(t.Context(), hub, agent.Session{})
	held := make(chan struct{})
	go func() { // the hub holds it when another offer finds no taker
		other, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		_, _ = hub.open(other, "h1", agent.Session{})
		close(held)
	}()
	<-held
	stop()
	if r := receive(t, result, "the end"); r.err == nil && !errors.Is(r.end.Err, errNoHost) {
		t.Errorf("%+v", r)
	}
	if _, ok := <-taken; ok {
		t.Error("an agent that has gone was given a session")
	}
}

func TestSessionsAreBounded(t *testing.T) {
	hub := NewSessions()
	var leave func()
	for range maxAppSessions {
		var err error
		if leave, err = hub.enter("app"); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := hub.enter("app"); !IsID(err, ErrConflict) {
		t.Errorf("one more: %v", err)
	}
	if _, err := hub.enter("other"); err != nil {
		t.Errorf("another app: %v", err)
	}
	leave()
	if _, err := hub.enter("app"); err != nil {
		t.Errorf("after one left: %v", err)
	}
	r := Run{ID: "r", Type: RunType, Ordinal: 1001}
	drop, err := hub.claim(r)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := hub.claim(r); !IsID(err, ErrConflict) {
		t.Errorf("attached twice: %v", err)
	}
	drop()
	if _, err := hub.claim(r); err != nil {
		t.Errorf("after the first left: %v", err)
	}
}
