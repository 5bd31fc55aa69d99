package gitd

import (
	"bufio"
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"paas/server"
)

const (
	maxName    = 255      // bytes of one name; no Linux file system takes more
	maxLink    = 4095     // bytes of a link's target
	maxSubject = 64 << 10 // bytes of a commit that are searched for its subject
)

// Tree is the tree of one commit, served straight from git. It implements
// fs.ReadDirFS and fs.ReadLinkFS and may be used by many goroutines.
//
// Modes are 0644, 0755, links and directories; a submodule is an empty
// directory. ModTime is when the path got its content, as far as earlier trees
// of the app tell: at one path, the same time means the same bytes, and other
// bytes have a later one.
type Tree struct {
	blobs      *blobs
	end        context.CancelFunc
	root       *node
	subject    string
	submodules []string
}

var (
	_ server.Tree   = (*Tree)(nil)
	_ fs.ReadDirFS  = (*Tree)(nil)
	_ fs.ReadLinkFS = (*Tree)(nil)
)

// node is one entry of a tree.
type node struct {
	name string
	mode fs.FileMode
	size int64
	id   [20]byte
	kids []*node // sorted by name
	// since is when its path got this content, in nanoseconds since 1970.
	since int64
}

// Tree opens the tree of a commit. What reads it ends with ctx, or with Close.
// A tree over the limits, or with a name no build could hold, is an
// *server.Error with ErrInvalid or ErrTooLarge.
func (r *Repos) Tree(ctx context.Context, appID, commit string) (server.Tree, error) {
	repo, err := r.ready(ctx, appID)
	if err != nil {
		return nil, err
	}
	if !isID(commit) {
		return nil, fmt.Errorf("open the tree of %q: not a commit id", commit)
	}
	ctx, end := context.WithCancel(ctx)
	t := &Tree{blobs: newBlobs(ctx, r.git, repo), end: end}
	if err := t.load(ctx, r, repo, commit); err != nil {
		t.Close() //nolint:errcheck // never fails
		return nil, err
	}
	if err := t.date(repo, time.Now()); err != nil {
		r.opts.Log.Warn("remember the times of files", "app", appID, "err", err)
	}
	return t, nil
}

// load reads the commit and lists its tree, both at once.
func (t *Tree) load(ctx context.Context, r *Repos, repo, commit string) error {
	listed := make(chan error, 1)
	go func() { listed <- t.list(ctx, r, repo, commit) }()
	head, err := t.blobs.read(commit, "commit", maxSubject)
	if err != nil {
		t.end() // the list is of no use then
		<-listed
		return fmt.Errorf("open the tree of %.8s: %w", commit, err)
	}
	if err := <-listed; err != nil {
		return err
	}
	t.subject = subject(head)
	return nil
}

// subject is the first line of a commit's message.
func subject(commit []byte) string {
	_, msg, _ := bytes.Cut(commit, []byte("\n\n"))
	line, _, _ := bytes.Cut(bytes.TrimLeft(msg, "\n"), []byte("\n"))
	return string(line)
}

// list fills the tree from one `git ls-tree`, never holding more than the limits.
func (t *Tree) list(ctx context.Context, r *Repos, repo, commit string) error {
	ctx, cancel := context.WithTimeout(ctx, gitTimeout)
	defer cancel()
	args := []string{"ls-tree", "-r", "-t", "-z", "-l", "--full-tree", commit}
	cmd := r.git.command(ctx, repo, nil, args...)
	errs := &tail{max: maxGitStderr}
	cmd.Stderr = errs
	out, err := cmd.StdoutPipe()
	if err != nil {
		return fmt.Errorf("list the tree of %.8s: %w", commit, err)
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("list the tree of %.8s: %w", commit, err)
	}
	g := growing{tree: t, opts: r.opts, dirs: map[string]*node{}}
	if err := g.read(out); err != nil {
		cancelled := ctx.Err() != nil
		cancel()
		cmd.Wait() //nolint:errcheck // killed on purpose
		if cancelled && !errors.As(err, new(*server.Error)) {
			err = context.Cause(ctx)
		}
		return err
	}
	if err := cmd.Wait(); err != nil {
		return newGitError(ctx, args, err, errs)
	}
	return g.finish()
}

// growing is a tree while it is listed.
type growing struct {
	tree  *Tree
	opts  Options
	dirs  map[string]*node
	count int
}

