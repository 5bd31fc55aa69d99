package logd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"paas/server"
)

// droppedPrefix marks the directory of a dropped app until it is removed.
const droppedPrefix = ".dropped-"

var _ server.Logs = (*Store)(nil)

// Read calls line for the newest q.Lines lines that q chooses, oldest first:
// 0 means all that are kept, a negative number none. With q.Tail it goes on
// with every new one, without a gap or a repetition between, until ctx ends
// (its error) or the app is dropped (nil). A reader that falls too far behind
// gets one L11 line with the number of lines it lost. An error of line ends
// it and is returned.
func (s *Store) Read(ctx context.Context, q server.LogQuery, line func(server.LogLine) error) error {
	a := s.lookup(q.AppID, q.Tail)
	if a == nil {
		return nil
	}
	segs, f, err := s.join(a, q)
	if f != nil {
		defer a.leave(f)
	}
	if err != nil {
		return err
	}
	if q.Joined != nil && f != nil {
		q.Joined()
	}
	if q.Lines >= 0 {
		if err := s.history(ctx, a.dir, segs, q, line); err != nil {
			return err
		}
	}
	if q.Caught != nil {
		q.Caught()
	}
	if f == nil {
		return nil
	}
	return f.deliver(ctx, line)
}

func (s *Store) lookup(id string, create bool) *appLog {
	if create {
		return s.app(id)
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.apps[id]
}

// join writes what is pending, notes where the segments end, and begins to
// follow, all under one lock: that is the seam between history and new lines.
func (s *Store) join(a *appLog, q server.LogQuery) ([]segment, *follower, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.gone {
		return nil, nil, nil
	}
	s.noteLoss(a.id, a.flush())
	segs := append([]segment(nil), a.segs...)
	if !q.Tail {
		return segs, nil, nil
	}
	f := newFollower(q, s.cfg.FollowerLines, s.cfg.FollowerBytes)
	a.followers[f] = struct{}{}
	return segs, f, nil
}

func (a *appLog) leave(f *follower) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.followers, f)
}

// Kept are the apps that have a log.
func (s *Store) Kept() []string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.Collect(maps.Keys(s.apps))
}

// Drop removes the log of an app for ever: its followers end, and lines that
// come late are ignored.
func (s *Store) Drop(appID string) {
	if !validID(appID) {
		return
	}
	s.mu.Lock()
	a := s.apps[appID]
	delete(s.apps, appID)
	if len(s.dropped) >= maxDropped {
		// Ids are never used again; those dropped long ago print nothing more.
		clear(s.dropped)
	}
	s.dropped[appID] = struct{}{}
	s.mu.Unlock()
	if a == nil {
		return
	}
	if err := a.drop(); err != nil {
		s.log.Error("app log not removed", "app", appID, "err", err)
	}
}

func (a *appLog) drop() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.grow(-a.bytes)
	a.gone, a.pending, a.segs = true, nil, nil
	for f := range a.followers {
		close(f.end)
		delete(a.followers, f)
	}
	// The new name says at the next start what to do, should we end half-way.
	trash := filepath.Join(filepath.Dir(a.dir), droppedPrefix+a.id)
	if err := os.Rename(a.dir, trash); errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return fmt.Errorf("rename log directory: %w", err)
	}
	if err := os.RemoveAll(trash); err != nil {
		return fmt.Errorf("remove log directory: %w", err)
	}
	return nil
}

// validID says whether an app id can name a directory.
func validID(id string) bool {
	if id == "" || len(id) > 64 {
		return false
	}
	for i := range len(id) {
		c := id[i]
		if c != '-' && c != '_' && (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
			return false
		}
	}
	return true
}
