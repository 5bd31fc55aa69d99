package server

import (
	"context"
	"io"
	"io/fs"
	"time"
)

// Repos reads and moves what the git side keeps: one bare repository an app,
// found by the app's id. It begins empty, when it is first asked for.
type Repos interface {
	// Destroy removes the copy on this server's disk.
	Destroy(appID string) error
	// Tree is the tree of a commit, read straight from git. Close frees what
	// reading it holds.
	Tree(ctx context.Context, appID, commit string) (Tree, error)
	// Follow moves ref to commit. It refuses with ErrConflict unless the ref
	// stands at old, or at an ancestor of commit. Moving it to where it stands
	// already is no error.
	Follow(ctx context.Context, appID, ref, old, commit string) error
	// CanFollow says what Follow would say, and moves nothing.
	CanFollow(ctx context.Context, appID, ref, old, commit string) error
	// Log lists the commits that to has and from has not, newest first, at most
	// limit; without from, all of to. A commit that is not there is ErrNotFound.
	Log(ctx context.Context, appID, from, to string, limit int) (commits []Commit, more bool, err error)
	// Size is the bytes of its packs.
	Size(ctx context.Context, appID string) (int64, error)
}

// Tree is the tree of a commit, with symlinks kept as links.
type Tree interface {
	fs.FS
	io.Closer
	Subject() string                // first line of the commit's message, as bytes came
	Submodules() []string           // paths of submodules, which are never fetched
	LFSPointers() ([]string, error) // paths of files whose content was left with an LFS server
}

// Logs keeps the newest lines of every app on disk and tells followers.
type Logs interface {
	Append(lines ...LogLine)
	// Read calls line for the newest q.Lines lines in order, then, if q.Tail,
	// for every new one until ctx ends. An error of line ends it.
	Read(ctx context.Context, q LogQuery, line func(LogLine) error) error
	// Cursor is the time of the newest line of an instance, zero when none.
	Cursor(instance string) time.Time
	Drop(appID string)
}
