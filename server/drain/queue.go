package drain

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"paas/server"
)

// queue holds the lines that wait to be sent to one drain. It is bounded:
// beyond its limits the oldest go and are counted, so that adding never waits.
type queue struct {
	maxLines, maxBytes int
	room               *budget       // shared by all drains
	wake               chan struct{} // holds one token when there is something to take

	mu    sync.Mutex
	lines []server.LogLine // lines[head:] wait
	head  int
	bytes int
	lost  int
	since time.Time // when the first of them was lost
}

// budget is the memory that all queues share.
type budget struct {
	max  int64
	used atomic.Int64
}

const (
	// lineCost is what a line takes in memory beside its text.
	lineCost = 128
	// modest is what a queue may hold even when the budget is spent.
	modest = 64 << 10
)

func newQueue(maxLines, maxBytes int, room *budget) *queue {
	return &queue{maxLines: maxLines, maxBytes: maxBytes, room: room, wake: make(chan struct{}, 1)}
}

func cost(l server.LogLine) int { return len(l.Text) + lineCost }

func (q *queue) add(l server.LogLine) {
	q.mu.Lock()
	q.lines = append(q.lines, l)
	q.count(cost(l))
	for len(q.lines)-q.head > 1 && q.full() {
		q.lose(1, q.lines[q.head].At)
		q.drop()
	}
	q.mu.Unlock()
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

func (q *queue) full() bool {
	return len(q.lines)-q.head > q.maxLines || q.bytes > q.maxBytes || q.bytes > modest && q.room.used.Load() > q.room.max
}

func (q *queue) count(n int) {
	q.bytes += n
	q.room.used.Add(int64(n))
}

// drop takes the oldest line out.
func (q *queue) drop() server.LogLine {
	l := q.lines[q.head]
	q.lines[q.head] = server.LogLine{} // the text must not live on
	q.head++
	q.count(-cost(l))
	if q.head > 1024 && q.head > len(q.lines)/2 {
		q.lines = append(q.lines[:0:0], q.lines[q.head:]...)
		q.head = 0
	}
	return l
}

func (q *queue) lose(n int, at time.Time) {
	if q.lost == 0 {
		q.since = at
	}
	q.lost += n
}

// losing counts lines that were taken and could not be delivered.
func (q *queue) losing(n int, at time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.lose(n, at)
}

// take waits for lines and takes the oldest, as many as fit maxBytes, at least
// one. Lines that were lost before them are told by a line in front.
func (q *queue) take(ctx context.Context, into []server.LogLine, maxLines, maxBytes int) ([]server.LogLine, error) {
	for {
		if out := q.poll(into, maxLines, maxBytes); len(out) > 0 {
			return out, nil
		}
		select {
		case <-q.wake:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// poll is take without waiting.
func (q *queue) poll(into []server.LogLine, maxLines, maxBytes int) []server.LogLine {
	q.mu.Lock()
	defer q.mu.Unlock()
	into = into[:0]
	if q.lost > 0 && q.head < len(q.lines) {
		into = append(into, overflow(q.lines[q.head].AppID, "", q.lost, q.since))
		q.lost = 0
	}
	for size := 0; q.head < len(q.lines) && len(into) < maxLines; {
		size += cost(q.lines[q.head])
		if len(into) > 0 && size > maxBytes {
			break
		}
		into = append(into, q.drop())
	}
	return into
}

// close gives back what the queue holds of the budget.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.count(-q.bytes)
	q.lines, q.head = nil, 0
}

// overflow is the line in place of lines that were lost.
func overflow(appID, drain string, n int, since time.Time) server.LogLine {
	if drain != "" {
		drain = "drain " + drain + ": "
	}
	return server.LogLine{AppID: appID, At: time.Now().UTC(), Source: "paas", Dyno: logplex,
		Text: fmt.Sprintf("Error L10 (output buffer overflow): %s%d messages dropped since %s.", drain, n, since.UTC().Format("2006-01-02T15:04:05-07:00"))}
}

// losses are how many lines were lost that the drain was not yet told of.
func (q *queue) losses() (int, time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.lost, q.since
}

// waiting is how many lines wait.
func (q *queue) waiting() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.lines) - q.head
}
