package docker

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"paas/scheduler/agent"
)

// layers are the directories of an engine's layer and of the image below it.
type layers struct {
	t                   *testing.T
	upper, lower, other string
}

func newLayers(t *testing.T) layers {
	return layers{t: t, upper: t.TempDir(), lower: t.TempDir(), other: t.TempDir()}
}

func (l layers) write(in, path string, bytes int) {
	l.t.Helper()
	full := filepath.Join(in, path)
	if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
		l.t.Fatal(err)
	}
	if err := os.WriteFile(full, make([]byte, bytes), 0o600); err != nil {
		l.t.Fatal(err)
	}
}

func (l layers) read(most int) []agent.Written {
	l.t.Helper()
	got, err := readLayer(l.t.Context(), l.upper, []string{l.lower, l.other, "/none"}, most)
	if err != nil {
		l.t.Fatal(err)
	}
	return got.Paths
}

func TestLayerNamesDirectories(t *testing.T) {
	l := newLayers(t)
	l.write(l.lower, "app/main.py", 10)
	l.write(l.other, "srv/www/index.html", 10)
	if err := os.MkdirAll(filepath.Join(l.lower, "app/media"), 0o755); err != nil {
		t.Fatal(err)
	}
	l.write(l.upper, "app/uploads/2026/11/a.jpg", 200<<10) // a new directory
	l.write(l.upper, "app/uploads/2026/12/b.jpg", 200<<10)
	l.write(l.upper, "app/media/deep/c.jpg", 300<<10) // one that waits, empty, in the image
	l.write(l.upper, "app/db.sqlite", 100<<10)        // beside the image's own files
	l.write(l.upper, "srv/www/x/y", 52<<10)
	for _, passing := range []string{"tmp/x", "run/x", "etc/x", "var/cache/x", "var/log/x", "app/tmp/x", "app/__pycache__/x", "root/.cache/x"} {
		l.write(l.upper, passing, 1<<20)
	}
	l.write(l.upper, "app/run.pid", 5)
	l.write(l.upper, "opt/small", 4)
	if err := os.Symlink("/", filepath.Join(l.upper, "app/uploads/out")); err != nil {
		t.Fatal(err)
	}
	want := []agent.Written{{Path: "/app/uploads", Bytes: 400 << 10}, {Path: "/app/media", Bytes: 300 << 10},
		{Path: "/app", Bytes: 104 << 10, Mixed: true}, {Path: "/srv/www/x", Bytes: 52 << 10}}
	if got := l.read(maxLayer); !slices.Equal(got, want) {
		t.Errorf("%+v", got)
	}
}

// However much there is, no more is looked at than allowed, and what was seen
// is told.
func TestLayerIsReadWithinBounds(t *testing.T) {
	l := newLayers(t)
	for n := range 300 {
		l.write(l.upper, filepath.Join("data", strconv.Itoa(n)), 4096)
	}
	if got := l.read(101); len(got) != 1 || got[0].Bytes != 100*4096 {
		t.Errorf("within a bound: %+v", got)
	}
	for n := range 20 {
		l.write(l.upper, filepath.Join("d"+strconv.Itoa(n), "x"), 64<<10)
	}
	if got := l.read(maxLayer); len(got) != agent.MaxWritten || got[0].Path != "/data" {
		t.Errorf("many directories: %+v", got)
	}
	if err := os.MkdirAll(filepath.Join(l.upper, "deep", strings.Repeat("d/", walkDepth+1)), 0o755); err != nil {
		t.Fatal(err)
	}
	l.read(maxLayer) // no error
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := readLayer(ended, l.upper, nil, maxLayer); err == nil {
		t.Error("beyond its time")
	}
	if _, err := readLayer(t.Context(), filepath.Join(l.upper, "none"), nil, maxLayer); err == nil {
		t.Error("what is not there")
	}
}
