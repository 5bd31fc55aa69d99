package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// floor runs parts until its context ends; the first that fails ends it.
type floor struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	wg     sync.WaitGroup
}

func newFloor(ctx context.Context) *floor {
	f := &floor{}
	f.ctx, f.cancel = context.WithCancelCause(ctx)
	return f
}

func (f *floor) run(name string, part func(context.Context) error) {
	f.wg.Go(func() {
		err := part(f.ctx)
		if err != nil && f.ctx.Err() == nil {
			f.cancel(fmt.Errorf("%s: %w", name, err))
		}
	})
}

// failure is why the floor ended, nil when it was told to.
func (f *floor) failure() error {
	if err := context.Cause(f.ctx); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}
