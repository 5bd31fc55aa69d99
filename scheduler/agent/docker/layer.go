package docker

import (
	"cmp"
	"context"
	"errors"
	"io"
	"os"
	"path"
	"slices"
	"strings"
	"syscall"

	"paas/scheduler/agent"
)

const (
	maxLayer  = 20_000   // files of one instance that are looked at
	maxGroups = 1000     // directories that are kept apart meanwhile
	leastTold = 16 << 10 // bytes in a directory: less is a lock, a note of a process id
)

// Written is agent.Keeper. The engine would walk the whole layer and answer with
// every name in it; this looks into the layer's directory itself, up to a bound.
// Where it sees none, as with another storage driver, it tells nothing.
func (r *Runtime) Written(ctx context.Context, instance string) (agent.Layer, error) {
	id, err := r.find(ctx, instance)
	if err != nil {
		return agent.Layer{}, err
	}
	in, err := r.cli.ContainerInspect(ctx, id)
	if err != nil {
		return agent.Layer{}, r.fault("inspect container "+id, err)
	}
	upper := in.GraphDriver.Data["UpperDir"]
	if upper == "" {
		return agent.Layer{}, nil
	}
	lower := strings.Split(in.GraphDriver.Data["LowerDir"], ":")
	return readLayer(ctx, upper, lower, maxLayer)
}

// layerWalk adds up files of a layer by the directory to name for them: the
// topmost in which the image has nothing, or, among the image's own files, theirs.
type layerWalk struct {
	left   int
	lower  []*os.Root // the image's layers
	groups map[string]*agent.Written
}

// readLayer looks at the files in upper that lie over those in lower.
func readLayer(ctx context.Context, upper string, lower []string, most int) (agent.Layer, error) {
	root, err := os.OpenRoot(upper)
	if err != nil {
		return agent.Layer{}, err
	}
	defer root.Close()
	w := layerWalk{left: most, groups: map[string]*agent.Written{}}
	for _, dir := range lower {
		if l, err := os.OpenRoot(dir); err == nil {
			defer l.Close()
			w.lower = append(w.lower, l)
		}
	}
	err = w.dir(ctx, root, "/", "", 0)
	if err != nil && !errors.Is(err, errWalk) {
		return agent.Layer{}, err
	}
	var out agent.Layer
	for _, g := range w.groups {
		if g.Bytes >= leastTold {
			out.Paths = append(out.Paths, *g)
		}
	}
	slices.SortFunc(out.Paths, func(a, b agent.Written) int {
		return cmp.Or(cmp.Compare(b.Bytes, a.Bytes), cmp.Compare(a.Path, b.Path))
	})
	out.Paths = out.Paths[:min(len(out.Paths), agent.MaxWritten)]
	return out, nil
}

// dir looks at a directory; group is the one to name, empty while the image has
// files there, too.
func (w *layerWalk) dir(ctx context.Context, at *os.Root, name, group string, depth int) error {
	d, err := at.Open(".")
	if err != nil {
		return err
	}
	defer d.Close()
	for {
		list, err := d.ReadDir(walkBatch)
		for _, e := range list {
			if err := w.entry(ctx, at, e, name, group, depth); err != nil {
				return err
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (w *layerWalk) entry(ctx context.Context, at *os.Root, e os.DirEntry, dir, group string, depth int) error {
	if w.left--; w.left < 0 || depth >= walkDepth {
		return errWalk
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	full := path.Join(dir, e.Name())
	if passing(full) {
		return nil
	}
	if !e.IsDir() {
		return w.file(at, e, dir, group)
	}
	if group == "" && w.bare(full) {
		group = full
	}
	sub, err := at.OpenRoot(e.Name())
	if err != nil { // gone meanwhile, or no directory any more
		return nil
	}
	defer sub.Close()
	return w.dir(ctx, sub, full, group, depth+1)
}

func (w *layerWalk) file(at *os.Root, e os.DirEntry, dir, group string) error {
	info, err := at.Lstat(e.Name())
	if err != nil || !info.Mode().IsRegular() { // what was deleted is a device here
		return nil
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return nil
	}
	name := cmp.Or(group, dir)
	g := w.groups[name]
	if g == nil {
		if len(w.groups) == maxGroups {
			return errWalk
		}
		g = &agent.Written{Path: name, Mixed: group == ""}
		w.groups[name] = g
	}
	g.Bytes += st.Blocks * 512
	return nil
}

// bare says that the image has nothing in a directory: it is not there, or was
// put there for what is to come.
func (w *layerWalk) bare(dir string) bool {
	for _, l := range w.lower {
		in := strings.TrimPrefix(dir, "/")
		if info, err := l.Lstat(in); err != nil || !info.IsDir() {
			continue
		}
		d, err := l.Open(in)
		if err != nil {
			return false
		}
		_, err = d.ReadDir(1)
		_ = d.Close()
		if err == nil {
			return false
		}
	}
	return true
}

// passing says that what is at a path is not meant to last.
func passing(p string) bool {
	switch path.Base(p) {
	case "tmp", "cache", ".cache", "__pycache__", "log", "logs", ".npm":
		return true
	}
	return slices.Contains([]string{"/dev", "/etc", "/proc", "/run", "/sys", "/var/lock", "/var/run"}, p)
}
