package agent

import (
	"context"
	"encoding/json"
	"sync"
	"time"
)

// Layer is what an instance has written to its own file system, outside volumes
// and what is thrown away by its nature: it is gone with the instance.
type Layer struct {
	Paths []Written // those that take most, largest first; of a large layer, what was looked at
}

// UnmarshalJSON is json.Unmarshaler. It takes no more paths than are told: a host
// that was broken into may send millions of empty ones.
func (l *Layer) UnmarshalJSON(text []byte) error {
	var first struct{ Paths [MaxWritten]Written }
	if err := json.Unmarshal(text, &first); err != nil {
		return err
	}
	l.Paths = nil
	for _, w := range first.Paths {
		if w.Path != "" {
			l.Paths = append(l.Paths, w)
		}
	}
	return nil
}

// Written is what was written below one directory.
type Written struct {
	Path  string `json:"path"`  // directory, absolute; any text, the app has chosen it
	Bytes int64  `json:"bytes"` // on disk
	// Mixed says that the image has files of its own in the directory: a volume
	// there would hide those of later images.
	Mixed bool `json:"mixed,omitempty"`
}

const (
	// MaxWritten is how many directories of an instance are told.
	MaxWritten = 5

	layerEvery = time.Hour // an instance is looked at again
	layerRound = 5 * time.Second
	layerLimit = 5 * time.Second // one look while the instance runs
	layerHurry = time.Second     // one look that holds up its stop
)

// layerNote is what was told of an instance's layer.
type layerNote struct {
	mu   sync.Mutex
	next time.Time // of the look after the last one; zero: none was made
	told int64     // bytes
}

// lookAtLayers looks now and then what running instances have written, one at a
// time, until ctx ends.
func (a *Agent) lookAtLayers(ctx context.Context) {
	k, ok := a.rt.(Keeper)
	if !ok {
		return
	}
	for sleep(ctx, min(layerRound, a.cfg.FirstLook)) == nil {
		for _, i := range a.roster.running() {
			if i.layerDue(time.Now()) {
				i.lookAtLayer(ctx, k, layerLimit)
			}
		}
	}
}

func (i *instance) layerDue(now time.Time) bool {
	i.layer.mu.Lock()
	defer i.layer.mu.Unlock()
	began := i.began.Load()
	switch {
	case i.a.OneOff || began == 0: // what a one-off leaves is thrown away by intent
		return false
	case i.layer.next.IsZero():
		return now.Sub(time.Unix(0, began)) >= i.cfg.FirstLook
	}
	return now.After(i.layer.next)
}

// lookAtLayer reports what the instance has written, if that is more than was
// told. An error is nobody's concern: it is a hint less.
func (i *instance) lookAtLayer(ctx context.Context, k Keeper, limit time.Duration) {
	i.layer.mu.Lock()
	defer i.layer.mu.Unlock()
	i.layer.next = time.Now().Add(layerEvery)
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	l, err := k.Written(limited, i.a.ID)
	if err != nil {
		i.log.Debug("cannot look what the instance has written", "err", err)
		return
	}
	var sum int64
	for _, w := range l.Paths {
		sum += w.Bytes
	}
	if sum <= i.layer.told {
		return
	}
	i.layer.told = sum
	if !i.quiet.Load() {
		i.reporter.add(Status{ID: i.a.ID, State: Wrote, Layer: &l, At: time.Now()})
	}
}

// lastLook looks once more before the instance goes with what it has written.
func (i *instance) lastLook(ctx context.Context) {
	if k, ok := i.rt.(Keeper); ok && !i.a.OneOff && i.end != nil {
		i.lookAtLayer(ctx, k, layerHurry)
	}
}
