package docker

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

func TestDiskUseIsBounded(t *testing.T) {
	dir, outside := t.TempDir(), t.TempDir()
	write := func(path string, bytes int) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, make([]byte, bytes), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(filepath.Join(outside, "large"), 8<<20)
	for n := range walkBatch + 10 { // more than a batch
		write(filepath.Join(dir, "many", strconv.Itoa(n)), 1)
	}
	write(filepath.Join(dir, "a/b/c"), 1<<20)
	for name, to := range map[string]string{"out": outside, "up": "..", "file": filepath.Join(outside, "large")} {
		if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	use := func(ctx context.Context, most int) (int64, int) {
		n := diskUse(ctx, dir, &most)
		return n, most
	}
	got, left := use(t.Context(), 5000)
	if got < 1<<20 || got > 8<<20 || left != 5000-(walkBatch+10)-7 {
		t.Errorf("%d bytes, %d left", got, left)
	}
	if got, _ := use(t.Context(), 100); got != -1 {
		t.Errorf("beyond its share: %d", got)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if got, _ := use(ended, 5000); got != -1 {
		t.Errorf("beyond its time: %d", got)
	}
	if err := os.MkdirAll(filepath.Join(dir, strings.Repeat("d/", walkDepth+1)), 0o755); err != nil {
		t.Fatal(err)
	}
	if got, _ := use(t.Context(), 5000); got != -1 {
		t.Errorf("too deep: %d", got)
	}
	if got := diskUse(t.Context(), filepath.Join(dir, "none"), &left); got != -1 {
		t.Errorf("what is not there: %d", got)
	}
}
