package gitd

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"paas/server"
)

// A repository that there was not the room to store is read as ever, has its
// size, and refuses a push in words before the pack comes; it is stored once
// there is room.
func TestRepositoryWithoutRoom(t *testing.T) {
	b := newBench(t)
	dir := b.work("w")
	b.git(dir, "push", "-q", "paas", "main")
	head := b.git(dir, "rev-parse", "HEAD")
	size, err := b.repos.Size(t.Context(), testApp)
	if err != nil || size == 0 {
		t.Fatal(size, err)
	}
	b.kept.mu.Lock()
	delete(b.kept.repos, testApp)
	b.kept.mu.Unlock()
	b.repos.setRoom(testApp, false)

	if n, err := b.repos.Size(t.Context(), testApp); err != nil || n != size {
		t.Errorf("size %d, %v", n, err)
	}
	wantFile(t, b.tree(head), "README", "hello\n")
	b.commit(dir, "f", "2")
	out, err := b.try(dir, "push", "paas", "main")
	if err == nil {
		t.Fatalf("it was taken:\n%s", out)
	}
	wantIn(t, out, "not the room on the server's disk", "Nothing was changed")
	if _, err := b.kept.Repo(t.Context(), testApp, 0); !server.IsID(err, server.ErrNotFound) {
		t.Errorf("it was tried again at once: %v", err)
	}
	b.git(dir, "fetch", "-q", "paas")

	b.repos.mu.Lock()
	b.repos.noRoom[testApp] = time.Now().Add(-roomAgain)
	b.repos.mu.Unlock()
	b.git(dir, "push", "-q", "paas", "main")
	if _, err := b.kept.Repo(t.Context(), testApp, 0); err != nil {
		t.Error(err)
	}
}

// While joined packs are on their way to the store the app is pushed to and read.
func TestRepackHoldsNobodyUp(t *testing.T) {
	b := newBench(t)
	b.repos.opts.RepackAt = 4
	storing, on := make(chan struct{}), make(chan struct{})
	b.kept.mu.Lock()
	b.kept.onChange = func(c server.RepoChange) {
		if len(c.Gone) > 0 {
			close(storing)
			<-on
		}
	}
	b.kept.mu.Unlock()
	dir := b.work("w")
	var commits []string
	push := func(n int) {
		commits = append(commits, b.commit(dir, "f", fmt.Sprint(n)))
		b.git(dir, "push", "-q", "paas", "main")
	}
	for n := range 4 {
		push(n)
	}
	<-storing
	b.kept.mu.Lock()
	b.kept.onChange = nil
	b.kept.mu.Unlock()
	push(4)
	if _, _, err := b.repos.Log(t.Context(), testApp, "", commits[4], 9); err != nil {
		t.Error(err)
	}
	close(on)
	b.eventually("the packs are joined in the store", func() bool {
		st, err := b.kept.Repo(t.Context(), testApp, 0)
		return err == nil && len(st.Packs) < 4
	})
	b.eventually("this copy has the packs that are stored", func() bool {
		path, err := b.repos.ready(t.Context(), testApp)
		st, err2 := b.kept.Repo(t.Context(), testApp, 0)
		return errors.Join(err, err2) == nil && b.repos.packs(path) == len(st.Packs)
	})
	for n, c := range commits {
		wantFile(t, b.tree(c), "f", fmt.Sprint(n))
	}
}

// Apps do not wait for each other, and who waits gives up with its context.
func TestLocks(t *testing.T) {
	l := locks{byApp: map[string]*appLock{}}
	unlock, err := l.take(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	other, err := l.take(t.Context(), "b")
	if err != nil {
		t.Fatal(err)
	}
	other()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := l.take(ctx, "a"); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	got := make(chan error, 1)
	go func() {
		again, err := l.take(t.Context(), "a")
		if err == nil {
			again()
		}
		got <- err
	}()
	unlock()
	if err := <-got; err != nil {
		t.Error(err)
	}
	if len(l.byApp) != 0 {
		t.Errorf("%d left", len(l.byApp))
	}
}
