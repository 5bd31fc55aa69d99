package server

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
)

// MaxHistory is how many releases config:history looks back over.
const MaxHistory = 200

// History says which release changed which config vars and files, newest
// first: names, never values. With a name, only of that var or path. What a
// release changed is seen against the newest before it that served, which is
// what it was made from.
func (s *Service) History(ctx context.Context, actor Actor, app, name string, releases int) ([]ConfigChange, error) {
	a, err := s.appToRead(ctx, actor, app, PermDeploy)
	if err != nil {
		return nil, err
	}
	if releases <= 0 || releases > MaxHistory {
		releases = MaxHistory
	}
	key, err := s.store.DataKey(ctx, a.ID)
	if err != nil {
		return nil, err
	}
	var (
		list []ConfigChange
		base = opened{}
		seen = false // the first is only compared with
	)
	err = s.store.EachRelease(ctx, a.ID, releases, func(r Release, config, files []byte) error {
		now := opened{release: r}
		if now.config, err = s.keyring.OpenConfig(key, a.ID, r.ID, config); err != nil {
			return fmt.Errorf("open config of v%d: %w", r.Version, err)
		}
		if now.files, err = s.keyring.OpenFiles(key, a.ID, r.ID, files); err != nil {
			return fmt.Errorf("open config files of v%d: %w", r.Version, err)
		}
		if seen {
			if keys := changesOf(base, now, name); len(keys) > 0 {
				list = append(list, ConfigChange{Release: r, Keys: keys})
			}
		}
		seen = true
		if r.Status == ReleaseSucceeded {
			base = now
		}
		return nil
	})
	slices.Reverse(list)
	return list, err
}

// changesOf compares what two releases hold; name chooses, "" is all.
func changesOf(from, to opened, name string) []KeyChange {
	var list []KeyChange
	add := func(key, what string, file bool) {
		c := KeyChange{Name: key, What: what, File: file}
		if !file {
			c.Type, c.Name = splitKey(key)
		}
		if name == "" || name == c.Name {
			list = append(list, c)
		}
	}
	compare(from.config, to.config, func(a, b string) bool { return a == b }, func(k, what string) { add(k, what, false) })
	compare(from.files, to.files, ConfigFile.same, func(k, what string) { add(k, what, true) })
	slices.SortStableFunc(list, func(a, b KeyChange) int {
		return cmp.Or(boolCompare(a.File, b.File), cmp.Compare(a.Type, b.Type), cmp.Compare(a.Name, b.Name))
	})
	return list
}

func (f ConfigFile) same(other ConfigFile) bool {
	return f.Raw == other.Raw && bytes.Equal(f.Content, other.Content)
}

func boolCompare(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// compare tells what became of each key from one map to another.
func compare[V any](from, to map[string]V, same func(a, b V) bool, tell func(key, what string)) {
	for _, k := range slices.Sorted(maps.Keys(to)) {
		if old, had := from[k]; !had {
			tell(k, "set")
		} else if !same(old, to[k]) {
			tell(k, "changed")
		}
	}
	for _, k := range slices.Sorted(maps.Keys(from)) {
		if _, has := to[k]; !has {
			tell(k, "removed")
		}
	}
}
