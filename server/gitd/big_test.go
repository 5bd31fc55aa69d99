package gitd

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
	"time"
)

// peakMemory measures how far this process's resident memory grows over f, in bytes.
func peakMemory(t *testing.T, f func()) int64 {
	t.Helper()
	debug.FreeOSMemory()
	before := memory(t, "VmRSS:")
	if err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0); err != nil {
		t.Fatal(err) // 5 forgets the peak so far
	}
	f()
	return memory(t, "VmHWM:") - before
}

func memory(t *testing.T, field string) int64 {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if v, ok := strings.CutPrefix(line, field); ok {
			kb, err := strconv.ParseInt(strings.Fields(v)[0], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return kb << 10
		}
	}
	t.Fatalf("no %s", field)
	return 0
}

// TestBigRepository pushes 300 MB, reads its largest file and clones it.
func TestBigRepository(t *testing.T) {
	const growth = 150 << 20
	b := newBench(t)
	dir := b.work("w")
	b.git(dir, "config", "core.compression", "0")
	b.git(dir, "config", "core.bigFileThreshold", "1m") // no deltas: they would only cost time
	random := rand.NewChaCha8([32]byte{1})
	for i := range 21 {
		size := int64(10 << 20)
		if i == 0 {
			size = 100 << 20
		}
		f, err := os.Create(filepath.Join(dir, fmt.Sprintf("blob%d", i)))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.CopyN(f, random, size); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	b.git(dir, "add", "-A")
	b.git(dir, "commit", "-q", "-m", "300 MB")
	head := b.git(dir, "rev-parse", "HEAD")
	began := time.Now()
	if grown := peakMemory(t, func() { b.git(dir, "push", "-q", "paas", "main") }); grown > growth {
		t.Errorf("the push took %d MB", grown>>20)
	} else {
		t.Logf("push: %v, memory grew by %d MB", time.Since(began), grown>>20)
	}
	b.wantRef(refMain, head)
	if n, err := b.repos.Size(t.Context(), testApp); err != nil || n < 300<<20 {
		t.Errorf("size %d, %v", n, err)
	}
	read := func() {
		f, err := b.tree(head).Open("blob0")
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if n, err := io.Copy(io.Discard, f); err != nil || n != 100<<20 {
			t.Errorf("read %d bytes, %v", n, err)
		}
	}
	if grown := peakMemory(t, read); grown > 32<<20 {
		t.Errorf("reading one file took %d MB", grown>>20)
	}
	out := filepath.Join(b.dir, "clone")
	if grown := peakMemory(t, func() { b.git(b.dir, "clone", "-q", b.url("app"), out) }); grown > growth {
		t.Errorf("the clone took %d MB", grown>>20)
	}
	if got := b.git(out, "rev-parse", "HEAD"); got != head {
		t.Errorf("cloned %s, want %s", got, head)
	}
}

// TestOverhead measures one-commit pushes from the connection to Pusher.Push.
func TestOverhead(t *testing.T) {
	b := newBench(t)
	dir := b.work("w")
	b.git(dir, "push", "-q", "paas", "main")
	old := b.git(dir, "rev-parse", "HEAD")
	signer := b.newKey("fast", "dev")
	reached := make(chan time.Time, 1)
	b.platform.hook(func(context.Context, Push, io.Writer) error {
		reached <- time.Now()
		return fs.ErrInvalid // the branch stays
	})
	best := time.Hour
	for i := range 10 {
		head := b.commit(dir, "f", fmt.Sprint(i))
		cmd := b.command(dir, "pack-objects", "--revs", "--stdout", "-q", "--thin")
		cmd.Stdin = strings.NewReader(head + "\n^" + old + "\n")
		pack, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		rawPush(t, b.dial(signer), head, bytes.NewReader(pack))
		best = min(best, (<-reached).Sub(began))
	}
	t.Logf("from the connection to Pusher.Push: %v at best", best)
	if best > 500*time.Millisecond { // far above what it takes; a busy machine must not fail the build
		t.Errorf("a one-commit push takes %v", best)
	}
}
