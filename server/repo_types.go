package server

import (
	"context"
	"io"
)

// RepoState is an app's repository, but for the objects in its packs.
type RepoState struct {
	Version int64             // grows with each change
	Head    string            // "refs/heads/main"
	Refs    map[string]string // commit by name of ref
	Shallow []string          // commits that are there without their parents
	Packs   []string          // "pack-<checksum>"; nil when it was asked for a version that is the present one
	Bytes   int64             // of all packs
}

// RepoChange changes a repository, whole or not at all.
type RepoChange struct {
	Packs   []RepoPack         // new ones; one that is there already is left
	Gone    []string           // packs whose objects are all in others
	Refs    map[string]RefMove // by name
	Head    string             // "" leaves it
	Shallow []string           // added
}

// RefMove moves a ref, which must stand at From: a commit, or "" wherever it
// stands. One that there is not yet stands at 40 zeros.
type RefMove struct{ From, To string }

// RepoPack is a pack with all the objects its deltas need.
type RepoPack struct {
	Name string
	Size int64 // bytes
	Open func() (io.ReadCloser, error)
}

// RepoStore keeps repositories for all servers.
type RepoStore interface {
	// Repo reads a repository; of one that is at version have, not the packs.
	Repo(ctx context.Context, appID string, have int64) (RepoState, error)
	// BeginRepo stores the repository of an app that has none stored; ErrStale
	// when it has, ErrNotFound when there is no such app.
	BeginRepo(ctx context.Context, appID, head string, c RepoChange) error
	// ChangeRepo gives the version that it changed and the new one, which no other
	// state of the repository has, nor had one that a database lost; ErrStale
	// when a ref stands elsewhere.
	ChangeRepo(ctx context.Context, appID string, c RepoChange) (was, version int64, err error)
	// ReadPack writes a pack; ErrNotFound when it has gone.
	ReadPack(ctx context.Context, appID, pack string, to io.Writer) error
	// DestroyedApps are those of ids that were destroyed. One that is not known
	// at all is not among them.
	DestroyedApps(ctx context.Context, ids []string) ([]string, error)
}
