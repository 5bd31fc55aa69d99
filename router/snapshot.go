package router

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// readSnapshot gives the table kept in file; ok is false when there is none.
func readSnapshot(file string) (t Table, ok bool, err error) {
	ok, err = ReadSnapshot(file, &t)
	if ok && t.Version <= 0 {
		return Table{}, false, fmt.Errorf("parse routing snapshot %s: it holds no table", file)
	}
	return t, ok, err
}

// ReadSnapshot reads what WriteSnapshot kept into v; ok is false when there is
// nothing.
func ReadSnapshot(file string, v any) (ok bool, err error) {
	b, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read routing snapshot: %w", err)
	}
	if err := json.Unmarshal(b, v); err != nil {
		return false, fmt.Errorf("parse routing snapshot %s: %w", file, err)
	}
	return true, nil
}

// WriteSnapshot replaces file as a whole by v as JSON: after a crash at any point
// it holds either the old or the new.
func WriteSnapshot(file string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode routing snapshot: %w", err)
	}
	dir := filepath.Dir(file)
	tmp, err := os.CreateTemp(dir, filepath.Base(file)+".tmp-*") // mode 0600
	if err != nil {
		return fmt.Errorf("write routing snapshot: %w", err)
	}
	err = errors.Join(fill(tmp, b), tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), file)
	}
	if err != nil {
		return fmt.Errorf("write routing snapshot: %w", errors.Join(err, os.Remove(tmp.Name())))
	}
	return syncDir(dir)
}

func fill(f *os.File, b []byte) error {
	if _, err := f.Write(b); err != nil {
		return err
	}
	return f.Sync()
}

// syncDir makes the rename itself survive a power cut.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("sync routing snapshot: %w", err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("sync routing snapshot: %w", err)
	}
	return nil
}
