package docker_test

import (
	"testing"

	"github.com/google/uuid"

	"paas/scheduler/agent"
)

// What a container writes is seen where no volume is, and only there.
func TestWrittenOutsideVolumes(t *testing.T) {
	r := newRuntime(t, config())
	m := agent.Mount{Volume: uuid.NewString(), Name: "data", Path: "/kept"}
	a := mounted(t, r, m, "fill", "/kept/a", "/lost/b")
	t.Cleanup(func() { remove(t, r, a.ID) })
	output(t, r, a)
	l, err := r.Written(deadline(t), a.ID)
	if err != nil || len(l.Paths) != 1 || l.Paths[0].Path != "/lost" || l.Paths[0].Bytes != 64<<10 || l.Paths[0].Mixed {
		t.Errorf("%+v %v", l, err)
	}
	if _, err := r.Written(deadline(t), "nobody"); err == nil {
		t.Error("of a container that is not there")
	}
}
