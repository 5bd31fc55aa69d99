package registry

import (
	"context"
	"fmt"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// StandIn is one stand-in of an official image.
type StandIn struct {
	Ref    string `json:"ref"` // "debian:bookworm-slim"
	Digest string `json:"digest"`
	Size   int64  `json:"size"` // bytes of the layers as stored
}

// List gives the stand-ins in the registry, by name.
func List(ctx context.Context, from Target) ([]StandIn, error) {
	reg, err := name.NewRegistry(from.Addr, name.Insecure)
	if err != nil {
		return nil, fmt.Errorf("registry address %q: %w", from.Addr, err)
	}
	repos, err := remote.Catalog(ctx, reg, from.options(ctx)...)
	if err != nil {
		return nil, fmt.Errorf("list the images of the registry at %s: %w", from.Addr, err)
	}
	var out []StandIn
	for _, repo := range repos {
		if !strings.HasPrefix(repo, LibraryPrefix) {
			continue
		}
		found, err := listTags(ctx, from, reg.Repo(repo))
		if err != nil {
			return nil, fmt.Errorf("list %s: %w", repo, err)
		}
		out = append(out, found...)
	}
	return out, nil
}

func listTags(ctx context.Context, from Target, repo name.Repository) ([]StandIn, error) {
	tags, err := remote.List(repo, from.options(ctx)...)
	if err != nil {
		return nil, err
	}
	out := make([]StandIn, 0, len(tags))
	for _, tag := range tags {
		img, err := remote.Image(repo.Tag(tag), from.options(ctx)...)
		if err != nil {
			return nil, err
		}
		digest, err := img.Digest()
		if err != nil {
			return nil, err
		}
		manifest, err := img.Manifest()
		if err != nil {
			return nil, err
		}
		entry := StandIn{Ref: strings.TrimPrefix(repo.RepositoryStr(), LibraryPrefix) + ":" + tag, Digest: digest.String()}
		for _, l := range manifest.Layers {
			entry.Size += l.Size
		}
		out = append(out, entry)
	}
	return out, nil
}
