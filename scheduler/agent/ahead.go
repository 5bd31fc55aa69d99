package agent

import (
	"context"
	"errors"
	"fmt"
	"time"

	"paas/scheduler"
)

// Fetcher is a Runtime that fetches images before anything of them is to run.
type Fetcher interface {
	// Fetch makes sure an image is on the host. What it got is not lost when
	// ctx ends before.
	Fetch(ctx context.Context, image string) error
}

const (
	maxAhead   = 2                // images fetched ahead at the same time
	aheadLimit = 10 * time.Minute // one of them
	aheadFirst = 10 * time.Second // pause after one that failed, then twice as long
	aheadLast  = 10 * time.Minute
)

// ahead fetches the images that the newest set names for that. It is help and no
// more: what fails is fetched when it is started, and what no set names any more
// is given up.
func (l *loop) ahead(ctx context.Context) {
	f, ok := l.rt.(Fetcher)
	if !ok {
		return
	}
	named := map[string]bool{}
	for _, a := range l.set {
		if !a.Ahead {
			continue
		}
		named[a.Image] = true
		if l.coming[a.Image] == nil {
			mine, giveUp := context.WithCancel(ctx)
			l.coming[a.Image] = giveUp
			l.spawn(func() {
				defer giveUp()
				l.fetchAtLast(mine, f, a.Image)
			})
		}
	}
	for image, giveUp := range l.coming {
		if !named[image] {
			giveUp()
			delete(l.coming, image)
		}
	}
}

// fetchAtLast fetches one image, which waits for its turn, until it is there.
func (a *Agent) fetchAtLast(ctx context.Context, f Fetcher, image string) {
	told := ""
	for pause := aheadFirst; ; pause = min(2*pause, aheadLast) {
		select {
		case a.fetches <- struct{}{}:
		case <-ctx.Done():
			return
		}
		err := a.fetch(ctx, f, image)
		<-a.fetches
		if err == nil || ctx.Err() != nil {
			return
		}
		if err.Error() != told {
			told = err.Error()
			a.log.Warn("cannot fetch an image ahead; it is tried again, and fetched when it is started", "image", image, "err", err)
		}
		if sleep(ctx, pause) != nil {
			return
		}
	}
}

var errDisk = errors.New("too little disk is free")

// fetch takes no disk that is needed for what runs.
func (a *Agent) fetch(ctx context.Context, f Fetcher, image string) error {
	limited, cancel := context.WithTimeout(ctx, aheadLimit)
	defer cancel()
	if k, ok := a.rt.(Keeper); ok {
		s, err := k.Stock(limited)
		if err != nil {
			return fmt.Errorf("look at the disk: %w", err)
		}
		disk := scheduler.Host{DiskFree: s.DiskFree, DiskTotal: s.DiskTotal}
		if disk.DiskLevel() != scheduler.DiskEnough {
			return errDisk
		}
	}
	return f.Fetch(limited, image)
}
