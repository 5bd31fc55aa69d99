package gitd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"paas/server"
)

// store puts a repository's objects into the app's without a push.
func (b *bench) store(dir string) {
	b.t.Helper()
	in, err := b.repos.quarantine(testApp)
	if err != nil {
		b.t.Fatal(err)
	}
	defer in.close()
	rest, err := in.index(b.t.Context(), bytes.NewReader(b.packOf(dir)), 1<<30, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	<-rest
	if err := in.keep(b.t.Context(), zeroID); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) tree(commit string) *Tree {
	b.t.Helper()
	tree, err := b.repos.Tree(b.t.Context(), testApp, commit)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { tree.Close() })
	return tree.(*Tree)
}

func link(t *testing.T, target, path string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, path); err != nil {
		t.Fatal(err)
	}
}

func TestTree(t *testing.T) {
	b := newBench(t)
	dir := b.work("w")
	b.commit(dir, "a/b/c.txt", "deep")
	b.commit(dir, "a.txt", "sorts between a and a/")
	b.commit(dir, "-rf", "a flag")
	b.commit(dir, "two\nlines", "newline")
	b.commit(dir, "größe/名前", "utf-8")
	b.commit(dir, "big", noise(3<<20))
	b.commit(dir, "empty", "")
	link(t, "b/c.txt", filepath.Join(dir, "a", "link"))
	link(t, "a/b", filepath.Join(dir, "dirlink"))
	if err := os.Chmod(filepath.Join(dir, "a.txt"), 0o755); err != nil {
		t.Fatal(err)
	}
	b.git(dir, "add", "-A")
	b.git(dir, "commit", "-q", "-m", "subject line\n\nbody")
	head := b.git(dir, "rev-parse", "HEAD")
	b.store(dir)
	tree := b.tree(head)
	if err := fstest.TestFS(tree, "a/b/c.txt", "-rf", "two\nlines", "größe/名前", "big", "empty", "a/link", "README"); err != nil {
		t.Error(err)
	}
	if tree.Subject() != "subject line" {
		t.Errorf("subject %q", tree.Subject())
	}
	wantFile(t, tree, "dirlink/c.txt", "deep")
	wantFile(t, tree, "a/link", "deep")
	wantFile(t, tree, "big", noise(3<<20))
	modes := map[string]fs.FileMode{"a.txt": 0o755, "README": 0o644, "a": fs.ModeDir | 0o755, "a/link": fs.ModeSymlink | 0o777}
	for name, want := range modes {
		info, err := tree.Lstat(name)
		if err != nil || info.Mode() != want {
			t.Errorf("%s: %v, %v; want %v", name, info, err, want)
		}
	}
	if target, err := tree.ReadLink("a/link"); err != nil || target != "b/c.txt" {
		t.Errorf("%q, %v", target, err)
	}
	if _, err := tree.ReadLink("README"); !errors.Is(err, fs.ErrInvalid) {
		t.Errorf("readlink of a file: %v", err)
	}
	if _, err := tree.Open("../x"); !errors.Is(err, fs.ErrInvalid) {
		t.Errorf("%v", err)
	}
	if _, err := tree.Open("nope/x"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v", err)
	}
}

func wantFile(t *testing.T, fsys fs.FS, name, want string) {
	t.Helper()
	got, err := fs.ReadFile(fsys, name)
	if err != nil || string(got) != want {
		t.Errorf("%s: %d bytes, %v; want %d", name, len(got), err, len(want))
	}
}

