package agent

import (
	"context"
	"errors"
	"sync"
	"time"
)

const (
	measureLimit = 5 * time.Second // one call of Runtime.Stats
	measurers    = 4               // calls at once
)

// measure asks at each Config.Sample what the running instances use, and tells
// the control plane. It is apart from all else: an engine that does not answer
// costs measurements, nothing more.
func (a *Agent) measure(ctx context.Context) {
	tick := time.NewTicker(a.cfg.Sample)
	defer tick.Stop()
	before := map[string]Stats{}
	for down := false; ; {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		running := a.roster.running()
		now, err := a.stats(ctx, running)
		if ctx.Err() != nil {
			return
		}
		if failed := err != nil; failed != down {
			if down = failed; failed {
				a.log.Warn("cannot measure what instances use; trying on", "err", err)
			}
		}
		var list []Usage
		next := make(map[string]Stats, len(running))
		for _, i := range running {
			last := before[i.a.ID]
			s, ok := now[i.a.ID]
			if !ok {
				next[i.a.ID] = last // what it uses meanwhile is told next time
				continue
			}
			next[i.a.ID] = s
			list = append(list, i.usage(last, s))
		}
		before = next
		a.control.Usage(a.cfg.Host, time.Now(), list)
	}
}

// running are the instances whose process has begun and not ended.
func (r *roster) running() (list []*instance) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, i := range r.byID {
		if i.began.Load() != 0 && !closed(i.done) {
			list = append(list, i)
		}
	}
	return list
}

// stats measures instances, a few at once and for no longer than until the
// next measurement. Its error is one of the engine's; what ended meanwhile is
// none.
func (a *Agent) stats(ctx context.Context, list []*instance) (map[string]Stats, error) {
	round, cancel := context.WithTimeout(ctx, a.cfg.Sample)
	defer cancel()
	var (
		mu     sync.Mutex
		failed error
		all    sync.WaitGroup
	)
	out, slots := map[string]Stats{}, make(chan struct{}, measurers)
	for _, i := range list {
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			limited, cancel := context.WithTimeout(round, measureLimit)
			defer cancel()
			s, err := a.rt.Stats(limited, i.a.ID)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				out[i.a.ID] = s
			case !errors.Is(err, ErrNoContainer):
				failed = err
			}
		})
	}
	all.Wait()
	return out, failed
}

// usage is what the instance used between two measurements; the first counts
// from the start of its process.
func (i *instance) usage(before, now Stats) Usage {
	u := Usage{Instance: i.a.ID, AppID: i.a.AppID, Name: i.a.Name, CPU: now.CPU - before.CPU, Memory: now.Memory, MemoryLimit: i.a.Limits.Memory}
	since := before.At
	if since.IsZero() {
		since = time.Unix(0, i.began.Load())
	}
	if u.CPU < 0 { // counted anew
		u.CPU = 0
	}
	if took := now.At.Sub(since); took > 0 {
		u.MilliCPU = int64(1000 * u.CPU / took)
	}
	return u
}
