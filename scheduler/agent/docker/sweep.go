package docker

import (
	"context"
	"slices"
	"strings"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/image"
)

// RemoveImages is agent.ImageRemover. Ours are the images that were pulled
// from a registry of the cluster; one that a container uses stays, because the
// engine refuses to remove it without force.
func (r *Runtime) RemoveImages(ctx context.Context, keep []string) (int, error) {
	listing, cancel := context.WithTimeout(ctx, r.cfg.StartTimeout)
	defer cancel()
	list, err := r.cli.ImageList(listing, image.ListOptions{})
	if err != nil {
		return 0, r.fault("list images", err)
	}
	removed := 0
	for _, img := range list {
		for _, ref := range img.RepoDigests {
			if !r.ours(ref) || slices.Contains(keep, ref) {
				continue
			}
			gone, err := r.removeImage(ctx, ref)
			if err != nil {
				return removed, err
			}
			if gone {
				removed++
			}
		}
	}
	return removed, nil
}

func (r *Runtime) ours(ref string) bool {
	host, _, _ := strings.Cut(ref, "/")
	_, ok := r.cfg.RegistryAuth[host]
	return ok
}

func (r *Runtime) removeImage(ctx context.Context, ref string) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, r.cfg.StartTimeout)
	defer cancel()
	_, err := r.cli.ImageRemove(ctx, ref, image.RemoveOptions{PruneChildren: true})
	switch {
	case err == nil:
		return true, nil
	case missing(err), cerrdefs.IsConflict(err):
		return false, nil
	}
	return false, r.fault("remove image "+ref, err)
}