func TestTreeLinksStayInside(t *testing.T) {
	b := newBench(t)
	dir := b.work("w")
	for name, target := range map[string]string{
		"abs": "/etc/passwd", "up": "../../etc/passwd", "loop": "loop", "ping": "pong", "pong": "ping",
		"gone": "nothing", "fine": "./x/../README",
	} {
		link(t, target, filepath.Join(dir, name))
	}
	b.git(dir, "add", "-A")
	b.git(dir, "commit", "-q", "-m", "links")
	b.store(dir)
	tree := b.tree(b.git(dir, "rev-parse", "HEAD"))
	for _, name := range []string{"abs", "up", "gone"} {
		if _, err := tree.Open(name); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, name := range []string{"loop", "ping"} {
		if _, err := tree.Open(name); !errors.Is(err, errLoop) {
			t.Errorf("%s: %v", name, err)
		}
	}
	wantFile(t, tree, "fine", "hello\n")
	if target, err := tree.ReadLink("abs"); err != nil || target != "/etc/passwd" {
		t.Errorf("a link is kept as it is: %q, %v", target, err)
	}
}

// A path keeps its time as long as it keeps its content; other content, older
// content too, gets a later one: web servers compare times.
func TestTreeModTime(t *testing.T) {
	b := newBench(t)
	dir := b.work("w")
	b.commit(dir, "d/same", "same")
	first := b.commit(dir, "d/f", "one")
	second := b.commit(dir, "d/f", "two")
	b.store(dir)
	stat := func(c, name string) time.Time {
		t.Helper()
		info, err := b.tree(c).Lstat(name)
		if err != nil {
			t.Fatal(err)
		}
		return info.ModTime()
	}
	same, one := stat(first, "d/same"), stat(first, "d/f")
	if again := stat(first, "d/f"); !again.Equal(one) {
		t.Errorf("the same content: %v, then %v", one, again)
	}
	two := stat(second, "d/f")
	back := stat(first, "d/f")
	if !two.After(one) || !back.After(two) {
		t.Errorf("times do not grow with changes: %v, %v, %v", one, two, back)
	}
	if again := stat(second, "d/same"); !again.Equal(same) {
		t.Errorf("an untouched file: %v, then %v", same, again)
	}
	if d := stat(first, "d"); !d.Equal(epoch) {
		t.Errorf("a directory: %v", d)
	}
	repo, err := b.repos.repo(testApp)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(repo, timesFile), []byte("torn"), 0o600); err != nil {
		t.Fatal(err)
	}
	if after := stat(first, "d/f"); after.Before(back) {
		t.Errorf("after the list was torn: %v, before %v", after, back)
	}
}

func TestTreeSubmodulesAndLFS(t *testing.T) {
	b := newBench(t)
	dir := b.work("w")
	head := b.git(dir, "rev-parse", "HEAD")
	b.git(dir, "update-index", "--add", "--cacheinfo", "160000,"+head+",libs/sub")
	pointer := lfsPrefix + "oid sha256:" + strings.Repeat("a", 64) + "\nsize 12345\n"
	b.commit(dir, "assets/movie.bin", pointer)
	b.commit(dir, "assets/text.bin", "plain")
	b.commit(dir, "assets/.gitattributes", "*.bin filter=lfs\n")
	b.commit(dir, "elsewhere.bin", pointer)
	b.store(dir)
	tree := b.tree(b.git(dir, "rev-parse", "HEAD"))
	if got := tree.Submodules(); !slices.Equal(got, []string{"libs/sub"}) {
		t.Errorf("submodules %q", got)
	}
	if list, err := tree.ReadDir("libs/sub"); err != nil || len(list) != 0 {
		t.Errorf("%v, %v", list, err)
	}
	if got, err := tree.LFSPointers(); err != nil || !slices.Equal(got, []string{"assets/movie.bin"}) {
		t.Errorf("LFS pointers %q, %v", got, err)
	}
}

