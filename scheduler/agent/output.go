package agent

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// tellFirst is how long the first line of an instance waits for the report of
// its start.
const tellFirst = 2 * time.Second

// follow hands what the instance prints to the control plane, from where it
// was last read, over restarts of the engine, until the process has ended and
// everything was read.
func (i *instance) follow(ctx context.Context) {
	// A reader of the log wants to hear of the start before the first word. A
	// control plane that is away keeps nobody: the log is read all the same.
	patient, cancel := context.WithTimeout(ctx, tellFirst)
	i.reporter.told(patient, i.a.ID)
	cancel()
	f := &follower{instance: i, last: i.control.LogCursor(i.a.ID), bucket: newBucket(i.cfg.LogRate, i.cfg.LogBurst)}
	for pause := retryFirst; ctx.Err() == nil; pause = min(2*pause, retryLast) {
		before := f.last
		err := i.rt.Logs(ctx, i.a.ID, f.last, func(at time.Time, text string) { f.line(ctx, at, text) })
		if err == nil || errors.Is(err, ErrNoContainer) {
			break
		}
		if f.last.After(before) {
			pause = retryFirst
		}
		_ = sleep(ctx, pause) // the loop looks at ctx
	}
	f.note(ctx)
}

// follower is the reading of one instance's output.
type follower struct {
	*instance
	last    time.Time // of the last line that was handed on or dropped
	bucket  *bucket
	dropped int // since the last note
}

func (f *follower) line(ctx context.Context, at time.Time, text string) {
	if !f.bucket.take(len(text) + 1) {
		f.dropped++
		f.last = at
		return
	}
	f.note(ctx)
	if f.send(ctx, at, text, false) {
		f.last = at
	}
}

// note tells how many lines were dropped, once, in their place. The bucket
// stays shut for a second, so there is at most one note in that time.
func (f *follower) note(ctx context.Context) {
	if f.dropped == 0 {
		return
	}
	lines := "lines"
	if f.dropped == 1 {
		lines = "line"
	}
	text := fmt.Sprintf("%d %s dropped: %s prints faster than %s", f.dropped, lines, f.a.Name, rate(f.cfg.LogRate))
	if f.send(ctx, f.last, text, true) {
		f.dropped = 0
	}
}

// rate is bytes per second for people.
func rate(bytes int) string {
	if bytes >= 1<<20 && bytes%(1<<20) == 0 {
		return fmt.Sprintf("%d MB/s", bytes>>20)
	}
	return fmt.Sprintf("%d KB/s", bytes>>10)
}

func (f *follower) send(ctx context.Context, at time.Time, text string, platform bool) bool {
	return f.lane.send(ctx, Line{AppID: f.a.AppID, Instance: f.a.ID, Name: f.a.Name, At: at, Text: text, Platform: platform})
}

// bucket lets rate bytes per second pass, and burst at once. Once empty it
// stays shut for a second, and until a second's worth is back, so that a flood
// shows as whole passages with one note between them and not as every
// hundredth line.
type bucket struct {
	rate, burst float64
	level       float64
	at          time.Time
	shut        time.Time // since when; zero while it is open
}

func newBucket(rate, burst int) *bucket {
	return &bucket{rate: float64(rate), burst: float64(burst), level: float64(burst), at: time.Now()}
}

func (b *bucket) take(n int) bool {
	now := time.Now()
	b.level = min(b.burst, b.level+now.Sub(b.at).Seconds()*b.rate)
	b.at = now
	if !b.shut.IsZero() && (now.Sub(b.shut) < time.Second || b.level < min(b.rate, b.burst)) {
		return false
	}
	b.shut = time.Time{}
	if b.level < float64(n) {
		b.shut = now
		return false
	}
	b.level -= float64(n)
	return true
}
