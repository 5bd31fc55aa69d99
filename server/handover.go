package server

import (
	"context"
	"fmt"
	"time"
)

// errHandover ends the work on a deploy that only the server that leads may go
// on with.
var errHandover = fmt.Errorf("another server leads: %w", ErrLost)

// Lead lets this server do what comes after builds, until ctx ends: what it is
// at then another goes on with.
func (p *Pipeline) Lead(ctx context.Context) error {
	p.term.Store(&ctx)
	p.bell.Ring(NoticeQueue)
	<-ctx.Done()
	p.term.Store(nil)
	return nil
}

// leads says whether this server may do what comes after a build.
func (p *Pipeline) leads() bool {
	term := p.term.Load()
	return !p.cfg.Shared || term != nil && (*term).Err() == nil
}

// lead gives a context that ends with the leader's term, too; errHandover when
// this server does not lead.
func (p *Pipeline) lead(ctx context.Context) (context.Context, func(), error) {
	if !p.cfg.Shared {
		return ctx, func() {}, nil
	}
	term := p.term.Load()
	if term == nil {
		return nil, nil, errHandover
	}
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(*term, func() { cancel(errHandover) })
	return ctx, func() { stop(); cancel(nil) }, nil
}

// letGo ends the lease of a deploy that this process has done with: whoever
// follows its output elsewhere knows that there is no more, and one that is not
// final another worker takes up. A lease that cannot be ended runs out.
func (p *Pipeline) letGo(ctx context.Context, d Deploy) {
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := p.store.LetGo(limited, d.ID, p.cfg.Owner); err != nil {
		p.log.Warn("let go of a deploy", "app", d.App, "deploy", d.ID, "err", err)
	}
}
