package gitd

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

const maxHops = 40 // links on the way to one file, as Linux has it

var errLoop = errors.New("too many levels of symbolic links")

// Open opens a file or directory. Links are followed inside the tree; one that
// leads out of it names nothing.
func (t *Tree) Open(name string) (fs.File, error) {
	n, err := t.find(name, true, maxHops)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	if n.mode.IsDir() {
		return &openDir{n: n, name: name}, nil
	}
	return &openFile{n: n, name: path.Base(name), lazyBlob: lazyBlob{owner: t.blobs, id: hex.EncodeToString(n.id[:]), size: n.size}}, nil
}

// ReadDir lists a directory, sorted by name.
func (t *Tree) ReadDir(name string) ([]fs.DirEntry, error) {
	n, err := t.find(name, true, maxHops)
	if err == nil && !n.mode.IsDir() {
		err = errors.New("not a directory")
	}
	if err != nil {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: err}
	}
	return n.entries(), nil
}

// Stat describes a file, of a link what it leads to.
func (t *Tree) Stat(name string) (fs.FileInfo, error) {
	n, err := t.find(name, true, maxHops)
	if err != nil {
		return nil, &fs.PathError{Op: "stat", Path: name, Err: err}
	}
	return info{n, path.Base(name)}, nil
}

// Lstat describes a file, of a link the link.
func (t *Tree) Lstat(name string) (fs.FileInfo, error) {
	n, err := t.find(name, false, maxHops)
	if err != nil {
		return nil, &fs.PathError{Op: "lstat", Path: name, Err: err}
	}
	return info{n, path.Base(name)}, nil
}

// ReadLink gives the target of a link, as it was committed.
func (t *Tree) ReadLink(name string) (string, error) {
	n, err := t.find(name, false, maxHops)
	if err == nil && n.mode&fs.ModeSymlink == 0 {
		err = fs.ErrInvalid
	}
	var target string
	if err == nil {
		target, err = t.target(n)
	}
	if err != nil {
		return "", &fs.PathError{Op: "readlink", Path: name, Err: err}
	}
	return target, nil
}

func (t *Tree) target(n *node) (string, error) {
	if n.size > maxLink {
		return "", fmt.Errorf("the link's target is longer than %d bytes", maxLink)
	}
	data, err := t.blobs.read(hex.EncodeToString(n.id[:]), "blob", maxLink)
	if err != nil {
		return "", err
	}
	target := string(data)
	if target == "" || strings.ContainsRune(target, 0) || !utf8.ValidString(target) {
		return "", fmt.Errorf("the link's target %q is no path", target)
	}
	return target, nil
}

// find walks to a node. With follow, a link at the end is followed too; links
// on the way always are.
func (t *Tree) find(name string, follow bool, hops int) (*node, error) {
	if !fs.ValidPath(name) {
		return nil, fs.ErrInvalid
	}
	n, rest := t.root, name
	if name == "." {
		rest = ""
	}
	for at := ""; rest != ""; {
		first, more, _ := strings.Cut(rest, "/")
		i, ok := slices.BinarySearchFunc(n.kids, first, func(k *node, s string) int { return strings.Compare(k.name, s) })
		if !ok {
			return nil, fs.ErrNotExist
		}
		n = n.kids[i]
		if n.mode&fs.ModeSymlink != 0 && (more != "" || follow) {
			return t.hop(n, at, more, follow, hops)
		}
		at, rest = path.Join(at, first), more
	}
	return n, nil
}

// hop goes on at the target of the link n, which lies in the directory at.
func (t *Tree) hop(n *node, at, rest string, follow bool, hops int) (*node, error) {
	if hops == 0 {
		return nil, errLoop
	}
	target, err := t.target(n)
	if err != nil {
		return nil, err
	}
	if path.IsAbs(target) {
		return nil, fs.ErrNotExist
	}
	next := path.Join(at, target, rest)
	if !fs.ValidPath(next) { // begins with ..
		return nil, fs.ErrNotExist
	}
	return t.find(next, follow, hops-1)
}

func (n *node) entries() []fs.DirEntry {
	list := make([]fs.DirEntry, len(n.kids))
	for i, k := range n.kids {
		list[i] = fs.FileInfoToDirEntry(info{k, k.name})
	}
	return list
}

// info is the FileInfo of a node.
type info struct {
	n    *node
	name string
}

func (i info) Name() string      { return i.name }
func (i info) Size() int64       { return i.n.size }
func (i info) Mode() fs.FileMode { return i.n.mode }
func (i info) IsDir() bool       { return i.n.mode.IsDir() }
func (i info) Sys() any          { return nil }

// epoch is the time of directories.
var epoch = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)

// ModTime is explained at timesFile.
func (i info) ModTime() time.Time {
	if i.n.mode.IsDir() {
		return epoch
	}
	return time.Unix(0, i.n.since)
}

type openFile struct {
	lazyBlob
	n    *node
	name string
}

func (f *openFile) Stat() (fs.FileInfo, error) { return info{f.n, f.name}, nil }

type openDir struct {
	n    *node
	name string
	at   int
}

func (d *openDir) Stat() (fs.FileInfo, error) { return info{d.n, path.Base(d.name)}, nil }
func (d *openDir) Close() error               { return nil }

func (d *openDir) Read([]byte) (int, error) {
	return 0, &fs.PathError{Op: "read", Path: d.name, Err: errors.New("is a directory")}
}

func (d *openDir) ReadDir(n int) ([]fs.DirEntry, error) {
	left := d.n.entries()[d.at:]
	if n > 0 {
		if len(left) == 0 {
			return nil, io.EOF
		}
		left = left[:min(n, len(left))]
	}
	d.at += len(left)
	return left, nil
}
