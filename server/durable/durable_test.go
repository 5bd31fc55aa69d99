package durable_test

import (
	"os"
	"path/filepath"
	"testing"

	"paas/server/durable"
)

// A file is replaced as a whole, for its owner only, and one that cannot be
// leaves nothing behind.
func TestWrite(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "key")
	for _, text := range []string{"first", "second, which is longer", ""} {
		if err := durable.Write(path, []byte(text)); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(path)
		if err != nil || string(got) != text {
			t.Errorf("%q %v", got, err)
		}
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info.Mode(), err)
	}
	taken := filepath.Join(dir, "taken")
	if err := os.Mkdir(taken, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := durable.Write(taken, []byte("x")); err == nil {
		t.Error("a directory was replaced")
	}
	if err := durable.Write(filepath.Join(dir, "none", "x"), nil); err == nil {
		t.Error("a file in no directory was written")
	}
	if list, err := os.ReadDir(dir); err != nil || len(list) != 2 {
		t.Errorf("%v %v", list, err)
	}
}
