package agent

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// follow hands what the instance prints to the control plane, from where it
// was last read, over restarts of the engine, until the process has ended and
// everything was read.
func (i *instance) follow(ctx context.Context) {
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
	dropped int // since
	since   time.Time
}

func (f *follower) line(ctx context.Context, at time.Time, text string) {
	if !f.bucket.take(len(text) + 1) {
		if f.dropped == 0 {
			f.since = at
		}
		f.dropped++
		f.last = at
		return
	}
	f.note(ctx)
	if f.send(ctx, at, text) {
		f.last = at
	}
}

// note tells how many lines were dropped, once, in their place.
func (f *follower) note(ctx context.Context) {
	if f.dropped == 0 {
		return
	}
	text := fmt.Sprintf("Error L10 (output buffer overflow): %d lines dropped since %s: this process prints more than %d KB/s",
		f.dropped, f.since.UTC().Format(time.RFC3339), f.cfg.LogRate>>10)
	if f.send(ctx, f.last, text) {
		f.dropped = 0
	}
}

func (f *follower) send(ctx context.Context, at time.Time, text string) bool {
	return f.shipper.send(ctx, Line{AppID: f.a.AppID, Instance: f.a.ID, Name: f.a.Name, At: at, Text: text})
}

// bucket lets rate bytes per second pass, and burst at once. Once empty it
// stays shut until a second's worth is back, so that a flood shows as whole
// passages with one note between them and not as every hundredth line.
type bucket struct {
	rate, burst float64
	level       float64
	at          time.Time
	shut        bool
}

func newBucket(rate, burst int) *bucket {
	return &bucket{rate: float64(rate), burst: float64(burst), level: float64(burst), at: time.Now()}
}

func (b *bucket) take(n int) bool {
	now := time.Now()
	b.level = min(b.burst, b.level+now.Sub(b.at).Seconds()*b.rate)
	b.at = now
	if b.shut && b.level < min(b.rate, b.burst) {
		return false
	}
	b.shut = b.level < float64(n)
	if b.shut {
		return false
	}
	b.level -= float64(n)
	return true
}
