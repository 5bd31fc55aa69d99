package gitd

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

const (
	lfsPrefix     = "version https://git-lfs.github.com/spec/v1\n"
	lfsMin        = 100      // bytes; a pointer is about 130
	lfsMax        = 1024     // bytes, by its specification
	lfsAttributes = 64 << 10 // bytes of a .gitattributes that are read
	lfsCandidates = 2000     // files looked into for one tree
)

// LFSPointers are the paths of files that are Git LFS pointers: the content
// was left with another server and is not part of the commit. It looks only
// where a .gitattributes asks for LFS.
func (t *Tree) LFSPointers() ([]string, error) {
	looked := 0
	var found []string
	err := fs.WalkDir(t, ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.Name() != ".gitattributes" || !d.Type().IsRegular() {
			return err
		}
		n, err := t.find(p, false, 0)
		if err != nil {
			return err
		}
		data, err := t.blobs.read(hex.EncodeToString(n.id[:]), "blob", lfsAttributes)
		if err != nil || !bytes.Contains(data, []byte("filter=lfs")) {
			return err
		}
		list, err := t.pointersBelow(path.Dir(p), &looked)
		found = append(found, list...)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("look for LFS pointers: %w", err)
	}
	slices.Sort(found)
	return slices.Compact(found), nil // directories that ask for LFS may be nested
}

func (t *Tree) pointersBelow(dir string, looked *int) ([]string, error) {
	var found []string
	err := fs.WalkDir(t, dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		n, err := t.find(p, false, 0)
		if err != nil || n.size < lfsMin || n.size > lfsMax {
			return err
		}
		if *looked++; *looked > lfsCandidates {
			return fs.SkipAll
		}
		data, err := t.blobs.read(hex.EncodeToString(n.id[:]), "blob", lfsMax)
		if err == nil && strings.HasPrefix(string(data), lfsPrefix) {
			found = append(found, p)
		}
		return err
	})
	return found, err
}
