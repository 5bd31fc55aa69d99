package postgres

import (
	"context"
	"errors"
	"sync"
	"testing"
)

// One question that cannot be answered fails alone, and rounds do not grow over
// their limit.
func TestCombiner(t *testing.T) {
	bad := errors.New("bad")
	most := 0
	c := newCombiner(func(_ context.Context, list []int) ([]int, error) {
		most = max(most, len(list))
		out := make([]int, len(list))
		for i, n := range list {
			if n == 13 {
				return nil, bad
			}
			out[i] = 2 * n
		}
		return out, nil
	}, nil, 8)
	t.Cleanup(c.close)
	var all sync.WaitGroup
	for n := range 200 {
		all.Go(func() {
			got, err := c.ask(t.Context(), n)
			if n == 13 && !errors.Is(err, bad) || n != 13 && (err != nil || got != 2*n) {
				t.Errorf("%d: %d, %v", n, got, err)
			}
		})
	}
	all.Wait()
	if most > 8 {
		t.Errorf("a round of %d", most)
	}
	ended, end := context.WithCancel(t.Context())
	end()
	if _, err := c.ask(ended, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("asked after the end: %v", err)
	}
}

// Whoever closes it waits for the round that is under way, which ends; nothing is
// taken after that.
func TestCombinerCloses(t *testing.T) {
	began, left := make(chan struct{}), false
	c := newCombiner(func(ctx context.Context, _ []int) ([]int, error) {
		close(began)
		<-ctx.Done()
		left = true
		return nil, ctx.Err()
	}, nil, 8)
	asked := make(chan error, 1)
	go func() {
		_, err := c.ask(t.Context(), 1)
		asked <- err
	}()
	<-began
	c.close()
	if !left {
		t.Error("a round goes on after the end")
	}
	if err := <-asked; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if _, err := c.ask(t.Context(), 2); !errors.Is(err, errClosed) {
		t.Errorf("asked after the end: %v", err)
	}
}
