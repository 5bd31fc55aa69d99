package gitd

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"paas/server"
)

func TestCreateDestroy(t *testing.T) {
	kept := newShelf(t)
	kept.app(testApp)
	r, err := NewRepos(filepath.Join(t.TempDir(), "r"), kept, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"", "app", "../../etc", "11111111-2222-3333-4444-55555555555", "11111111-2222-3333-4444-55555555555G", testApp + "/x", testApp + "\n"} {
		if _, err := r.ready(t.Context(), id); err == nil {
			t.Errorf("%q became a path", id)
		}
		if err := r.Destroy(id); err == nil {
			t.Errorf("%q became a path", id)
		}
	}
	for range 2 {
		if _, err := r.ready(t.Context(), testApp); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := r.Size(t.Context(), testApp); err != nil || n != 0 {
		t.Errorf("size %d, %v", n, err)
	}
	for range 2 {
		if err := r.Destroy(testApp); err != nil {
			t.Fatal(err)
		}
	}
	if left, err := os.ReadDir(r.dir); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	if _, err := NewRepos(t.TempDir(), kept, Options{Git: "/nonexistent/git"}); err == nil {
		t.Error("no git, no error")
	}
	if _, err := NewRepos(filepath.Join(t.TempDir(), "a:b"), kept, Options{}); err == nil {
		t.Error("a colon in the directory, no error")
	}
}

func TestFollow(t *testing.T) {
	b := newBench(t)
	dir := b.work("w")
	one := b.git(dir, "rev-parse", "HEAD")
	two := b.commit(dir, "f", "2")
	three := b.commit(dir, "f", "3")
	b.git(dir, "checkout", "-q", "-b", "side", one)
	side := b.commit(dir, "g", "s")
	b.store(dir)
	ctx := t.Context()
	step := func(old, commit string, ok bool, at string) {
		t.Helper()
		can := b.repos.CanFollow(ctx, testApp, refMain, old, commit)
		err := b.repos.Follow(ctx, testApp, refMain, old, commit)
		if (err == nil) != ok || (can == nil) != ok {
			t.Errorf("%.4s to %.4s: can %v, did %v; want %v", old, commit, can, err, ok)
		}
		if !ok && !server.IsID(err, server.ErrConflict) {
			t.Errorf("%v is no conflict", err)
		}
		b.wantRef(refMain, at)
	}
	step(one, two, false, zeroID) // the branch is not there, and the pusher saw one
	step(zeroID, one, true, one)  // new
	step(zeroID, one, true, one)  // there already
	step(zeroID, two, true, two)  // from an ancestor, whatever the pusher saw
	step(one, side, false, two)   // neither
	step(two, side, true, side)   // a force push that saw what is there
	step(one, three, false, side)
	step(side, three, true, three)
	for _, ref := range []string{"refs/heads/x", "main", "refs/heads/../main", ""} {
		if err := b.repos.Follow(ctx, testApp, ref, zeroID, one); err == nil {
			t.Errorf("%q moved", ref)
		}
	}
	for _, id := range []string{"", "main", zeroID, "-x", strings.ToUpper(one)} {
		if err := b.repos.Follow(ctx, testApp, refMaster, zeroID, id); err == nil {
			t.Errorf("moved to %q", id)
		}
	}
	if err := b.repos.Follow(ctx, testApp, refMaster, zeroID, strings.Repeat("a", 40)); err == nil {
		t.Error("moved to a commit that is not there")
	}
}

func TestSweep(t *testing.T) {
	b := newBench(t)
	dir := b.work("w")
	b.git(dir, "push", "-q", "paas", "main")
	head := b.git(dir, "rev-parse", "HEAD")
	b.stop()
	path, err := b.repos.repo(testApp)
	if err != nil {
		t.Fatal(err)
	}
	rubbish := []string{
		filepath.Join(path, quarantineDir, "push-1", "pack", "tmp_pack_x"),
		filepath.Join(path, "objects", "pack", "pack-x.pack"), filepath.Join(path, "objects", "pack", "tmp_idx_x"), filepath.Join(path, "objects", "pack", ".tmp-1-pack-x.pack"),
		filepath.Join(path, "refs", "heads", "main.lock"), filepath.Join(path, "shallow.lock"),
		filepath.Join(b.repos.dir, ".new-1", "HEAD"), filepath.Join(b.repos.dir, ".trash-1", "git", "HEAD"),
	}
	for _, name := range rubbish {
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(path, "config"), []byte("[core]\n\tbare = true\n[alias]\n\tx = !rm\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	again, err := NewRepos(b.repos.dir, b.kept, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range rubbish {
		if _, err := os.Stat(name); err == nil {
			t.Errorf("%s is still there", name)
		}
	}
	if config, err := os.ReadFile(filepath.Join(path, "config")); err != nil || string(config) != repoConfig {
		t.Errorf("%s, %v", config, err)
	}
	next := b.commit(dir, "f", "2")
	b.repos = again
	b.store(dir)
	if err := again.Follow(t.Context(), testApp, refMain, head, next); err != nil {
		t.Error(err)
	}
}

// TestRepack makes sure that joining packs drops nothing: a commit no branch
// holds may belong to a deploy that waits.
func TestRepack(t *testing.T) {
	b := newBench(t)
	b.repos.opts.RepackAt = 6
	dir := b.work("w")
	var commits []string
	for i := range 8 {
		b.git(dir, "checkout", "-q", "--orphan", fmt.Sprint("o", i))
		commits = append(commits, b.commit(dir, "f", fmt.Sprint(i)))
		b.git(dir, "push", "-q", "--force", "paas", "HEAD:main")
	}
	b.eventually("the packs are joined", func() bool {
		path, err := b.repos.repo(testApp)
		return err == nil && b.repos.packs(path) < b.repos.opts.RepackAt
	})
	for i, c := range commits {
		wantFile(t, b.tree(c), "f", fmt.Sprint(i))
	}
}
