package gitd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/go-git/go-billy/v5/osfs"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/storage/filesystem/dotgit"

	"paas/server"
)

const (
	refMain   = "refs/heads/main"
	refMaster = "refs/heads/master"
	// refPushed is the newest commit that was taken, live or not. It lets a
	// push after a failed deploy send nothing twice, and is never shown.
	refPushed = "refs/paas/pushed"

	zeroID = "0000000000000000000000000000000000000000"
)

// readRef gives the commit a ref stands at, zeroID when there is no such ref.
func readRef(repo, ref string) (string, error) {
	found, err := dotgit.New(osfs.New(repo)).Ref(plumbing.ReferenceName(ref))
	if errors.Is(err, plumbing.ErrReferenceNotFound) {
		return zeroID, nil
	}
	if err != nil {
		return "", fmt.Errorf("read %s: %w", ref, err)
	}
	return found.Hash().String(), nil
}

// isID says that s is a full hex object id.
func isID(s string) bool {
	if len(s) != len(zeroID) {
		return false
	}
	return strings.Trim(s, "0123456789abcdef") == ""
}

// CanFollow says what Follow would say, and moves nothing.
func (r *Repos) CanFollow(ctx context.Context, appID, ref, old, commit string) error {
	repo, err := r.ready(ctx, appID)
	if err != nil {
		return err
	}
	_, err = r.follows(ctx, repo, ref, old, commit)
	return err
}

// follows gives where ref stands, or an error unless it may move to commit.
func (r *Repos) follows(ctx context.Context, repo, ref, old, commit string) (string, error) {
	if ref != refMain && ref != refMaster {
		return "", fmt.Errorf("follow %q: only %s and %s move", ref, refMain, refMaster)
	}
	if old == "" {
		old = zeroID
	}
	if !isID(old) || !isID(commit) || commit == zeroID {
		return "", fmt.Errorf("follow %s from %q to %q: not commit ids", ref, old, commit)
	}
	at, err := readRef(repo, ref)
	if err != nil {
		return "", err
	}
	if at == old || at == commit {
		return at, nil
	}
	if at != zeroID {
		ok, err := r.isAncestor(ctx, repo, at, commit)
		if ok || err != nil {
			return at, err
		}
	}
	branch := strings.TrimPrefix(ref, "refs/heads/")
	conflict := server.Errorf(server.ErrConflict, "%s moved to %.8s in the meantime, and %.8s does not follow from it. The branch was not moved.", branch, at, commit)
	conflict.Next = "git fetch paas && git log HEAD..paas/" + branch
	return "", conflict
}

func (r *Repos) isAncestor(ctx context.Context, repo, a, b string) (bool, error) {
	_, err := r.git.run(ctx, repo, nil, nil, "merge-base", "--is-ancestor", "--", a, b)
	var failed *gitError
	if errors.As(err, &failed) && failed.code == 1 {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("compare %.8s with %.8s: %w", a, b, err)
	}
	return true, nil
}

// Follow moves ref to commit by compare-and-set. It refuses with ErrConflict
// unless the ref stands at old, or at an ancestor of commit. Moving it to
// where it stands already is no error.
func (r *Repos) Follow(ctx context.Context, appID, ref, old, commit string) error {
	const tries = 5 // another server would have to move it as often meanwhile
	var err error
	for range tries {
		if err = r.follow(ctx, appID, ref, old, commit); !errors.Is(err, server.ErrStale) {
			return err
		}
		r.forget(appID)
	}
	return err
}

// follow moves the ref for all servers, then here.
func (r *Repos) follow(ctx context.Context, appID, ref, old, commit string) error {
	repo, err := r.ready(ctx, appID)
	if err != nil {
		return err
	}
	// In this process nobody else moves it meanwhile.
	unlock, err := r.locks.take(ctx, appID)
	if err != nil {
		return err
	}
	defer unlock()
	at, err := r.follows(ctx, repo, ref, old, commit)
	if err != nil || at == commit {
		return err
	}
	head, err := headFor(repo, ref)
	if err != nil {
		return err
	}
	was, version, err := r.store.ChangeRepo(ctx, appID, server.RepoChange{Head: head, Refs: map[string]server.RefMove{ref: {From: at, To: commit}}})
	if err != nil {
		return fmt.Errorf("move %s to %.8s: %w", ref, commit, err)
	}
	if err := r.moveHere(ctx, repo, ref, at, commit, head); err != nil {
		r.forget(appID) // it is where it belongs; this copy is brought there next time
		return err
	}
	r.reached(appID, was, version)
	return nil
}

func (r *Repos) moveHere(ctx context.Context, repo, ref, at, commit, head string) error {
	line := "update " + ref + "\x00" + commit + "\x00" + at + "\x00"
	if _, err := r.git.run(ctx, repo, nil, strings.NewReader(line), "update-ref", "--stdin", "-z"); err != nil {
		return fmt.Errorf("move %s to %.8s: %w", ref, commit, err)
	}
	return pointHead(repo, head)
}

// headFor gives what HEAD shall name, so that a clone checks out what there is
// when only master exists; "" when it is well as it is.
func headFor(repo, ref string) (string, error) {
	head, err := os.ReadFile(filepath.Join(repo, "HEAD"))
	if err != nil {
		return "", fmt.Errorf("read HEAD: %w", err)
	}
	now := strings.TrimSpace(strings.TrimPrefix(string(head), "ref: "))
	if now == ref {
		return "", nil
	}
	if at, err := readRef(repo, now); err != nil || at != zeroID {
		return "", err
	}
	return ref, nil
}

// pointHead makes HEAD name a ref; "" leaves it.
func pointHead(repo, ref string) error {
	if ref == "" {
		return nil
	}
	return replaceFile(filepath.Join(repo, "HEAD"), "ref: "+ref+"\n")
}

// markPushed remembers the newest commit taken.
func markPushed(repo, commit string) error {
	if err := replaceFile(filepath.Join(repo, filepath.FromSlash(refPushed)), commit+"\n"); err != nil {
		return fmt.Errorf("note the pushed commit: %w", err)
	}
	return nil
}

// replaceFile writes a small file of a repository as git does: into NAME.lock,
// which keeps others out, then renamed. The caller holds the app's lock.
func replaceFile(path, text string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	if err := writeSynced(path+".lock", text); err != nil {
		if !errors.Is(err, os.ErrExist) {
			os.Remove(path + ".lock") //nolint:errcheck // the first error is the one to tell
		}
		return err
	}
	return os.Rename(path+".lock", path)
}
