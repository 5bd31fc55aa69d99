package logd

import (
	"errors"
	"io/fs"
	"os"
	"time"
)

const (
	// sweepEvery is how often lines that have become too old are looked for.
	sweepEvery = time.Minute
	// spans is into how many segments at least the days of an app are divided:
	// a segment goes as a whole when its last line is too old, so its first may
	// be a spans-th older than the limit.
	spans = 8
)

// SetLimits says how much of an app is kept and for how long; zero is the
// store's default. It takes effect within a minute.
func (s *Store) SetLimits(appID string, age time.Duration, bytes int64) {
	a := s.lookup(appID, false)
	if a == nil {
		return // it has no lines yet; it is told again
	}
	if age <= 0 {
		age = s.cfg.MaxAge
	}
	if bytes <= 0 {
		bytes = s.cfg.MaxBytes
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.maxAge, a.maxBytes = age, bytes
}

// Used is the bytes of an app on disk.
func (s *Store) Used(appID string) int64 {
	a := s.lookup(appID, false)
	if a == nil {
		return 0
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.bytes
}

func (s *Store) all() []*appLog {
	s.mu.RLock()
	defer s.mu.RUnlock()
	list := make([]*appLog, 0, len(s.apps))
	for _, a := range s.apps {
		list = append(list, a)
	}
	return list
}

// expire removes what is beyond the limits of its app at now.
func (s *Store) expire(now time.Time) {
	for _, a := range s.all() {
		a.mu.Lock()
		err := a.expire(now)
		a.mu.Unlock()
		s.noteLoss(a.id, err)
	}
	s.shrink()
}

// expire removes segments that are too old or too many. The last one is ended
// first when it has gone on for a span, or is too large for a limit that was
// lowered, so that its turn comes too. The caller holds mu.
func (a *appLog) expire(now time.Time) error {
	if a.gone || len(a.segs) == 0 {
		return nil
	}
	last := a.segs[len(a.segs)-1]
	if !a.begun.IsZero() && (now.Sub(a.begun) > a.maxAge/spans || now.Sub(last.modified) > a.maxAge || a.bytes > a.maxBytes) {
		if err := a.flush(); err != nil {
			return err
		}
		if err := a.rotate(nil); err != nil {
			return err
		}
	}
	for len(a.segs) > 1 && (a.bytes > a.maxBytes || now.Sub(a.segs[0].modified) > a.maxAge) {
		if !a.removeOldest() {
			break // the next sweep tries again
		}
	}
	return nil
}

// shrink removes the oldest lines of the largest logs until all together keep
// to the total: an app that says little does not pay for one that says much.
func (s *Store) shrink() {
	for s.total.Load() > s.cfg.TotalBytes {
		var largest *appLog
		var most int64
		for _, a := range s.all() {
			a.mu.Lock()
			if a.bytes > most && !a.gone {
				largest, most = a, a.bytes
			}
			a.mu.Unlock()
		}
		if largest == nil || !largest.shed(s) {
			return
		}
	}
}

// shed removes the oldest segment, ending it when it is the only one.
func (a *appLog) shed(s *Store) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.segs) == 1 && !a.begun.IsZero() {
		if err := a.rotate(nil); err != nil {
			s.noteLoss(a.id, err)
			return false
		}
	}
	return len(a.segs) > 1 && a.removeOldest()
}

// removeOldest removes the first segment. The caller holds mu.
func (a *appLog) removeOldest() bool {
	if err := os.Remove(a.segs[0].path(a.dir)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false
	}
	a.grow(-a.segs[0].size)
	a.segs = a.segs[1:]
	return true
}
