package docker

import (
	"context"
	"errors"
	"io"
	"os"
	"syscall"
)

const (
	walkBatch = 1000 // entries of a directory that are in memory at once
	walkDepth = 100  // directories within one another, each of which is held open
)

// errWalk says that there is more to look at than one may.
var errWalk = errors.New("too many files, or too deep")

// diskUse is the bytes that a directory takes on disk; -1 when they cannot be
// counted. left is how many files may be looked at. What is in there belongs to
// an app, which may change it meanwhile: nothing leads out of it, and no
// directory is so large that it would matter here.
func diskUse(ctx context.Context, dir string, left *int) int64 {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return -1
	}
	defer root.Close()
	w := walk{left: left}
	if err := w.dir(ctx, root, 0); err != nil {
		return -1
	}
	return w.sum
}

// walk adds up what files take on disk.
type walk struct {
	left *int
	sum  int64
}

func (w *walk) dir(ctx context.Context, at *os.Root, depth int) error {
	d, err := at.Open(".")
	if err != nil {
		return err
	}
	defer d.Close()
	if info, err := d.Stat(); err == nil {
		w.add(info)
	}
	for {
		list, err := d.ReadDir(walkBatch)
		for _, e := range list {
			if err := w.entry(ctx, at, e, depth); err != nil {
				return err
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (w *walk) entry(ctx context.Context, at *os.Root, e os.DirEntry, depth int) error {
	if *w.left--; *w.left < 0 || depth >= walkDepth {
		return errWalk
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if !e.IsDir() {
		if info, err := at.Lstat(e.Name()); err == nil { // else it is gone since
			w.add(info)
		}
		return nil
	}
	sub, err := at.OpenRoot(e.Name())
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil { // what it is now is no directory, or leads out of the volume
		return err
	}
	defer sub.Close()
	return w.dir(ctx, sub, depth+1)
}

func (w *walk) add(info os.FileInfo) {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		w.sum += st.Blocks * 512
	}
}
