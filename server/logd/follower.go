package logd

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"paas/server"
)

// follower is the bounded buffer between the lines of an app and one reader.
// What does not fit is counted, and the reader is told once, at the place of
// the gap: appending never waits for a reader.
type follower struct {
	q               server.LogQuery // without what follows
	slow            server.LogQuery // its pattern and level: their work is the reader's, not the appender's
	maxLen, maxSize int
	wake            chan struct{} // holds one token when there is something to take
	end             chan struct{} // closed when the app was dropped

	mu      sync.Mutex
	buf     []server.LogLine
	size    int // bytes of text in buf
	dropped int
	since   time.Time // of the first line dropped
}

func newFollower(q server.LogQuery, maxLen, maxSize int) *follower {
	slow := server.LogQuery{Pattern: q.Pattern, Level: q.Level}
	q.Pattern, q.Level = nil, ""
	return &follower{
		q: q, slow: slow, maxLen: maxLen, maxSize: maxSize,
		wake: make(chan struct{}, 1), end: make(chan struct{}),
	}
}

func (f *follower) push(l server.LogLine) {
	if !f.q.Matches(l) {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	// Once one line is lost, those behind it are too until the reader has
	// taken the rest: otherwise a short line could slip in front of the gap.
	if f.dropped > 0 || len(f.buf) >= f.maxLen || f.size+len(l.Text) > f.maxSize {
		if f.dropped == 0 {
			f.since = l.At
		}
		f.dropped++
	} else {
		f.buf = append(f.buf, l)
		f.size += len(l.Text)
	}
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// take empties the buffer; a gap is told by a last line of ours.
func (f *follower) take(spare []server.LogLine) []server.LogLine {
	f.mu.Lock()
	out, dropped, since := f.buf, f.dropped, f.since
	f.buf, f.size, f.dropped = spare[:0], 0, 0
	f.mu.Unlock()
	if f.slow.Pattern != nil || f.slow.Level != "" {
		out = slices.DeleteFunc(out, func(l server.LogLine) bool { return !f.slow.Matches(l) })
	}
	if dropped > 0 {
		out = append(out, overflow(f.q.AppID, dropped, since))
	}
	return out
}

// deliver calls line for every new line until ctx ends or the app is dropped.
func (f *follower) deliver(ctx context.Context, line func(server.LogLine) error) error {
	var spare []server.LogLine
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-f.end:
			return nil
		case <-f.wake:
		}
		batch := f.take(spare)
		for _, l := range batch {
			if err := line(l); err != nil {
				return err
			}
			if ctx.Err() != nil {
				return ctx.Err()
			}
		}
		clear(batch) // the texts must not live on in the spare
		spare = batch
	}
}

// overflow is the line a reader gets in place of those it was too slow for.
func overflow(appID string, dropped int, since time.Time) server.LogLine {
	return server.LogLine{
		AppID: appID, At: time.Now().UTC(), Source: "paas", Dyno: "logplex",
		Text: fmt.Sprintf("Error L11 (Tail buffer overflow) -> This tail session dropped %d messages since %s.",
			dropped, since.UTC().Format("2006-01-02T15:04:05-07:00")),
	}
}