func (g *growing) read(out io.Reader) error {
	g.tree.root = &node{name: ".", mode: fs.ModeDir | 0o755}
	g.dirs["."] = g.tree.root
	// One record is mode, type, id and size in less than 80 bytes, then the path.
	lines := bufio.NewReaderSize(out, max(g.opts.MaxPath+80, 16<<10))
	for {
		record, err := lines.ReadSlice(0)
		if err == io.EOF && len(record) == 0 {
			return nil
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			return g.tooLong(record)
		}
		if err != nil {
			return fmt.Errorf("list the tree: %w", err)
		}
		if err := g.add(record[:len(record)-1]); err != nil {
			return err
		}
	}
}

func (g *growing) add(record []byte) error {
	meta, name, ok := bytes.Cut(record, []byte("\t"))
	f := bytes.Fields(meta)
	if !ok || len(f) != 4 {
		return fmt.Errorf("list the tree: git says %q", record)
	}
	if g.count++; g.count > g.opts.MaxFiles {
		return server.Errorf(server.ErrTooLarge, "The commit holds more than %d files and directories, which is the limit. Nothing was built.", g.opts.MaxFiles)
	}
	p := string(name)
	if err := g.check(p); err != nil {
		return err
	}
	n := &node{name: path.Base(p)}
	if _, err := hex.Decode(n.id[:], f[2]); err != nil {
		return fmt.Errorf("list the tree: git says %q", record)
	}
	switch string(f[0]) {
	case "040000":
		n.mode = fs.ModeDir | 0o755
		g.dirs[p] = n
	case "160000":
		n.mode = fs.ModeDir | 0o755
		g.tree.submodules = append(g.tree.submodules, p)
	case "120000":
		n.mode = fs.ModeSymlink | 0o777
	case "100755":
		n.mode = 0o755
	default: // 100644, and 100664 of old commits
		n.mode = 0o644
	}
	if !n.mode.IsDir() {
		var err error
		if n.size, err = strconv.ParseInt(string(f[3]), 10, 64); err != nil {
			return fmt.Errorf("list the tree: git says %q", record)
		}
	}
	parent := g.dirs[path.Dir(p)]
	if parent == nil {
		return fmt.Errorf("list the tree: %q comes before its directory", p)
	}
	parent.kids = append(parent.kids, n)
	return nil
}

// check refuses what no build could hold or show.
func (g *growing) check(p string) error {
	base := path.Base(p)
	switch {
	case len(p) > g.opts.MaxPath:
		return g.tooLong([]byte(p))
	case len(base) > maxName:
		return server.Errorf(server.ErrInvalid, "The name of the file %.60q… is %d bytes long; the limit is %d. Nothing was built.", base, len(base), maxName)
	case !utf8.ValidString(p):
		return server.Errorf(server.ErrInvalid, "The name of the file %.200q is not valid UTF-8. Rename it (git mv), commit and push again. Nothing was built.", p)
	case !fs.ValidPath(p):
		return server.Errorf(server.ErrInvalid, "The commit holds a file by the name %.200q, which no file system allows. Nothing was built.", p)
	}
	return nil
}

func (g *growing) tooLong(record []byte) error {
	if _, name, ok := bytes.Cut(record, []byte("\t")); ok {
		record = name
	}
	return server.Errorf(server.ErrInvalid, "The path %.60q… is longer than %d bytes, which is the limit. Nothing was built.", record, g.opts.MaxPath)
}

// finish sorts: git orders a directory as if its name ended with a slash.
func (g *growing) finish() error {
	for p, d := range g.dirs {
		slices.SortFunc(d.kids, func(a, b *node) int { return strings.Compare(a.name, b.name) })
		for i := 1; i < len(d.kids); i++ {
			if d.kids[i].name == d.kids[i-1].name {
				return server.Errorf(server.ErrInvalid, "The commit holds %q twice. Nothing was built.", path.Join(p, d.kids[i].name))
			}
		}
	}
	return nil
}

// Subject is the first line of the commit's message, as bytes came.
func (t *Tree) Subject() string { return t.subject }

// Submodules are the paths of submodules: empty directories here, since the
// server never fetches what a commit names by URL.
func (t *Tree) Submodules() []string { return slices.Clone(t.submodules) }

// Close ends what reads the tree and waits for it. Files still open fail.
func (t *Tree) Close() error {
	t.end()
	t.blobs.close()
	return nil
}
