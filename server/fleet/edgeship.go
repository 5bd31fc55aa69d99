package fleet

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"sync"
	"time"
)

// What waits while the control plane is away, and how much goes at once.
const (
	queueLines  = 20_000
	queueBytes  = 8 << 20 // of text
	queueApps   = 1000    // whose dropped lines are counted each
	batchLines  = 5000
	batchBytes  = 1 << 20
	batchEvery  = time.Second
	countsAlong = time.Hour // figures of earlier minutes are forgotten
)

// lineQueue holds lines until they are sent. When it is full the oldest go
// first, and are counted.
type lineQueue struct {
	mu      sync.Mutex
	lines   []edgeLine
	bytes   int
	dropped map[string]int
	full    chan struct{} // a batch is full
}

func newLineQueue() lineQueue {
	return lineQueue{dropped: map[string]int{}, full: make(chan struct{}, 1)}
}

func (q *lineQueue) put(l edgeLine) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.lines = append(q.lines, l)
	q.bytes += len(l.Text)
	drop := 0
	for ; len(q.lines)-drop > queueLines || q.bytes > queueBytes; drop++ {
		old := q.lines[drop]
		q.bytes -= len(old.Text)
		if _, ok := q.dropped[old.App]; ok || len(q.dropped) < queueApps {
			q.dropped[old.App]++
		}
		q.lines[drop] = edgeLine{}
	}
	q.lines = q.lines[drop:]
	if len(q.lines) >= batchLines || q.bytes >= batchBytes {
		ring(q.full)
	}
}

// take gives the oldest lines, as many as go at once, and what was dropped.
func (q *lineQueue) take() (lines []edgeLine, dropped map[string]int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	n, size := 0, 0
	for ; n < min(len(q.lines), batchLines) && size < batchBytes; n++ {
		size += len(q.lines[n].Text)
	}
	lines = append(lines, q.lines[:n]...)
	q.lines = append([]edgeLine(nil), q.lines[n:]...)
	q.bytes -= size
	dropped, q.dropped = q.dropped, map[string]int{}
	return lines, dropped
}

// sendBatches sends lines and figures until ctx ends, and then once more.
func (e *EdgeClient) sendBatches(ctx context.Context) {
	every := time.NewTicker(batchEvery)
	defer every.Stop()
	number := int64(0)
	for ctx.Err() == nil {
		select {
		case <-every.C:
		case <-e.lines.full:
		case <-ctx.Done():
		}
		m := e.nextBatch()
		if len(m.Lines)+len(m.Counts)+len(m.Dropped) == 0 {
			continue
		}
		number++
		m.Number = number
		e.sendBatch(ctx, m)
	}
}

func (e *EdgeClient) nextBatch() batchMessage {
	m := batchMessage{Life: e.life}
	m.Lines, m.Dropped = e.lines.take()
	for _, c := range e.tally.Drain(maxCounts) {
		m.Counts = append(m.Counts, wrapCount(c))
	}
	return m
}

// sendBatch repeats a batch until it is taken or refused for good. When this
// router ends it is tried once.
func (e *EdgeClient) sendBatch(ctx context.Context, m batchMessage) {
	text, err := json.Marshal(m)
	if err != nil {
		e.log.Error("encode this router's lines and figures", "err", err)
		return
	}
	for pause := 100 * time.Millisecond; ; pause = min(2*pause, 2*time.Second) {
		back := e.c.returns()
		limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWords(ctx))
		err := e.c.ask(limited, bulk, http.MethodPost, "/v1/router/batch", text, &done{})
		cancel()
		var refused *Refusal
		if err == nil || ctx.Err() != nil {
			return
		}
		e.c.noted(err)
		if errors.As(err, &refused) && (refused.Status == http.StatusUnprocessableEntity || refused.Status == http.StatusRequestEntityTooLarge) {
			e.log.Error("the control plane does not take this router's lines and figures", "err", err)
			return
		}
		e.tally.Take(time.Now().Add(-countsAlong)) // forgotten
		select {
		case <-time.After(pause):
		case <-back:
		case <-ctx.Done():
		}
	}
}

// lastWords is how long a message may take: little when this router is ending.
func lastWords(ctx context.Context) time.Duration {
	if ctx.Err() != nil {
		return 2 * time.Second
	}
	return shipLimit
}
