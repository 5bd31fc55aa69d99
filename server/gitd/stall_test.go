package gitd

import (
	"context"
	"io"
	"strings"
	"testing"
	"time"
)

// TestSilentPusher sends half of a pack, or nothing of it, and then nothing more.
func TestSilentPusher(t *testing.T) {
	b := newBench(t, func(c *Config) { c.StallTimeout = 200 * time.Millisecond })
	dir := b.work("w")
	head := b.git(dir, "rev-parse", "HEAD")
	pack := b.packOf(dir)
	for name, part := range map[string]string{"nothing": "", "half": string(pack[:len(pack)/2])} {
		t.Run(name, func(t *testing.T) {
			r, w := io.Pipe()
			defer w.Close()
			done := make(chan reply, 1)
			c := b.dial(b.newKey("raw", "dev"))
			go func() { done <- rawPush(t, c, head, io.MultiReader(strings.NewReader(part), r)) }()
			select {
			case <-done:
			case <-time.After(60 * time.Second):
				t.Error("a silent pusher is waited for")
			}
		})
	}
	b.wantClean(0)
}

// TestDeafPusher does not read what it is told; the deploy must not wait for it.
func TestDeafPusher(t *testing.T) {
	b := newBench(t, func(c *Config) { c.StallTimeout = 300 * time.Millisecond })
	dir := b.work("w")
	head := b.git(dir, "rev-parse", "HEAD")
	written := make(chan struct{})
	b.platform.hook(func(_ context.Context, _ Push, out io.Writer) error {
		line := strings.Repeat("x", 1000) + "\n"
		for range 20_000 { // 20 MB, far more than a window and the sockets hold
			io.WriteString(out, line)
		}
		close(written)
		return nil
	})
	c := b.dial(b.newKey("raw", "dev"))
	sess, err := c.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	in, err := sess.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sess.StdoutPipe(); err != nil { // never read
		t.Fatal(err)
	}
	if err := sess.Start("git-receive-pack 'app'"); err != nil {
		t.Fatal(err)
	}
	in.Write(lines(zeroID + " " + head + " refs/heads/main\x00report-status side-band-64k"))
	in.Write(b.packOf(dir))
	in.Close()
	select {
	case <-written:
	case <-time.After(60 * time.Second):
		t.Error("the deploy waits for a pusher that does not read")
	}
	b.eventually("the branch follows", func() bool {
		path, _ := b.repos.repo(testApp)
		at, err := readRef(path, refMain)
		return err == nil && at == head
	})
}

// TestQuietDeploy outlasts the stall limit: a pusher may wait in silence.
func TestQuietDeploy(t *testing.T) {
	b := newBench(t, func(c *Config) {
		c.StallTimeout, c.IdleTimeout, c.HandshakeTimeout = 200*time.Millisecond, 200*time.Millisecond, 400*time.Millisecond
	})
	dir := b.work("w")
	b.platform.hook(func(ctx context.Context, _ Push, _ io.Writer) error {
		select {
		case <-time.After(time.Second):
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	})
	head := b.git(dir, "rev-parse", "HEAD")
	r, w := io.Pipe() // the pack ends, the stream does not
	defer w.Close()
	got := rawPush(t, b.dial(b.newKey("raw", "dev")), head, io.MultiReader(strings.NewReader(string(b.packOf(dir))), r))
	wantIn(t, got.report, "unpack ok", "ok refs/heads/main")
}
