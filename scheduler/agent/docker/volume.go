package docker

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"io"
	"path"
	"regexp"
	"strconv"
	"strings"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/volume"

	"paas/scheduler/agent"
)

// labelVolume holds the id of a volume, on the volume.
const labelVolume = "paas.volume"

// volumeID is what ids of volumes look like: nothing else gets into a name.
var volumeID = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

func volumeName(id string) string { return "paas-volume-" + id }

// checkMounts refuses what the control plane would not ask for.
func checkMounts(list []agent.Mount) error {
	for _, m := range list {
		if !volumeID.MatchString(m.Volume) {
			return lasting("volume %s: %q is no id of one", m.Name, m.Volume)
		}
		if err := checkPath(m.Path); err != nil {
			return lasting("volume %s cannot be at %q", m.Name, m.Path)
		}
	}
	return nil
}

// ensureVolumes makes the volumes of an instance that are not there yet. It
// says which have nothing in them that anybody put there.
func (r *Runtime) ensureVolumes(ctx context.Context, a agent.Assignment) (fresh []agent.Mount, mounts []mount.Mount, err error) {
	for _, m := range a.Mounts {
		made, err := r.ensureVolume(ctx, a, m)
		if err != nil {
			return nil, nil, err
		}
		if made || !m.Made {
			fresh = append(fresh, m)
		}
		mounts = append(mounts, mount.Mount{Type: mount.TypeVolume, Source: volumeName(m.Volume), Target: m.Path})
	}
	return fresh, mounts, nil
}

func (r *Runtime) ensureVolume(ctx context.Context, a agent.Assignment, m agent.Mount) (made bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, r.cfg.StartTimeout)
	defer cancel()
	name, step := volumeName(m.Volume), "look for volume "+m.Name
	v, err := r.cli.VolumeInspect(ctx, name)
	switch {
	case err == nil && v.Labels[labelCluster] != r.cfg.Cluster:
		return false, lasting("%s: %s is not of this cluster; nothing was started", step, name)
	case err == nil:
		return false, r.unused(ctx, a, m)
	case !missing(err):
		return false, r.fault(step, err)
	case m.Made:
		return false, lasting("%s: its data is not on this host any more (there is no Docker volume %s); nothing was started with an empty one. Put the data back under that name, or destroy the volume and make another", step, name)
	}
	_, err = r.cli.VolumeCreate(ctx, volume.CreateOptions{Name: name, Driver: m.Driver,
		Labels: map[string]string{labelCluster: r.cfg.Cluster, labelVolume: m.Volume, labelAppID: a.AppID, labelApp: a.App}})
	if err != nil {
		return false, r.fault("make volume "+m.Name, err)
	}
	return true, nil
}

// unused makes sure that no other process writes to a volume: one that is on
// its way out has it until it is gone.
func (r *Runtime) unused(ctx context.Context, a agent.Assignment, m agent.Mount) error {
	list, err := r.cli.ContainerList(ctx, container.ListOptions{Filters: filters.NewArgs(filters.Arg("volume", volumeName(m.Volume)))})
	if err != nil {
		return r.fault("look who has volume "+m.Name, err)
	}
	for _, c := range list {
		if c.Labels[labelInstance] != a.ID {
			// Kind engine: it lasts as long as the other's time to stop.
			return &agent.Fault{Kind: agent.FaultEngine, Err: fmt.Errorf("volume %s: %s v%s still has it", m.Name, c.Labels[labelName], c.Labels[labelRelease])}
		}
	}
	return nil
}

