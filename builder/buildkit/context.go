package buildkit

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tonistiigi/fsutil"
	fstypes "github.com/tonistiigi/fsutil/types"
)

// treeFS shows an io/fs tree to BuildKit as the build context. Symbolic links
// stay links and are never followed here; everything belongs to root.
type treeFS struct{ fsys fs.FS }

func newContext(fsys fs.FS) fsutil.FS { return treeFS{fsys} }

// Open opens a file for sending.
func (t treeFS) Open(name string) (io.ReadCloser, error) {
	return t.fsys.Open(clean(name))
}

// Walk calls fn for everything below target, parents before children, names in
// order; for target itself too unless it is the root. That is the order in
// which BuildKit compares with what it has from the last build.
func (t treeFS) Walk(ctx context.Context, target string, fn fs.WalkDirFunc) error {
	target = clean(target)
	var err error
	if target == "." {
		err = t.walkDir(ctx, ".", fn)
	} else {
		err = t.walkTarget(ctx, target, fn)
	}
	if errors.Is(err, fs.SkipDir) || errors.Is(err, fs.SkipAll) {
		return nil
	}
	return err
}

func (t treeFS) walkTarget(ctx context.Context, target string, fn fs.WalkDirFunc) error {
	if err := t.linkOnTheWay(target); err != nil {
		return fn(target, nil, err)
	}
	info, err := fs.Lstat(t.fsys, target)
	if err != nil {
		return fn(target, nil, err)
	}
	return t.visit(ctx, target, info, fn)
}

// linkOnTheWay refuses a path that leads through a symbolic link: BuildKit
// resolves links itself, by name.
func (t treeFS) linkOnTheWay(target string) error {
	for dir := path.Dir(target); dir != "."; dir = path.Dir(dir) {
		info, err := fs.Lstat(t.fsys, dir)
		if err != nil {
			return err
		}
		if !info.IsDir() {
			return &fs.PathError{Op: "lstat", Path: target, Err: fs.ErrNotExist}
		}
	}
	return nil
}

func (t treeFS) walkDir(ctx context.Context, dir string, fn fs.WalkDirFunc) error {
	entries, err := fs.ReadDir(t.fsys, dir)
	if err != nil {
		return fmt.Errorf("read the directory %s: %w", dir, err)
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			return fmt.Errorf("read %s: %w", path.Join(dir, e.Name()), err)
		}
		err = t.visit(ctx, path.Join(dir, e.Name()), info, fn)
		if errors.Is(err, fs.SkipDir) {
			return nil // asked for a file: leave the directory
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// visit shows one entry and, of a directory, what is in it.
func (t treeFS) visit(ctx context.Context, name string, info fs.FileInfo, fn fs.WalkDirFunc) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	stat, err := t.stat(name, info)
	if err != nil || stat == nil {
		return err
	}
	err = fn(name, &fsutil.DirEntryInfo{Stat: stat}, nil)
	if !info.IsDir() {
		return err
	}
	if errors.Is(err, fs.SkipDir) {
		return nil
	}
	if err != nil {
		return err
	}
	return t.walkDir(ctx, name, fn)
}

// stat describes an entry; nil for what has no place in a build context.
func (t treeFS) stat(name string, info fs.FileInfo) (*fstypes.Stat, error) {
	if !utf8.ValidString(name) {
		return nil, fmt.Errorf("file name %q: %w", name, errBadName)
	}
	st := &fstypes.Stat{Path: name, Mode: uint32(info.Mode()), ModTime: info.ModTime().UnixNano()}
	switch mode := info.Mode(); {
	case mode.IsDir():
	case mode.IsRegular():
		st.Size = info.Size()
	case mode&fs.ModeSymlink != 0:
		target, err := fs.ReadLink(t.fsys, name)
		if err != nil {
			return nil, fmt.Errorf("read the link %s: %w", name, err)
		}
		st.Linkname, st.Size = target, int64(len(target))
	default:
		return nil, nil
	}
	if info.ModTime().IsZero() {
		var err error
		if st.ModTime, err = t.contentTime(name, info); err != nil {
			return nil, err
		}
	}
	return st, nil
}

// contentTime stands in for the time of a tree that has none. BuildKit takes a
// file of the same size and time for unchanged, so the time must follow the
// contents.
func (t treeFS) contentTime(name string, info fs.FileInfo) (int64, error) {
	base := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano()
	if !info.Mode().IsRegular() {
		return base, nil
	}
	f, err := t.fsys.Open(name)
	if err != nil {
		return 0, err
	}
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return 0, errors.Join(fmt.Errorf("read %s: %w", name, err), f.Close())
	}
	const spread = 1 << 50 // nanoseconds, about 13 days
	return base + int64(binary.BigEndian.Uint64(h.Sum(nil))%spread), f.Close()
}

// errBadName marks file names that no image can hold.
var errBadName = errors.New("it is not valid UTF-8")

func clean(name string) string {
	name = strings.TrimLeft(path.Clean("/"+name), "/")
	if name == "" {
		return "."
	}
	return name
}