func TestTreeLimits(t *testing.T) {
	b := newBench(t)
	b.repos.opts.MaxFiles, b.repos.opts.MaxPath = 50, 400
	dir := b.work("w")
	stream := func(files func(put func(path string))) string {
		var s strings.Builder
		fmt.Fprint(&s, "commit refs/heads/gen\ncommitter a <a@b> 1 +0000\ndata 0\ndeleteall\n")
		files(func(path string) { fmt.Fprintf(&s, "M 100644 inline %s\ndata 1\nx\n", path) })
		cmd := b.command(dir, "fast-import", "--quiet", "--force")
		cmd.Stdin = strings.NewReader(s.String() + "\n")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return b.git(dir, "rev-parse", "gen")
	}
	commits := map[string]string{
		"more than 50 files and directories": stream(func(put func(string)) {
			for i := range 60 {
				put(fmt.Sprintf("f%d", i))
			}
		}),
		"longer than 400 bytes":      stream(func(put func(string)) { put(strings.Repeat("directory/", 45) + "f") }),
		"is 300 bytes long":          stream(func(put func(string)) { put(strings.Repeat("n", 300)) }),
		"is not valid UTF-8. Rename": stream(func(put func(string)) { put(`"caf\351"`) }),
		"way longer than 400 bytes":  stream(func(put func(string)) { put(strings.Repeat("n", 20_000)) }),
	}
	b.git(dir, "branch", "-D", "gen")
	for want, commit := range commits {
		b.git(dir, "branch", "keep-"+commit[:8], commit)
		b.store(dir)
		tree, err := b.repos.Tree(t.Context(), testApp, commit)
		if err == nil {
			tree.Close()
			t.Errorf("%s: opened", want)
			continue
		}
		var told *server.Error
		if !errors.As(err, &told) {
			t.Errorf("%s: not for people: %v", want, err)
		}
		wantIn(t, err.Error(), strings.TrimPrefix(want, "way "), "Nothing was built")
	}
	head := b.git(dir, "rev-parse", "main")
	blob := b.git(dir, "rev-parse", "main:README")
	for _, id := range []string{blob, b.git(dir, "rev-parse", "main^{tree}"), strings.Repeat("a", 40), "main", "--help", ""} {
		if tree, err := b.repos.Tree(t.Context(), testApp, id); err == nil {
			tree.Close()
			t.Errorf("%q was opened as a commit", id)
		}
	}
	b.tree(head)
}

// TestTreeBomb lists a tree that names 10^9 files with ten objects.
func TestTreeBomb(t *testing.T) {
	b := newBench(t)
	dir := b.work("w")
	entry := "100644 f\x00" + string(mustHex(t, b.git(dir, "rev-parse", "HEAD:README")))
	id := b.hash(dir, "tree", entry)
	for range 9 {
		var body strings.Builder
		for i := range 10 {
			fmt.Fprintf(&body, "40000 d%d\x00%s", i, mustHex(t, id))
		}
		id = b.hash(dir, "tree", body.String())
	}
	head := b.git(dir, "commit-tree", "-m", "bomb", id)
	b.git(dir, "branch", "bomb", head)
	b.store(dir)
	_, err := b.repos.Tree(t.Context(), testApp, head)
	if !server.IsID(err, server.ErrTooLarge) {
		t.Errorf("%v", err)
	}
}

func TestTreeConcurrentAndEarlyClose(t *testing.T) {
	b := newBench(t)
	dir := b.work("w")
	for i := range 20 {
		b.write(fmt.Sprintf("w/small%d", i), fmt.Sprint(i))
	}
	b.commit(dir, "large", noise(1<<20))
	b.git(dir, "add", "-A")
	b.git(dir, "commit", "-q", "-m", "x")
	b.store(dir)
	tree := b.tree(b.git(dir, "rev-parse", "HEAD"))
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			wantFile(t, tree, fmt.Sprintf("small%d", i), fmt.Sprint(i))
			f, err := tree.Open("large")
			if err != nil {
				t.Error(err)
				return
			}
			if _, err := io.ReadFull(f, make([]byte, 1000)); err != nil {
				t.Error(err)
			}
			f.Close() // in the middle
			wantFile(t, tree, "large", noise(1<<20))
		})
	}
	wg.Wait()
	f, err := tree.Open("large")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Read(make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	tree.Close()
	if _, err := io.Copy(io.Discard, f); err == nil {
		t.Error("read from a closed tree")
	}
	f.Close()
	if _, err := fs.ReadFile(tree, "small1"); !errors.Is(err, errClosed) {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	other, err := b.repos.Tree(ctx, testApp, b.git(dir, "rev-parse", "HEAD"))
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	cancel()
	if _, err := fs.ReadFile(other, "large"); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}
