package gitd

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"paas/server"
)

// second is another server with the same store: its own disk, empty.
func (b *bench) second() *Repos {
	b.t.Helper()
	r, err := NewRepos(filepath.Join(b.t.TempDir(), "repos"), b.kept, Options{})
	if err != nil {
		b.t.Fatal(err)
	}
	return r
}

// What one server has taken every other has: objects, refs, HEAD, and where a
// clone was shallow. Neither moves a branch over the other's head.
func TestServersShareRepositories(t *testing.T) {
	b := newBench(t)
	other := b.second()
	dir := b.work("w")
	b.git(dir, "push", "-q", "paas", "HEAD:master")
	one := b.git(dir, "rev-parse", "HEAD")
	path, err := other.ready(t.Context(), testApp)
	if err != nil {
		t.Fatal(err)
	}
	if head, err := os.ReadFile(filepath.Join(path, "HEAD")); err != nil || string(head) != "ref: refs/heads/master\n" {
		t.Errorf("HEAD is %q %v", head, err)
	}
	tree, err := other.Tree(t.Context(), testApp, one)
	if err != nil {
		t.Fatal(err)
	}
	_ = tree.Close()
	two := b.commit(dir, "f", "2")
	b.git(dir, "checkout", "-q", "-b", "side", one)
	side := b.commit(dir, "g", "s")
	b.store(dir)
	if err := other.Follow(t.Context(), testApp, refMaster, one, two); err != nil {
		t.Fatal(err)
	}
	// This server's copy still says one: it is looked at anew.
	if err := b.repos.Follow(t.Context(), testApp, refMaster, one, side); !server.IsID(err, server.ErrConflict) {
		t.Errorf("it moved: %v", err)
	}
	b.wantRef(refMaster, two)
	b.git(dir, "fetch", "-q", "--depth=1", "paas", "master")
}

// A push that the store did not take was not taken: nothing of it is left, and
// the same push works afterwards.
func TestPushThatIsNotStored(t *testing.T) {
	b := newBench(t)
	dir := b.work("w")
	b.kept.mu.Lock()
	b.kept.fail = &server.Error{ID: server.ErrUnavailable, Transient: true, Message: "The database (Postgres) is not reachable; nothing was changed."}
	b.kept.mu.Unlock()
	out, err := b.try(dir, "push", "paas", "main")
	if err == nil {
		t.Fatalf("it was taken:\n%s", out)
	}
	wantIn(t, out, "database (Postgres) is not reachable")
	b.wantClean(0)
	b.git(dir, "push", "-q", "paas", "main")
	b.wantClean(1)
}

// A copy that lost its disk, or was killed in the middle, is made whole from
// the store; a repository from before there was a store goes there.
func TestCopiesAreMadeWhole(t *testing.T) {
	b := newBench(t)
	dir := b.work("w")
	b.git(dir, "push", "-q", "paas", "main")
	head := b.git(dir, "rev-parse", "HEAD")
	b.stop()
	path, err := b.repos.repo(testApp)
	if err != nil {
		t.Fatal(err)
	}
	for label, damage := range map[string]func() error{
		"no disk": func() error { return os.RemoveAll(path) },
		"no pack": func() error {
			names, err := packNames(path)
			return errors.Join(err, os.Remove(filepath.Join(path, "objects", "pack", names[0]+".idx")))
		},
		"an old ref": func() error { return os.Remove(filepath.Join(path, "refs", "heads", "main")) },
	} {
		if err := damage(); err != nil {
			t.Fatal(label, err)
		}
		again, err := NewRepos(b.repos.dir, b.kept, Options{})
		if err != nil {
			t.Fatal(label, err)
		}
		b.repos = again
		wantFile(t, b.tree(head), "README", "hello\n")
		b.wantRef(refMain, head)
	}
	delete(b.kept.repos, testApp)
	old, err := NewRepos(b.repos.dir, b.kept, Options{})
	if err != nil {
		t.Fatal(err)
	}
	old.tidy(t.Context())
	b.repos = b.second()
	wantFile(t, b.tree(head), "README", "hello\n")
	b.wantRef(refMain, head)
	delete(b.kept.repos, testApp)
	delete(b.kept.apps, testApp)
	old.tidy(t.Context())
	if _, err := os.Stat(path); err != nil {
		t.Error("the only copy of an app that the database does not know is gone:", err)
	}
	b.kept.apps[testApp] = false // destroyed
	old.tidy(t.Context())
	if _, err := os.Stat(path); err == nil {
		t.Error("the copy of an app that is no more is still there")
	}
}

// Packs that one server joins are joined for all, and nothing is lost.
func TestRepackIsShared(t *testing.T) {
	b := newBench(t)
	other := b.second()
	b.repos.opts.RepackAt = 6
	dir := b.work("w")
	var commits []string
	for i := range 8 {
		commits = append(commits, b.commit(dir, "f", fmt.Sprint(i)))
		b.git(dir, "push", "-q", "paas", "main")
		if i == 3 { // it has some of what will be joined
			if _, err := other.ready(t.Context(), testApp); err != nil {
				t.Fatal(err)
			}
		}
	}
	b.eventually("the packs are joined in the store", func() bool {
		st, err := b.kept.Repo(t.Context(), testApp, 0)
		return err == nil && len(st.Packs) < 6
	})
	path, err := other.ready(t.Context(), testApp)
	if err != nil {
		t.Fatal(err)
	}
	st, err := b.kept.Repo(t.Context(), testApp, 0)
	if err != nil || other.packs(path) != len(st.Packs) {
		t.Errorf("%d packs here, %d stored, %v", other.packs(path), len(st.Packs), err)
	}
	b.repos = other
	for i, c := range commits {
		wantFile(t, b.tree(c), "f", fmt.Sprint(i))
	}
}
