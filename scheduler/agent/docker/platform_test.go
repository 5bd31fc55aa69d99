package docker_test

import (
	"context"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// Of an image for several architectures a host runs its own, though both have
// the name of the index.
func TestHostRunsItsOwnOfAnIndex(t *testing.T) {
	r := newRuntime(t, config())
	own, err := r.Capacity(deadline(t))
	if err != nil {
		t.Fatal(err)
	}
	other := map[string]string{"amd64": "arm64", "arm64": "amd64"}[own.Arch]
	var index v1.ImageIndex = empty.Index
	for _, arch := range []string{other, own.Arch} {
		ref, err := name.ParseReference(imageProg)
		if err != nil {
			t.Fatal(err)
		}
		img, err := remote.Image(ref, remote.WithTransport(withAuth{}))
		if err != nil {
			t.Fatal(err)
		}
		file, err := img.ConfigFile()
		if err != nil {
			t.Fatal(err)
		}
		file = file.DeepCopy()
		if file.Architecture = arch; arch == other {
			file.Config.Entrypoint = []string{"/of-another-machine"}
		}
		if img, err = mutate.ConfigFile(img, file); err != nil {
			t.Fatal(err)
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: img, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: arch}}})
	}
	hash, err := index.Digest()
	if err != nil {
		t.Fatal(err)
	}
	ref, err := name.NewDigest(registryHost + "/prog@" + hash.String())
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.WriteIndex(ref, index, remote.WithTransport(withAuth{})); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = engine(t).ImageRemove(context.Background(), ref.String(), imageForce) })
	a := assign(t, 9)
	a.Image = ref.String()
	t.Cleanup(func() { remove(t, r, a.ID) })
	c, err := r.Start(deadline(t), a)
	if err != nil || !c.Running {
		t.Fatalf("%+v %v", c, err)
	}
	img, err := engine(t).ImageInspect(deadline(t), ref.String())
	if err != nil || img.Architecture != own.Arch {
		t.Errorf("%s %v", img.Architecture, err)
	}
}
