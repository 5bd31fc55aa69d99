// Package logd keeps the newest log lines of every app on disk and tells
// those who follow. One directory an app, append-only segments of readable
// records in it (see record.go); the oldest segments are removed when the app
// has more than its limits of bytes and days, or all apps together too many
// bytes (see retain.go).
//
// Lines are written within FlushEvery, to the page cache: a killed process
// loses at most that much, and lines of instances are fetched again from
// where Cursor stands. A power cut may lose more, never the readability.
package logd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"paas/server"
)

// Config says where and how much. Zero values take the defaults named.
type Config struct {
	Dir           string        // one directory an app inside it
	SegmentBytes  int64         // size at which a new segment begins; 2 MiB
	MaxBytes      int64         // kept of an app without limits of its own; 100 MiB
	MaxAge        time.Duration // kept so long of an app without limits of its own; 7 days
	TotalBytes    int64         // kept of all apps together; 10 GiB
	FlushEvery    time.Duration // longest time a line waits in memory; 100 ms
	FollowerLines int           // lines a follower may be behind; 16,384
	FollowerBytes int           // bytes of text a follower may be behind; 4 MiB
}

func (c Config) withDefaults() Config {
	if c.SegmentBytes <= 0 {
		c.SegmentBytes = 2 << 20
	}
	if c.MaxBytes <= 0 {
		c.MaxBytes = 100 << 20
	}
	if c.MaxAge <= 0 {
		c.MaxAge = 7 * 24 * time.Hour
	}
	if c.TotalBytes <= 0 {
		c.TotalBytes = 10 << 30
	}
	if c.FlushEvery <= 0 {
		c.FlushEvery = 100 * time.Millisecond
	}
	if c.FollowerLines <= 0 {
		c.FollowerLines = 16 << 10
	}
	if c.FollowerBytes <= 0 {
		c.FollowerBytes = 4 << 20
	}
	return c
}

// maxDropped bounds the ids of dropped apps that are remembered.
const maxDropped = 4096

// Store keeps the logs. It is a server.Logs, safe for concurrent use.
type Store struct {
	cfg   Config
	log   *slog.Logger
	wake  chan struct{} // holds one token when a log became dirty
	total atomic.Int64  // bytes in all segments
	scans chan struct{} // one token per search at once
	// patterns is scans for searches with a pattern.
	patterns chan struct{}
	stopped  atomic.Bool // Run has ended: appending writes at once

	mu      sync.RWMutex
	apps    map[string]*appLog
	dropped map[string]struct{} // late lines of these must not make a log anew

	dirtyMu sync.Mutex
	dirty   []*appLog

	lossMu   sync.Mutex
	lost     int
	lossTold time.Time
}

