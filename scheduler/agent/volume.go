package agent

import (
	"context"
	"errors"
	"sync/atomic"
	"time"
)

// Mount is a volume of an instance. The host makes it when it is first needed.
type Mount struct {
	Volume string // id, unique for ever: names come from it, never from what people type
	Name   string // for messages
	Path   string // absolute and clean
	Driver string // of the engine; empty: the engine keeps the data on this host
	// Made says that the data is on this host: a volume that is not there then
	// was lost, and an empty one must not take its place.
	Made bool
}

// Stock is what a host has besides instances.
type Stock struct {
	DiskFree, DiskTotal int64 // bytes of the file system under the engine; a total of 0: not known
	Volumes             []VolumeStock
	More                bool // there are more volumes than are told
}

// VolumeStock is a volume of this cluster that is on the host.
type VolumeStock struct {
	ID   string
	Used int64 // bytes; below 0: not known
}

// Keeper is a Runtime that keeps volumes.
type Keeper interface {
	// Stock says what there is, with what Weigh has found of the volumes.
	Stock(ctx context.Context) (Stock, error)
	// Weigh counts what the volumes take on disk. It takes as long as reading
	// their directories does, up to a bound.
	Weigh(ctx context.Context) error
	// Discard deletes a volume with its data; one that is not there is no error.
	// It fails while a container has it.
	Discard(ctx context.Context, volume string) error
	// Written says what an instance has written outside volumes, as far as it
	// can be seen within a bound.
	Written(ctx context.Context, instance string) (Layer, error)
}

const (
	stockEvery = 15 * time.Second
	stockLimit = 10 * time.Second // one call of Keeper.Stock
	stockBeats = 10               // a beat of so many tells the stock: beats may get lost

	weighEvery = 10 * time.Minute
	weighLimit = time.Minute // one call of Keeper.Weigh
)

// stock is what was found last.
type stock struct {
	newest atomic.Pointer[Stock]
	told   atomic.Pointer[Stock]
}

// due is what the n-th beat tells: what is new at once, and now and then what
// is known.
func (s *stock) due(n int) *Stock {
	newest := s.newest.Load()
	if s.told.Swap(newest) == newest && n%stockBeats != 0 {
		return nil
	}
	return newest
}

// takeStock looks at what the host has, until ctx ends.
func (a *Agent) takeStock(ctx context.Context) {
	k, ok := a.rt.(Keeper)
	if !ok {
		return
	}
	for down := false; ; {
		limited, cancel := context.WithTimeout(ctx, stockLimit)
		s, err := k.Stock(limited)
		cancel()
		if err == nil {
			a.stock.newest.Store(&s)
		}
		if failed := err != nil; failed != down && ctx.Err() == nil {
			if down = failed; failed {
				a.log.Warn("cannot look at disk and volumes; trying on", "err", err)
			}
		}
		wait := stockEvery
		if down {
			wait = time.Second
		}
		if sleep(ctx, wait) != nil {
			return
		}
	}
}

// weigh counts now and then what the volumes take, until ctx ends: that reads
// all their directories, which looking at the disk must not wait for.
func (a *Agent) weigh(ctx context.Context) {
	k, ok := a.rt.(Keeper)
	if !ok {
		return
	}
	for {
		limited, cancel := context.WithTimeout(ctx, weighLimit)
		err := k.Weigh(limited)
		cancel()
		wait := weighEvery
		if err != nil { // takeStock says so
			wait = stockEvery
		}
		if sleep(ctx, wait) != nil {
			return
		}
	}
}

// maxDeleting is how many volumes are deleted at once: the engine has more to do,
// and there may be thousands of them.
const maxDeleting = 4

// discard deletes the volumes that the newest set wants gone, in the background,
// each by one goroutine at a time.
func (l *loop) discard(ctx context.Context) {
	k, ok := l.rt.(Keeper)
	for _, a := range l.set {
		if a.Discard == "" || !ok || l.gone[a.Discard] {
			continue
		}
		id := a.Discard
		l.gone[id] = true
		l.spawn(func() {
			for pause := retryFirst; ; pause = min(2*pause, retryLast) {
				err := l.deleteVolume(ctx, k, id)
				if err == nil || ctx.Err() != nil {
					return
				}
				if !errors.Is(err, ErrVolumeBusy) {
					l.log.Warn("cannot delete a destroyed volume; trying on", "volume", id, "err", err)
				}
				if sleep(ctx, pause) != nil {
					return
				}
			}
		})
	}
}

// deleteVolume tries once, when fewer than maxDeleting others do.
func (a *Agent) deleteVolume(ctx context.Context, k Keeper, id string) error {
	select {
	case a.deleting <- struct{}{}:
		defer func() { <-a.deleting }()
	case <-ctx.Done():
		return ctx.Err()
	}
	return k.Discard(ctx, id)
}

// ErrVolumeBusy says that a container still has a volume.
var ErrVolumeBusy = errors.New("a container still has the volume")
