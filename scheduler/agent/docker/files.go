package docker

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"unicode/utf8"

	"github.com/docker/docker/api/types/mount"

	"paas/scheduler/agent"
)

// Bounds of the files of one instance.
const (
	maxFiles     = 256
	maxFilesSize = 1 << 20 // bytes of all
	maxPath      = 4096
)

// The file systems that are memory.
const (
	tmpfsMagic = 0x01021994
	ramfsMagic = 0x858458f6
)

// files keeps what instances find in their file systems, each in a directory
// of its own under dir, which is there while there are any. Empty dir: none
// can be kept.
type files struct {
	dir string

	mu   sync.Mutex
	made map[string]bool // by this runtime and not removed: never swept
}

// newFiles checks the directory, which has to be in memory: config files hold
// secrets, and what was on a disk once can be read from it for long.
func newFiles(dir string) (*files, error) {
	f := &files{dir: dir, made: map[string]bool{}}
	if dir == "" {
		return f, nil
	}
	var fs syscall.Statfs_t
	if err := syscall.Statfs(filepath.Dir(dir), &fs); err != nil {
		return nil, fmt.Errorf("docker: directory for config files %s: %w", dir, err)
	}
	if kind := uint32(fs.Type); kind != tmpfsMagic && kind != ramfsMagic {
		return nil, fmt.Errorf("docker: %s is on a disk; config files hold secrets and are kept in memory only: name a directory of a tmpfs, as /dev/shm is", dir)
	}
	if err := f.own(); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("docker: directory for config files: %w", err)
	}
	return f, nil
}

// own checks that the directory is ours: anybody may make one in /dev/shm.
func (f *files) own() error {
	info, err := os.Lstat(f.dir)
	if err != nil {
		return err
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !info.IsDir() || !ok || int(owner.Uid) != os.Geteuid() {
		return fmt.Errorf("%s is not a directory of our own; config files hold secrets, so remove it or name another", f.dir)
	}
	return os.Chmod(f.dir, 0o700)
}

// checkFiles refuses what must not be, or cannot be, in a container.
func checkFiles(list []agent.File) error {
	size, seen := 0, map[string]bool{}
	for _, f := range list {
		if err := checkPath(f.Path); err != nil {
			return err
		}
		if seen[f.Path] {
			return appFault("config file %s: there are two of that name", f.Path)
		}
		seen[f.Path] = true
		size += len(f.Content)
	}
	for p := range seen {
		for up := path.Dir(p); up != "/"; up = path.Dir(up) {
			if seen[up] {
				return appFault("config file %s: %s is a file and cannot be its directory", p, up)
			}
		}
	}
	if len(list) > maxFiles || size > maxFilesSize {
		return appFault("%d config files of %d bytes: at most %d of together %d bytes are possible", len(list), size, maxFiles, maxFilesSize)
	}
	return nil
}

func checkPath(p string) error {
	switch {
	case len(p) > maxPath:
		return appFault("config file %.40q…: the path is longer than %d bytes", p, maxPath)
	case !utf8.ValidString(p) || strings.ContainsRune(p, 0):
		return appFault("config file %q: the path is not UTF-8 or holds a NUL byte", p)
	case !path.IsAbs(p) || path.Clean(p) != p || p == "/":
		return appFault("config file %q: the path has to be absolute, without . and .. in it", p)
	case p == "/tmp" || p == initPath:
		return appFault("config file %s: the place is taken by the platform", p)
	}
	for _, own := range []string{"/proc", "/sys", "/dev"} {
		if p == own || strings.HasPrefix(p, own+"/") {
			return appFault("config file %s: %s is the kernel's", p, own)
		}
	}
	return nil
}

// write puts the files of an instance in place and says how to show them.
// What an earlier try left is replaced.
func (f *files) write(a agent.Assignment) ([]mount.Mount, error) {
	if len(a.Files) == 0 {
		return nil, nil
	}
	if f.dir == "" {
		return nil, lasting("config files of %s: this host has no directory in memory for them (/dev/shm)", a.Name)
	}
	if nameable(a.ID) != a.ID || strings.Trim(a.ID, ".") == "" {
		return nil, lasting("config files of %s: %q is no name for a directory", a.Name, a.ID)
	}
	dir, err := f.room(a.ID)
	var mounts []mount.Mount
	if err == nil {
		mounts, err = fill(dir, a.Files)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("write config files of %s: %w", a.Name, err), f.remove(a.ID))
	}
	return mounts, nil
}

// room makes an empty directory for the files of an instance.
func (f *files) room(instance string) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.made[instance] = true
	if err := os.Mkdir(f.dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return "", err
	}
	if err := f.own(); err != nil {
		return "", err
	}
	dir := filepath.Join(f.dir, instance)
	if err := os.RemoveAll(dir); err != nil {
		return "", err
	}
	return dir, os.Mkdir(dir, 0o700)
}

func fill(dir string, list []agent.File) ([]mount.Mount, error) {
	mounts := make([]mount.Mount, 0, len(list))
	for n, file := range list {
		source := filepath.Join(dir, strconv.Itoa(n))
		if err := os.WriteFile(source, file.Content, 0o444); err != nil {
			return nil, err
		}
		// Whatever the umask: the process may be any user. The directory keeps
		// those of this machine out.
		if err := os.Chmod(source, 0o444); err != nil {
			return nil, err
		}
		mounts = append(mounts, mount.Mount{Type: mount.TypeBind, Source: source, Target: file.Path, ReadOnly: true,
			BindOptions: &mount.BindOptions{Propagation: mount.PropagationRPrivate}})
	}
	return mounts, nil
}

// remove takes the files of an instance away. None is no error.
func (f *files) remove(instance string) error {
	if f.dir == "" || nameable(instance) != instance || strings.Trim(instance, ".") == "" {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := os.RemoveAll(filepath.Join(f.dir, instance)); err != nil {
		return fmt.Errorf("remove config files of instance %s: %w", instance, err)
	}
	delete(f.made, instance)
	_ = os.Remove(f.dir) // fails while there are others
	return nil
}

// kept lists the instances that have files here.
func (f *files) kept() []string {
	if f.dir == "" {
		return nil
	}
	list, err := os.ReadDir(f.dir)
	if err != nil {
		return nil
	}
	names := make([]string, len(list))
	for i, d := range list {
		names[i] = d.Name()
	}
	return names
}

// sweep removes the files of instances that are gone: kept is what there was
// before the list of containers was made. Those of this runtime's own making
// go with their instance.
func (f *files) sweep(kept []string, found []agent.Container) error {
	live := map[string]bool{}
	for _, c := range found {
		live[c.Instance] = true
	}
	var errs []error
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, name := range kept {
		if !live[name] && !f.made[name] {
			errs = append(errs, os.RemoveAll(filepath.Join(f.dir, name)))
		}
	}
	if len(kept) > 0 {
		_ = os.Remove(f.dir) // fails while there are others
	}
	return errors.Join(errs...)
}

// sweepFiles is sweep for a list of containers; it is tried again with the next.
func (r *Runtime) sweepFiles(ctx context.Context, kept []string, found []agent.Container) {
	if err := r.files.sweep(kept, found); err != nil && ctx.Err() == nil {
		r.log.Warn("cannot remove config files of instances that are gone", "err", err)
	}
}
