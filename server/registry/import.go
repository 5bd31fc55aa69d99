package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/distribution/reference"
	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/compression"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// ImageConfig is what an imported image says about how it runs.
type ImageConfig struct {
	Env        []string // KEY=value
	Entrypoint []string
	Cmd        []string
	WorkingDir string
	User       string
	Arch       string // empty means this machine's
}

// Target is a registry to import to or list from.
type Target struct {
	Addr string // host:port, plain HTTP
	Auth Auth
}

// Import makes a one-layer image of rootfs, a tar archive (plain or gzip), and
// stores it as the stand-in of ref ("debian:bookworm-slim" or the same in
// full). It returns the manifest's digest. Importing the same again changes
// nothing.
func Import(ctx context.Context, to Target, ref, rootfs string, cfg ImageConfig) (string, error) {
	tag, err := to.tag(ref)
	if err != nil {
		return "", err
	}
	img, err := makeImage(rootfs, cfg)
	if err != nil {
		return "", fmt.Errorf("import %s: %w", ref, err)
	}
	digest, err := img.Digest()
	if err != nil {
		return "", fmt.Errorf("import %s from %s: %w", ref, rootfs, err)
	}
	if err := remote.Write(tag, img, to.options(ctx)...); err != nil {
		return "", fmt.Errorf("import %s: store it in the registry at %s: %w", ref, to.Addr, err)
	}
	return digest.String(), nil
}

func (t Target) options(ctx context.Context) []remote.Option {
	return []remote.Option{
		remote.WithContext(ctx),
		remote.WithAuth(&authn.Basic{Username: t.Auth.User, Password: t.Auth.Password}),
	}
}

// tag maps an official image's name to its place in the registry.
func (t Target) tag(ref string) (name.Tag, error) {
	named, err := reference.ParseNormalizedNamed(ref)
	if err != nil {
		return name.Tag{}, fmt.Errorf("image name %q: %w", ref, err)
	}
	if _, digested := named.(reference.Digested); digested {
		return name.Tag{}, fmt.Errorf("image name %q: a digest cannot be chosen, give a tag", ref)
	}
	repo := reference.Path(named)
	if reference.Domain(named) != "docker.io" || !strings.HasPrefix(repo, LibraryPrefix) {
		return name.Tag{}, fmt.Errorf("image name %q: only official images of docker.io (like debian:bookworm-slim) have stand-ins", ref)
	}
	tagged, ok := reference.TagNameOnly(named).(reference.Tagged)
	if !ok {
		return name.Tag{}, fmt.Errorf("image name %q has no tag", ref)
	}
	tag, err := name.NewTag(t.Addr+"/"+repo+":"+tagged.Tag(), name.Insecure)
	if err != nil {
		return name.Tag{}, fmt.Errorf("image name %q: %w", ref, err)
	}
	return tag, nil
}

func makeImage(rootfs string, cfg ImageConfig) (v1.Image, error) {
	if err := checkConfig(cfg); err != nil {
		return nil, err
	}
	if info, err := os.Stat(rootfs); err != nil {
		return nil, err
	} else if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a tar archive", rootfs)
	}
	layer, err := makeLayer(rootfs)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", rootfs, err)
	}
	img, err := mutate.Append(empty.Image, mutate.Addendum{
		Layer:   layer,
		History: v1.History{CreatedBy: "paas mirror:import"},
	})
	if err != nil {
		return nil, err
	}
	file, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	file = file.DeepCopy()
	file.OS, file.Architecture = "linux", cfg.arch()
	file.Created = v1.Time{Time: time.Unix(0, 0).UTC()} // the digest follows the contents alone
	file.Config = v1.Config{
		Env: cfg.Env, Entrypoint: cfg.Entrypoint, Cmd: cfg.Cmd, WorkingDir: cfg.WorkingDir, User: cfg.User,
	}
	return mutate.ConfigFile(img, file)
}

// makeLayer takes the archive as it is. Packing it would cost more than it
// saves: the layer crosses loopback only, and is unpacked on this machine.
func makeLayer(rootfs string) (v1.Layer, error) {
	f, err := os.Open(rootfs)
	if err != nil {
		return nil, err
	}
	magic := make([]byte, 2)
	_, err = io.ReadFull(f, magic)
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	media := types.DockerUncompressedLayer
	if magic[0] == 0x1f && magic[1] == 0x8b {
		media = types.DockerLayer
	}
	return tarball.LayerFromFile(rootfs, tarball.WithCompression(compression.None), tarball.WithMediaType(media))
}

func (c ImageConfig) arch() string {
	if c.Arch != "" {
		return c.Arch
	}
	return runtime.GOARCH
}

func checkConfig(cfg ImageConfig) error {
	for _, kv := range cfg.Env {
		if key, _, ok := strings.Cut(kv, "="); !ok || key == "" {
			return fmt.Errorf("environment %q is not KEY=value", kv)
		}
	}
	if cfg.WorkingDir != "" && !strings.HasPrefix(cfg.WorkingDir, "/") {
		return errors.New("the working directory is not an absolute path")
	}
	return nil
}