// own gives the root of fresh volumes to the user that the process runs as,
// unless the image has something at their place, which the engine has put there
// with its owner. The container is made and not started.
func (r *Runtime) own(ctx context.Context, id string, fresh []agent.Mount) error {
	if len(fresh) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, r.cfg.StartTimeout)
	defer cancel()
	in, err := r.cli.ContainerInspect(ctx, id)
	if err != nil {
		return r.fault("inspect container "+id, err)
	}
	user, _, _ := strings.Cut(in.Config.User, ":")
	if user == "" || user == "0" || user == "root" {
		return nil
	}
	uid, gid, known := r.ids(ctx, id, user)
	for _, m := range fresh {
		if bare, err := r.bare(ctx, id, m.Path); err != nil || !bare {
			continue // better as the image has it than not started
		}
		head := tar.Header{Typeflag: tar.TypeDir, Name: path.Base(m.Path) + "/", Mode: 0o755, Uid: uid, Gid: gid}
		if !known {
			head.Mode = 0o777 // only this app's processes get there
		}
		if err := r.putDir(ctx, id, path.Dir(m.Path), head); err != nil {
			return r.fault("give volume "+m.Name+" to user "+user, err)
		}
	}
	return nil
}

// bare says that a directory in a container is root's and empty.
func (r *Runtime) bare(ctx context.Context, id, dir string) (bool, error) {
	body, _, err := r.cli.CopyFromContainer(ctx, id, dir)
	if err != nil {
		return false, err
	}
	defer body.Close()
	t := tar.NewReader(body)
	head, err := t.Next()
	if err != nil || head.Uid != 0 {
		return false, err
	}
	_, err = t.Next()
	return err == io.EOF, nil
}

func (r *Runtime) putDir(ctx context.Context, id, in string, head tar.Header) error {
	var b bytes.Buffer
	t := tar.NewWriter(&b)
	if err := t.WriteHeader(&head); err != nil {
		return err
	}
	if err := t.Close(); err != nil {
		return err
	}
	return r.cli.CopyToContainer(ctx, id, in, &b, container.CopyToContainerOptions{})
}

// ids are the numbers of a user, which the image's own list tells for a name.
func (r *Runtime) ids(ctx context.Context, id, user string) (uid, gid int, ok bool) {
	n, err := strconv.Atoi(user)
	if err == nil && n > 0 {
		uid, ok = n, true
	}
	body, _, err := r.cli.CopyFromContainer(ctx, id, "/etc/passwd")
	if err != nil {
		return uid, uid, ok
	}
	defer body.Close()
	t := tar.NewReader(body)
	if _, err := t.Next(); err != nil {
		return uid, uid, ok
	}
	const longest = 1 << 20
	list, err := io.ReadAll(io.LimitReader(t, longest))
	if err != nil {
		return uid, uid, ok
	}
	for line := range strings.Lines(string(list)) {
		f := strings.Split(strings.TrimSpace(line), ":")
		if len(f) < 4 || f[0] != user && f[2] != user {
			continue
		}
		u, uerr := strconv.Atoi(f[2])
		g, gerr := strconv.Atoi(f[3])
		if uerr == nil && gerr == nil {
			return u, g, true
		}
	}
	return uid, uid, ok
}

// Discard is agent.Keeper.
func (r *Runtime) Discard(ctx context.Context, id string) error {
	if !volumeID.MatchString(id) {
		return fmt.Errorf("delete volume: %q is no id of one", id)
	}
	ctx, cancel := context.WithTimeout(ctx, r.cfg.StartTimeout)
	defer cancel()
	if err := r.negotiate(ctx); err != nil {
		return r.fault("delete volume "+id, err)
	}
	v, err := r.cli.VolumeInspect(ctx, volumeName(id))
	if missing(err) {
		return nil
	}
	if err == nil && (v.Labels[labelCluster] != r.cfg.Cluster || v.Labels[labelVolume] != id) {
		return nil // somebody else's
	}
	if err == nil {
		err = r.cli.VolumeRemove(ctx, v.Name, false)
	}
	switch {
	case err == nil:
		r.log.Info("destroyed volume deleted", "volume", id, "app", v.Labels[labelApp])
		return nil
	case missing(err):
		return nil
	case cerrdefs.IsConflict(err):
		return fmt.Errorf("delete volume %s: %w", id, agent.ErrVolumeBusy)
	}
	return r.fault("delete volume "+id, err)
}