// New opens the store and reads the newest segment of every app; a record
// that a crash tore is cut off.
func New(cfg Config, log *slog.Logger) (*Store, error) {
	if cfg.Dir == "" {
		return nil, errors.New("open log store: no directory given")
	}
	cfg = cfg.withDefaults()
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("make log directory: %w", err)
	}
	s := &Store{
		cfg: cfg, log: log, wake: make(chan struct{}, 1), scans: make(chan struct{}, maxScans), patterns: make(chan struct{}, maxScans),
		apps: map[string]*appLog{}, dropped: map[string]struct{}{},
	}
	entries, err := os.ReadDir(cfg.Dir)
	if err != nil {
		return nil, fmt.Errorf("read log directory: %w", err)
	}
	for _, e := range entries {
		if err := s.openEntry(e); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func (s *Store) openEntry(e os.DirEntry) error {
	path := filepath.Join(s.cfg.Dir, e.Name())
	if strings.HasPrefix(e.Name(), droppedPrefix) {
		if err := os.RemoveAll(path); err != nil {
			return fmt.Errorf("remove dropped app log: %w", err)
		}
		return nil
	}
	if !e.IsDir() || !validID(e.Name()) {
		return nil
	}
	a := newAppLog(s, e.Name(), path)
	if err := a.open(); err != nil {
		return fmt.Errorf("open log of app %s: %w", e.Name(), err)
	}
	s.apps[a.id] = a
	return nil
}

// Run writes what was appended until ctx ends, then the rest, and removes
// what is beyond the limits. Run it once.
func (s *Store) Run(ctx context.Context) error {
	timer := time.NewTimer(s.cfg.FlushEvery)
	timer.Stop()
	defer timer.Stop()
	sweep := time.NewTicker(sweepEvery)
	defer sweep.Stop()
	s.expire(time.Now())
	for {
		select {
		case <-ctx.Done():
			s.stopped.Store(true)
			s.flushDirty()
			return nil
		case <-sweep.C:
			s.expire(time.Now())
			continue
		case <-s.wake:
		}
		timer.Reset(s.cfg.FlushEvery)
		select {
		case <-ctx.Done():
		case <-timer.C:
		}
		s.flushDirty()
		s.shrink()
	}
}

func (s *Store) flushDirty() {
	s.dirtyMu.Lock()
	dirty := s.dirty
	s.dirty = nil
	s.dirtyMu.Unlock()
	for _, a := range dirty {
		a.mu.Lock()
		a.dirty = false
		err := a.flush()
		a.mu.Unlock()
		s.noteLoss(a.id, err)
	}
}

// Append stores lines and hands them to the followers. It never waits for a
// follower. Lines of a dropped app, or of an id that can name no directory,
// are ignored.
func (s *Store) Append(lines ...server.LogLine) {
	for len(lines) > 0 {
		n := 1
		for n < len(lines) && lines[n].AppID == lines[0].AppID {
			n++
		}
		if a := s.app(lines[0].AppID); a != nil {
			s.noteLoss(a.id, s.appendTo(a, lines[:n]))
		}
		lines = lines[n:]
	}
}

func (s *Store) appendTo(a *appLog, lines []server.LogLine) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.gone {
		return nil
	}
	var errs []error
	for _, l := range lines {
		if err := a.add(l); err != nil {
			errs = append(errs, err)
		}
	}
	if !a.dirty && len(a.pending) > 0 {
		a.dirty = true
		s.markDirty(a)
	}
	// Read after marking: either Run's last round finds the mark, or we see
	// here that there will be none.
	if s.stopped.Load() {
		errs = append(errs, a.flush())
	}
	return errors.Join(errs...)
}

func (s *Store) markDirty(a *appLog) {
	s.dirtyMu.Lock()
	s.dirty = append(s.dirty, a)
	s.dirtyMu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Cursor is the time of the newest line of an instance, zero when none.
func (s *Store) Cursor(instance string) time.Time {
	if instance == "" {
		return time.Time{}
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, a := range s.apps {
		a.mu.Lock()
		at, ok := a.cursors[instance]
		a.mu.Unlock()
		if ok {
			return at
		}
	}
	return time.Time{}
}

// app finds the log of an app, or makes it; nil when it must not exist.
func (s *Store) app(id string) *appLog {
	s.mu.RLock()
	a := s.apps[id]
	s.mu.RUnlock()
	if a != nil {
		return a
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if a := s.apps[id]; a != nil {
		return a
	}
	if _, gone := s.dropped[id]; gone || !validID(id) {
		return nil
	}
	a = newAppLog(s, id, filepath.Join(s.cfg.Dir, id))
	s.apps[id] = a
	return a
}

// noteLoss tells the operator of lines that could not be written, once a
// minute at most: a full disk would otherwise fill the operator's log too.
func (s *Store) noteLoss(appID string, err error) {
	if err == nil {
		return
	}
	s.lossMu.Lock()
	defer s.lossMu.Unlock()
	var l *lostError
	if errors.As(err, &l) {
		s.lost += l.lines
	}
	if time.Since(s.lossTold) < time.Minute {
		return
	}
	s.log.Error("app log lines not stored", "app", appID, "lines", s.lost, "err", err)
	s.lost, s.lossTold = 0, time.Now()
}
