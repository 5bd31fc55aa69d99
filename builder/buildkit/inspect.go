package buildkit

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"path"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"paas/builder"
)

// inspect reads back what was pushed: what the registry says is what a host
// will pull.
func (b *Builder) inspect(ctx context.Context, repo, digest string) (builder.Image, error) {
	ref, err := name.NewDigest(b.cfg.Registry + "/" + repo + "@" + digest)
	if err != nil {
		return builder.Image{}, fmt.Errorf("build: image name: %w", err)
	}
	opts := []remote.Option{remote.WithContext(ctx)}
	if b.cfg.Auth != nil {
		user, password := b.cfg.Auth(repo)
		opts = append(opts, remote.WithAuth(&authn.Basic{Username: user, Password: password}))
	}
	desc, err := remote.Get(ref, opts...)
	if err != nil {
		return builder.Image{}, b.readBack(err)
	}
	img, arch, err := pick(desc)
	var failure *builder.Failure
	switch {
	case errors.As(err, &failure):
		return builder.Image{}, err
	case err != nil:
		return builder.Image{}, b.readBack(err)
	}
	manifest, err := img.Manifest()
	if err != nil {
		return builder.Image{}, b.readBack(err)
	}
	file, err := img.ConfigFile()
	if err != nil {
		return builder.Image{}, b.readBack(err)
	}
	out := builder.Image{
		Digest: digest, Entrypoint: file.Config.Entrypoint, Cmd: file.Config.Cmd,
		Port: singlePort(file.Config), User: file.Config.User, Arch: cmp.Or(arch, file.Architecture),
		Volumes: volumes(file.Config),
	}
	for _, l := range manifest.Layers {
		out.Size += l.Size
	}
	return out, nil
}

// pick is the image that is looked at, and what it runs on when there are
// several in an index: hosts pull the index, and each takes its own.
func pick(desc *remote.Descriptor) (img v1.Image, arch string, err error) {
	if !desc.MediaType.IsIndex() {
		img, err = desc.Image()
		return img, "", err
	}
	index, err := desc.ImageIndex()
	if err != nil {
		return nil, "", err
	}
	list, err := index.IndexManifest()
	if err != nil {
		return nil, "", err
	}
	byArch := map[string]v1.Hash{}
	for _, m := range list.Manifests {
		// What is of no platform, or an unknown one, is about the others.
		if p := m.Platform; p != nil && p.OS == "linux" && p.Architecture != "" {
			if _, known := byArch[p.Architecture]; !known {
				byArch[p.Architecture] = m.Digest
			}
		}
	}
	archs := slices.Sorted(maps.Keys(byArch))
	if len(archs) == 0 {
		return nil, "", &builder.Failure{Reason: "The image is an index without an image for Linux."}
	}
	look := archs[0]
	if slices.Contains(archs, runtime.GOARCH) {
		look = runtime.GOARCH
	}
	img, err = index.Image(byArch[look])
	return img, strings.Join(archs, ","), err
}

func (b *Builder) readBack(err error) error {
	err = fmt.Errorf("read the image back from the registry at %s: %w", b.cfg.Registry, err)
	var status *transport.Error
	if errors.As(err, &status) && status.StatusCode < http.StatusInternalServerError {
		return err
	}
	return fmt.Errorf("%w: %w", builder.ErrUnavailable, err)
}

// volumes are the paths that an image declares to be volumes.
func volumes(c v1.Config) (list []string) {
	const most, longest = 20, 255
	for p := range c.Volumes {
		if strings.HasPrefix(p, "/") && len(p) <= longest {
			list = append(list, path.Clean(p))
		}
	}
	slices.Sort(list)
	list = slices.Compact(list)
	return list[:min(len(list), most)]
}

// singlePort is the one TCP port that an image exposes, 0 when none or several.
func singlePort(c v1.Config) int {
	var ports []int
	for _, p := range slices.Sorted(maps.Keys(c.ExposedPorts)) {
		number, proto, _ := strings.Cut(p, "/")
		n, err := strconv.Atoi(number)
		if err == nil && n > 0 && n < 1<<16 && (proto == "" || proto == "tcp") {
			ports = append(ports, n)
		}
	}
	if len(ports) != 1 {
		return 0
	}
	return ports[0]
}
