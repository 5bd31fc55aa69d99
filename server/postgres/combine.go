package postgres

import (
	"context"
	"errors"
	"sync"
	"time"

	"paas/server"
)

// combiner does at once what many callers ask for while an earlier round is
// under way: thousands of hosts then cost a few statements, and one that is
// alone waits for nobody.
type combiner[Q, A any] struct {
	// do answers each question of a round in its place, or fails as a whole.
	do func(ctx context.Context, list []Q) ([]A, error)
	// weight is what a question counts of a round's limit; nil: one.
	weight func(Q) int
	limit  int

	life   context.Context // ends with close
	end    context.CancelFunc
	rounds sync.WaitGroup

	mu      sync.Mutex
	waiting []asked[Q, A]
	running bool
	closed  bool
}

// newCombiner makes one; whoever has it closes it.
func newCombiner[Q, A any](do func(context.Context, []Q) ([]A, error), weight func(Q) int, limit int) *combiner[Q, A] {
	c := &combiner[Q, A]{do: do, weight: weight, limit: limit}
	c.life, c.end = context.WithCancel(context.Background())
	return c
}

var errClosed = errors.New("the store is closed")

// close ends what is under way, and waits for it. Nothing is taken any more.
func (c *combiner[Q, A]) close() {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.end()
	c.rounds.Wait()
}

// roundLimit is how long a round may take, whoever has stopped waiting for it.
const roundLimit = 30 * time.Second

type asked[Q, A any] struct {
	q   Q
	out chan<- answer[A]
}

type answer[A any] struct {
	a   A
	err error
}

// ask gives the answer to one question. When ctx ends first, what was asked
// for may be done nevertheless.
func (c *combiner[Q, A]) ask(ctx context.Context, q Q) (a A, err error) {
	if err := ctx.Err(); err != nil {
		return a, err
	}
	out := make(chan answer[A], 1)
	if !c.take(asked[Q, A]{q, out}) {
		return a, errClosed
	}
	select {
	case got := <-out:
		return got.a, got.err
	case <-ctx.Done():
		return a, ctx.Err()
	}
}

// take puts a question to the others; false after close.
func (c *combiner[Q, A]) take(q asked[Q, A]) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return false
	}
	c.waiting = append(c.waiting, q)
	if !c.running {
		c.running = true
		c.rounds.Go(c.run)
	}
	return true
}

func (c *combiner[Q, A]) run() {
	for {
		round := c.next()
		if len(round) == 0 {
			return
		}
		c.answer(round)
	}
}

// next takes what waits, up to the limit; nothing ends the run.
func (c *combiner[Q, A]) next() []asked[Q, A] {
	c.mu.Lock()
	defer c.mu.Unlock()
	n, load := 0, 0
	for n < len(c.waiting) && (n == 0 || load < c.limit) {
		load++
		if c.weight != nil {
			load += c.weight(c.waiting[n].q) - 1
		}
		n++
	}
	round := c.waiting[:n:n]
	if c.waiting = c.waiting[n:]; len(c.waiting) == 0 {
		c.waiting = nil
	}
	c.running = n > 0
	return round
}

// answer does a round. One that fails is done again one by one, so that nobody
// fails by another's question; not when the database is away for all of them.
func (c *combiner[Q, A]) answer(round []asked[Q, A]) {
	ctx, cancel := context.WithTimeout(c.life, roundLimit)
	defer cancel()
	list := make([]Q, len(round))
	for i := range round {
		list[i] = round[i].q
	}
	answers, err := c.do(ctx, list)
	for i := range round {
		var got answer[A]
		switch {
		case err == nil:
			got.a = answers[i]
		case len(round) == 1 || server.IsID(err, server.ErrUnavailable):
			got.err = err
		default:
			got = c.alone(ctx, round[i].q)
		}
		round[i].out <- got
	}
}

func (c *combiner[Q, A]) alone(ctx context.Context, q Q) answer[A] {
	answers, err := c.do(ctx, []Q{q})
	if err != nil {
		return answer[A]{err: err}
	}
	return answer[A]{a: answers[0]}
}
