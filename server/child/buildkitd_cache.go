package child

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// cacheGuard watches for a cache that buildkitd cannot open.
type cacheGuard struct {
	root string
	log  *slog.Logger
	bad  bool // the last start died of its cache
}

// brokenCache are words of buildkitd's end that mean a damaged database. The
// stores are bbolt files, which panic on a damaged page.
var brokenCache = []string{
	"invalid database", "checksum error", "version mismatch", "invalid freelist", "page already freed",
	"bbolt", "unexpected fault address", "failed to read metadata", "freepages:", "assertion failed: Page",
}

func (g *cacheGuard) explain(lines []string) string {
	text := strings.Join(lines, "\n")
	if strings.Contains(text, "No space left on device") || strings.Contains(text, "no space left on device") {
		return "the disk is full; free some space, buildkitd then starts by itself"
	}
	g.bad = slices.ContainsFunc(brokenCache, func(sign string) bool { return strings.Contains(text, sign) })
	if g.bad {
		return "its cache cannot be opened"
	}
	return ""
}

// prepare moves a cache aside that could not be opened, so that builds go on,
// slowly at first, and drops the one that was moved aside before.
func (g *cacheGuard) prepare() error {
	if !g.bad {
		return nil
	}
	g.bad = false
	aside := g.root + ".broken"
	if err := os.RemoveAll(aside); err != nil {
		return fmt.Errorf("remove the cache moved aside earlier: %w", err)
	}
	if err := os.Mkdir(aside, 0o700); err != nil {
		return err
	}
	entries, err := os.ReadDir(g.root)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if slices.Contains(keptFiles, e.Name()) {
			continue
		}
		if err := moveAside(filepath.Join(g.root, e.Name()), filepath.Join(aside, e.Name())); err != nil {
			return fmt.Errorf("move the broken cache aside: %w", err)
		}
	}
	g.log.Warn("buildkitd's cache could not be opened and was moved aside; the next builds start cold", "moved_to", aside)
	return nil
}

// moveAside renames, after letting go of mounts that a killed buildkitd left.
func moveAside(from, to string) error {
	err := os.Rename(from, to)
	if errors.Is(err, syscall.EBUSY) {
		if err := unmountBelow(from); err != nil {
			return err
		}
		err = os.Rename(from, to)
	}
	return err
}

// The marker says in which life of the machine buildkitd wrote without waiting
// for the disk. One of an earlier life means that writes may be missing.
const (
	markerFile = "running"
	bootIDFile = "/proc/sys/kernel/random/boot_id"
)

// checkMarker condemns a cache that was being written when the machine went
// down, and marks the present one when unsynced is true.
func (g *cacheGuard) checkMarker(unsynced bool) error {
	boot, err := os.ReadFile(bootIDFile)
	if err != nil {
		return fmt.Errorf("read the machine's boot id: %w", err)
	}
	path := filepath.Join(g.root, markerFile)
	marked, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err == nil && string(marked) != string(boot) {
		g.log.Warn("the machine went down while buildkitd was running")
		g.bad = true
	}
	if !unsynced {
		return nil
	}
	return writeSynced(path, boot)
}

// clearMarker puts the cache on the disk after buildkitd has ended.
func clearMarker(root string) error {
	path := filepath.Join(root, markerFile)
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	dir, err := os.Open(root)
	if err != nil {
		return err
	}
	if err := errors.Join(unix.Syncfs(int(dir.Fd())), dir.Close()); err != nil {
		return fmt.Errorf("write the build cache to the disk: %w", err)
	}
	return os.Remove(path)
}

// writeSynced writes a file that is on the disk when it returns.
func writeSynced(path string, data []byte) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	if _, err := f.Write(data); err != nil {
		return errors.Join(err, f.Close())
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
