package gitd

import (
	"context"
	"errors"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"paas/server"
)

// shelf is a server.RepoStore for servers of one test.
type shelf struct {
	dir   string // of the packs
	mu    sync.Mutex
	apps  map[string]bool
	repos map[string]*kept
	fail  error // of the next change, before it is made

	onChange func(server.RepoChange) // before a change is made; others go on meanwhile
}

type kept struct {
	server.RepoState
	packs map[string]int64 // size by name
}

func newShelf(t *testing.T) *shelf {
	return &shelf{dir: t.TempDir(), apps: map[string]bool{}, repos: map[string]*kept{}}
}

// app makes one, with an empty repository.
func (m *shelf) app(id string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.apps[id] = true
	m.repos[id] = &kept{RepoState: server.RepoState{Version: 1, Head: refMain, Refs: map[string]string{}}, packs: map[string]int64{}}
}

func (m *shelf) Repo(_ context.Context, appID string, have int64) (server.RepoState, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	k := m.repos[appID]
	if k == nil {
		return server.RepoState{}, server.Errorf(server.ErrNotFound, "Couldn't find that repository.")
	}
	st := k.RepoState
	st.Refs = maps.Clone(st.Refs)
	for _, n := range k.packs {
		st.Bytes += n
	}
	if st.Version != have {
		st.Packs = slices.Sorted(maps.Keys(k.packs))
	}
	return st, nil
}

func (m *shelf) DestroyedApps(_ context.Context, ids []string) (gone []string, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, id := range ids {
		if there, known := m.apps[id]; known && !there {
			gone = append(gone, id)
		}
	}
	return gone, nil
}

func (m *shelf) BeginRepo(ctx context.Context, appID, head string, c server.RepoChange) error {
	m.mu.Lock()
	there, known := m.repos[appID] != nil, m.apps[appID]
	if known && !there {
		m.repos[appID] = &kept{RepoState: server.RepoState{Version: 1, Head: head, Refs: map[string]string{}}, packs: map[string]int64{}}
	}
	m.mu.Unlock()
	switch {
	case there:
		return server.ErrStale
	case !known:
		return server.Errorf(server.ErrNotFound, "Couldn't find that app.")
	}
	_, _, err := m.ChangeRepo(ctx, appID, c)
	return err
}

func (m *shelf) ChangeRepo(_ context.Context, appID string, c server.RepoChange) (was, version int64, err error) {
	m.mu.Lock()
	hook := m.onChange
	m.mu.Unlock()
	if hook != nil {
		hook(c)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.fail; err != nil {
		m.fail = nil
		return 0, 0, err
	}
	k := m.repos[appID]
	if k == nil {
		return 0, 0, server.Errorf(server.ErrNotFound, "Couldn't find that repository.")
	}
	for name, move := range c.Refs {
		at, ok := k.Refs[name]
		if !ok {
			at = zeroID
		}
		if move.From != "" && move.From != at {
			return 0, 0, server.ErrStale
		}
		k.Refs[name] = move.To
	}
	for _, p := range c.Packs {
		in, err := p.Open()
		if err != nil {
			return 0, 0, err
		}
		out, err := os.Create(filepath.Join(m.dir, appID+p.Name))
		if err != nil {
			return 0, 0, err
		}
		n, err := io.Copy(out, in)
		if err := errors.Join(err, in.Close(), out.Close()); err != nil {
			return 0, 0, err
		}
		k.packs[p.Name] = n
	}
	for _, name := range c.Gone {
		delete(k.packs, name)
	}
	if c.Head != "" {
		k.Head = c.Head
	}
	k.Shallow = append(k.Shallow, c.Shallow...)
	slices.Sort(k.Shallow)
	k.Shallow = slices.Compact(k.Shallow)
	k.Version++
	return k.Version - 1, k.Version, nil
}

func (m *shelf) ReadPack(_ context.Context, appID, pack string, to io.Writer) error {
	m.mu.Lock()
	k := m.repos[appID]
	there := k != nil && k.packs[pack] > 0
	m.mu.Unlock()
	if !there {
		return server.Errorf(server.ErrNotFound, "Couldn't find that pack.")
	}
	in, err := os.Open(filepath.Join(m.dir, appID+pack))
	if err != nil {
		return err
	}
	defer in.Close()
	_, err = io.Copy(to, in)
	return err
}
