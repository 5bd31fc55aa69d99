// Package durable writes files that a crash leaves as they were or as they are to be.
package durable

import (
	"errors"
	"os"
	"path/filepath"
)

// Write makes or replaces a file, for its owner only (mode 0600): it appears
// complete or not at all, and is on the disk, under its name, when Write returns.
func Write(path string, data []byte) (err error) {
	dir := filepath.Dir(path)
	tmp, err := os.CreateTemp(dir, "."+filepath.Base(path)+"-*") // mode 0600
	if err != nil {
		return err
	}
	_, err = tmp.Write(data)
	if err == nil {
		err = tmp.Sync()
	}
	err = errors.Join(err, tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(tmp.Name()))
	}
	d, err := os.Open(dir) // the new name must survive a loss of power
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
