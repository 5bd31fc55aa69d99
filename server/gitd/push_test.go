package gitd

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"paas/server"
)

func TestPushMain(t *testing.T) {
	b := newBench(t)
	dir := b.work("w")
	head := b.git(dir, "rev-parse", "HEAD")
	out := b.git(dir, "push", "paas", "main")
	wantIn(t, out, "remote: -----> deployed "+head[:8], "[new branch]      main -> main")
	b.wantRef(refMain, head)
	b.wantClean(1)
	want := Push{AppID: testApp, App: "app", Ref: refMain, Old: zeroID, New: head,
		By: Identity{AccountID: "dev", Email: "dev@example.com", From: "127.0.0.1"}}
	got := b.platform.seen()[0]
	if !strings.HasPrefix(got.By.Fingerprint, "SHA256:") {
		t.Errorf("fingerprint %q", got.By.Fingerprint)
	}
	got.By.Fingerprint = ""
	if got != want {
		t.Errorf("pushed %+v, want %+v", got, want)
	}

	// A second commit comes as a thin pack: its delta is against what is here.
	big := strings.Repeat("some line of text\n", 5000)
	b.commit(dir, "big", big)
	b.git(dir, "push", "paas", "main")
	next := b.commit(dir, "big", big+"one more\n")
	b.git(dir, "push", "paas", "main")
	b.wantRef(refMain, next)
	if got := b.platform.seen()[2].Old; got == zeroID {
		t.Errorf("old is %s", got)
	}
	wantIn(t, b.git(dir, "push", "paas", "main"), "Everything up-to-date")
	if n := len(b.platform.seen()); n != 3 {
		t.Errorf("%d pushes, want 3", n)
	}
}

func TestPushMasterAndClone(t *testing.T) {
	b := newBench(t)
	clone := filepath.Join(b.dir, "empty")
	wantIn(t, b.git(b.dir, "clone", b.url("app"), clone), "empty repository")
	dir := b.work("w")
	b.git(dir, "branch", "-m", "master")
	b.git(dir, "push", "paas", "master")
	b.wantRef(refMaster, b.git(dir, "rev-parse", "HEAD"))
	b.wantRef(refMain, zeroID)

	b.git(b.dir, "clone", "-q", b.url("app"), filepath.Join(b.dir, "c"))
	if text, err := os.ReadFile(filepath.Join(b.dir, "c", "README")); err != nil || string(text) != "hello\n" {
		t.Errorf("cloned %q, %v", text, err)
	}
	b.git(clone, "fetch", "-q")
	b.git(clone, "rev-parse", "--verify", "origin/master")
	if refs := b.git(clone, "ls-remote"); strings.Contains(refs, "paas/") {
		t.Errorf("a fetch sees what did not go live:\n%s", refs)
	}
}

func TestPushOtherBranchToMainAndForce(t *testing.T) {
	b := newBench(t)
	dir := b.work("w")
	first := b.git(dir, "rev-parse", "HEAD")
	b.commit(dir, "a", "1")
	b.git(dir, "push", "-q", "paas", "main")
	b.git(dir, "checkout", "-q", "-b", "feature", first)
	other := b.commit(dir, "b", "2")
	out, err := b.try(dir, "push", "paas", "feature:main")
	if err == nil {
		t.Fatal("a push that is no fast-forward went through without force")
	}
	wantIn(t, out, "rejected")
	b.git(dir, "push", "--force", "paas", "feature:main")
	b.wantRef(refMain, other)
}

func TestPushAgainAfterFailure(t *testing.T) {
	b := newBench(t)
	dir := b.work("w")
	head := b.commit(dir, "blob", strings.Repeat("x y z\n", 100_000))
	b.platform.hook(func(_ context.Context, _ Push, out io.Writer) error {
		fmt.Fprint(out, "-----> Building\nno newline at the end")
		return &server.Error{ID: server.ErrInvalid, Message: "The build failed:\nRUN false", Next: "Mend it and push again."}
	})
	out, err := b.try(dir, "push", "paas", "main")
	if err == nil {
		t.Error("a failed deploy must fail the push")
	}
	wantIn(t, out, "remote: -----> Building", "remote: no newline at the end", "remote:  !     The build failed:",
		"remote:  !     RUN false", "remote:  !     Mend it and push again.",
		"! [remote rejected] main -> main (The build failed: RUN false)")
	b.wantRef(refMain, zeroID)

	b.platform.hook(func(context.Context, Push, io.Writer) error { return errors.New("database on fire") })
	out, err = b.try(dir, "push", "paas", "main")
	if err == nil || strings.Contains(out, "fire") {
		t.Errorf("%v: %s", err, out)
	}
	wantIn(t, out, "internal error, nothing was changed")
	wantIn(t, b.logs.String(), "database on fire")
	b.wantRef(refMain, zeroID)

	b.platform.hook(nil)
	b.git(dir, "push", "paas", "main")
	b.wantRef(refMain, head)
	b.wantClean(1) // the objects were not sent again
}

