package buildkit_test

import (
	"runtime"
	"testing"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"paas/builder/buildkit"
	"paas/server/registry"
)

// index pushes one with an image for each of the platforms to our registry.
func (h *house) index(t *testing.T, repo string, platforms ...v1.Platform) (digest string) {
	t.Helper()
	var index v1.ImageIndex = empty.Index
	for _, p := range platforms {
		img, err := random.Image(1024, 1)
		if err != nil {
			t.Fatal(err)
		}
		file, err := img.ConfigFile()
		if err != nil {
			t.Fatal(err)
		}
		file = file.DeepCopy()
		file.OS, file.Architecture, file.Config = p.OS, p.Architecture, v1.Config{Cmd: []string{"/for-" + p.Architecture}}
		if img, err = mutate.ConfigFile(img, file); err != nil {
			t.Fatal(err)
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: img, Descriptor: v1.Descriptor{Platform: &p}})
	}
	hash, err := index.Digest()
	if err != nil {
		t.Fatal(err)
	}
	ref, err := name.NewDigest(h.reg.Addr() + "/" + repo + "@" + hash.String())
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.WriteIndex(ref, index, remote.WithContext(t.Context()), remote.WithAuth(&authn.Basic{Username: "paas", Password: password})); err != nil {
		t.Fatal(err)
	}
	return hash.String()
}

// Of an index all platforms count that hosts may have; what it says beside them
// is none.
func TestPlatformsOfAnIndex(t *testing.T) {
	h := shared(t)
	b := h.builder(t)
	linux := func(arch string) v1.Platform { return v1.Platform{OS: "linux", Architecture: arch} }
	unknown := v1.Platform{OS: "unknown", Architecture: "unknown"}
	for name, c := range map[string]struct {
		platforms []v1.Platform
		arch, cmd string
	}{
		"both":       {[]v1.Platform{linux("arm64"), linux("amd64"), unknown}, "amd64,arm64", "/for-" + runtime.GOARCH},
		"one":        {[]v1.Platform{linux("s390x"), unknown}, "s390x", "/for-s390x"},
		"other":      {[]v1.Platform{{OS: "windows", Architecture: "amd64"}, linux("riscv64")}, "riscv64", "/for-riscv64"},
		"not a host": {[]v1.Platform{{OS: "windows", Architecture: "amd64"}}, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			digest := h.index(t, app(t), c.platforms...)
			img, err := buildkit.Inspect(t.Context(), b, app(t), digest)
			if c.arch == "" {
				if err == nil {
					t.Errorf("%+v", img)
				}
				return
			}
			if err != nil || img.Digest != digest || img.Arch != c.arch || len(img.Cmd) != 1 || img.Cmd[0] != c.cmd {
				t.Errorf("%+v %v, want %s", img, err, c.arch)
			}
		})
	}
}

// What is built upon an image for another architecture is for that one.
func TestBuildForAnotherArchitecture(t *testing.T) {
	h := shared(t)
	other := map[string]string{"amd64": "arm64", "arm64": "amd64"}[runtime.GOARCH]
	_, err := registry.Import(t.Context(), registry.Target{Addr: h.reg.Addr(), Auth: h.reg.Auth()}, "other-tool:1", h.tool, registry.ImageConfig{Arch: other})
	if err != nil {
		t.Fatal(err)
	}
	img, _ := mustBuild(t, h.builder(t), tree(map[string]string{"Dockerfile": "FROM --platform=linux/" + other + " other-tool:1\nCOPY file /\nCMD [\"/file\"]\n", "file": "x"}))
	if img.Arch != other {
		t.Errorf("%+v", img)
	}
}
