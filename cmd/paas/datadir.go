package main

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"paas/server"
	"paas/server/durable"
)

// dataDir is the one directory that holds everything, locked for one process.
type dataDir struct {
	path    string
	lock    *os.File
	cluster string // names this installation on the Docker Engine
}

// openDataDir makes the directory and takes its lock. The kernel frees the
// lock with the process, however it ends.
func openDataDir(path string) (*dataDir, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	// 0711: the private Postgres runs as another user and must reach its own
	// directory below; it can list nothing here.
	if err := os.MkdirAll(abs, 0o711); err != nil {
		return nil, fmt.Errorf("make data directory: %w", err)
	}
	if err := os.Chmod(abs, 0o711); err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(abs, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock data directory: %w", err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		holder, _ := os.ReadFile(lock.Name())
		lock.Close()
		return nil, fmt.Errorf("another paas (process %s) already runs on %s; nothing was started.\nLook at it: paas doctor --data-dir %s",
			strings.TrimSpace(string(holder)), abs, abs)
	}
	d := &dataDir{path: abs, lock: lock}
	if err := d.note(); err != nil {
		d.Close()
		return nil, err
	}
	return d, nil
}

// note writes who holds the lock and reads, or makes, the cluster's name.
func (d *dataDir) note() error {
	if err := d.lock.Truncate(0); err != nil {
		return fmt.Errorf("lock data directory: %w", err)
	}
	if _, err := d.lock.WriteAt(fmt.Appendf(nil, "%d\n", os.Getpid()), 0); err != nil {
		return fmt.Errorf("lock data directory: %w", err)
	}
	for _, dir := range []string{"run", "router", "registry"} {
		if err := os.MkdirAll(d.join(dir), 0o700); err != nil {
			return err
		}
	}
	id, err := d.secret("cluster-id", 6, true)
	d.cluster = hex.EncodeToString(id)
	return err
}

func (d *dataDir) join(elem ...string) string {
	return filepath.Join(append([]string{d.path}, elem...)...)
}

// Close frees the lock.
func (d *dataDir) Close() error { return d.lock.Close() }

// secret reads a file of n bytes in hex; an absent one is made if create says so.
func (d *dataDir) secret(name string, n int, create bool) ([]byte, error) {
	path := d.join(name)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) && create {
		raw := make([]byte, n)
		rand.Read(raw)
		return raw, durable.Write(path, []byte(hex.EncodeToString(raw)+"\n"))
	}
	if err != nil {
		return nil, err
	}
	raw, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(raw) != n {
		return nil, fmt.Errorf("%s is damaged: it must hold %d bytes in hex; restore it from your backup", path, n)
	}
	return raw, nil
}

// keyFile is the file with the master key: 32 bytes in hex a line. There is
// one line but during a rotation, when the newest key comes first.
type keyFile struct{ path string }

func (d *dataDir) keyFile() keyFile { return keyFile{d.join("master.key")} }

// WriteKeys is server.KeyFile.
func (f keyFile) WriteKeys(keys ...[]byte) error {
	var text strings.Builder
	for _, k := range keys {
		text.WriteString(hex.EncodeToString(k) + "\n")
	}
	return durable.Write(f.path, []byte(text.String()))
}

func (f keyFile) read() ([][]byte, error) {
	text, err := os.ReadFile(f.path)
	if err != nil {
		return nil, err
	}
	var keys [][]byte
	for line := range strings.FieldsSeq(string(text)) {
		key, err := hex.DecodeString(line)
		if err != nil || len(key) != server.MasterKeySize {
			return nil, fmt.Errorf("%s is damaged: it must hold %d bytes in hex; restore it from your backup", f.path, server.MasterKeySize)
		}
		keys = append(keys, key)
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("%s is empty; restore it from your backup", f.path)
	}
	return keys, nil
}

// keyring opens the master key. A database that was sealed with a key never
// gets another one: without the right key nothing starts (RELIABILITY R26).
// For a database that is new it also gives the check value to store there.
func (d *dataDir) keyring(check []byte) (*server.Keyring, []byte, error) {
	f := d.keyFile()
	keys, err := f.read()
	switch {
	case errors.Is(err, fs.ErrNotExist) && check == nil:
		key := make([]byte, server.MasterKeySize)
		rand.Read(key)
		keys, err = [][]byte{key}, f.WriteKeys(key)
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil, fmt.Errorf("the master key %s is missing, and the database is sealed with it; nothing was started or changed.\nRestore the file from your backup; for one more server copy it from one that runs", f.path)
	}
	if err != nil {
		return nil, nil, err
	}
	if check == nil {
		k, err := server.NewKeyring(keys[0])
		if err != nil {
			return nil, nil, err
		}
		check, err = k.SealCheck()
		return k, check, err
	}
	k, err := server.OpenKeys(check, keys)
	if err != nil {
		return nil, nil, fmt.Errorf("the master key %s is not the one this database is sealed with; nothing was started or changed.\nRestore the right file from your backup", f.path)
	}
	return k, nil, nil
}
