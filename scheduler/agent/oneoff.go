package agent

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// The exit codes a shell gives for a command that did not run.
const (
	cannotRun = 126
	notFound  = 127
	terminate = 128 + 15 // exit code of a process that SIGTERM ended
)

// ErrNotFound is in the error of a Runtime for a command that is not in the image.
var ErrNotFound = errors.New("command not found")

// startCode is the exit code of a one-off that could not be started.
func startCode(err error) int {
	if errors.Is(err, ErrNotFound) {
		return notFound
	}
	return cannotRun
}

// reportExit reports the end of a one-off that did not end by itself.
func (i *instance) reportExit(s Status) {
	s.State, s.Halted = Exited, true
	i.report(s)
}

// attendOnce is attend for a process that runs once.
func (i *instance) attendOnce(ctx context.Context, c Container) {
	switch {
	case i.a.Attach && c.Running: // only one taken over runs before its client came
		i.end = i.watch(ctx, c)
		i.cut(ctx, "its client was cut off: the host's agent was restarted", true)
		return
	case i.a.Attach && c.Started.IsZero():
		var ok bool
		if c, ok = i.meet(ctx); !ok {
			return
		}
	default:
		i.end = i.watch(ctx, c)
	}
	if !i.end.reached() {
		i.report(Status{State: Up, Addr: i.addr(c)})
	}
	i.follows(ctx, c)
}

// follows waits for what ends a one-off: itself, its limit, or its client. An
// attached one has not ended before its client has all of its output.
func (i *instance) follows(ctx context.Context, c Container) {
	limit, stopLimit := i.limit(c)
	defer stopLimit()
	ended, over, gone := i.end.c, i.visit.ended(), i.visit.gone()
	for why := ""; ; {
		select {
		case <-ended:
			ended = nil
		case <-over:
			over = nil
			if err := i.visit.err; err != nil {
				why = "the connection of its client broke: " + err.Error()
			}
		case err := <-i.visit.breaks():
			over, why = nil, "the connection of its client broke: "+err.Error()
		case <-gone:
			over, why = nil, "its client went away"
		case <-limit:
			over, why = nil, fmt.Sprintf("ran longer than its limit of %s", i.a.Limit)
		case <-i.stop:
			return
		case <-ctx.Done():
			return
		}
		switch {
		case over == nil && i.end.reached():
			i.crashed(ctx)
			i.dismiss(ctx)
			return
		case why != "":
			i.cut(ctx, why, false)
			return
		}
	}
}

// limit is a channel that tells when the time of a one-off is over.
func (i *instance) limit(c Container) (<-chan time.Time, func()) {
	if i.a.Limit <= 0 {
		return nil, func() {}
	}
	left := i.a.Limit
	if !c.Started.IsZero() { // one taken over has used some of it
		left -= time.Since(c.Started)
	}
	t := time.NewTimer(left)
	return t.C, func() { t.Stop() }
}

// cut ends a one-off from outside and reports it. The container stays, as the
// memory that it has run, until the control plane has taken note.
func (i *instance) cut(ctx context.Context, why string, platform bool) {
	began := time.Now()
	if i.insist(ctx, func() error { return i.rt.End(ctx, i.a.ID, i.a.Grace) }) != nil {
		return
	}
	i.end.drain(ctx)
	s := Status{ExitCode: terminate, Platform: platform, Reason: why}
	if i.end.reached() && i.end.container.ExitCode != 0 {
		s.ExitCode, s.OOM = i.end.container.ExitCode, i.end.container.OOM
	}
	late := s.ExitCode == killed && time.Since(began) >= i.a.Grace
	if late {
		s.Reason += "; it " + exitTimeout(i.a.Grace)
	}
	s.Notes = strings.Join([]string{i.a.Name + ": " + why, stopNote, stopNotes(s, late, i.a.Grace)}, "\n")
	i.reportExit(s)
	i.dismiss(ctx)
}