func TestPushStreams(t *testing.T) {
	b := newBench(t)
	dir := b.work("w")
	wrote, release := make(chan struct{}), make(chan struct{})
	b.platform.hook(func(_ context.Context, _ Push, out io.Writer) error {
		fmt.Fprintf(out, "-----> evil \x1b]0;title\a \x1b[31mred\x1b[0m \xff\n")
		close(wrote)
		<-release
		<-time.After(4 * b.server.cfg.KeepAlive) // stock git must bear the keepalives
		return nil
	})
	cmd := b.command(dir, "push", "paas", "main")
	pipe, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-wrote:
	case <-time.After(60 * time.Second):
		t.Fatalf("Push was not called:\n%s", b.logs)
	}
	lines := bufio.NewReader(pipe)
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(line, "evil") { // while Push has not returned
			wantIn(t, line, `\x1b]0;title\x07`, "\x1b[31mred\x1b[0m", `\xff`)
			break
		}
	}
	close(release)
	rest, err := io.ReadAll(lines)
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%v: %s", err, rest)
	}
	wantIn(t, string(rest), "deployed")
}

func TestPushShallow(t *testing.T) {
	b := newBench(t)
	origin := b.work("origin")
	for i := range 5 {
		b.commit(origin, "f", fmt.Sprint(i))
	}
	dir := filepath.Join(b.dir, "shallow")
	b.git(b.dir, "clone", "-q", "--depth", "1", "file://"+origin, dir)
	b.git(dir, "remote", "add", "paas", b.url("app"))
	b.git(dir, "push", "paas", "main")
	b.wantRef(refMain, b.git(dir, "rev-parse", "HEAD"))
	next := b.commit(dir, "g", "1")
	b.git(dir, "push", "paas", "main")
	b.wantRef(refMain, next)

	out := filepath.Join(b.dir, "out")
	b.git(b.dir, "clone", "-q", b.url("app"), out)
	if n := b.git(out, "rev-list", "--count", "HEAD"); n != "2" {
		t.Errorf("%s commits, want 2", n)
	}
	// Someone with all of the history goes on from there.
	b.git(origin, "fetch", "-q", dir, "main:next")
	b.git(origin, "checkout", "-q", "next")
	last := b.commit(origin, "h", "1")
	b.git(origin, "push", "paas", "next:main")
	b.wantRef(refMain, last)
}

func TestPushEmptyTree(t *testing.T) {
	b := newBench(t)
	dir := b.work("w")
	b.git(dir, "rm", "-q", "README")
	b.git(dir, "commit", "-q", "-m", "nothing left")
	b.git(dir, "push", "paas", "main")
	tree, err := b.repos.Tree(t.Context(), testApp, b.git(dir, "rev-parse", "HEAD"))
	if err != nil {
		t.Fatal(err)
	}
	defer tree.Close()
	if tree.Subject() != "nothing left" {
		t.Errorf("subject %q", tree.Subject())
	}
}

func TestTwoPushesAtOnce(t *testing.T) {
	b := newBench(t)
	one, two := b.work("one"), b.work("two")
	b.commit(one, "a", "1")
	b.commit(two, "b", "2")
	both := make(chan struct{}, 2)
	b.platform.hook(func(ctx context.Context, _ Push, out io.Writer) error {
		both <- struct{}{}
		b.eventually("both pushes run", func() bool { return len(both) == 2 })
		return nil
	})
	errs := make(chan error, 2)
	for _, dir := range []string{one, two} {
		go func() {
			_, err := b.try(dir, "push", "paas", "main")
			errs <- err
		}()
	}
	first, second := <-errs, <-errs
	if (first == nil) == (second == nil) {
		t.Error("of two histories one must win and one must be told")
	}
	b.wantClean(2)
}

func TestReadyRefuses(t *testing.T) {
	b := newBench(t)
	dir := b.work("w")
	b.platform.set(func(p *platform) { p.ready = server.Errorf(server.ErrUnavailable, "The disk is nearly full.") })
	out, err := b.try(dir, "push", "paas", "main")
	if err == nil {
		t.Error("pushed")
	}
	wantIn(t, out, "fatal: remote error: The disk is nearly full.")
	b.wantClean(0)
}
