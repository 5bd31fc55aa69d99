package buildkit

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

func TestVolumesOfImage(t *testing.T) {
	c := v1.Config{Volumes: map[string]struct{}{"/data/": {}, "/data": {}, "/a/../b": {}, "relative": {}, "/" + strings.Repeat("x", 300): {}}}
	if got := volumes(c); !slices.Equal(got, []string{"/b", "/data"}) {
		t.Errorf("%q", got)
	}
	for n := range 100 {
		c.Volumes[fmt.Sprintf("/v%d", n)] = struct{}{}
	}
	if got := volumes(c); len(got) != 20 {
		t.Errorf("%d of them", len(got))
	}
}
