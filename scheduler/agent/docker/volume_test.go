package docker_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/volume"
	"github.com/google/uuid"

	"paas/scheduler/agent"
	"paas/scheduler/agent/agenttest"
	"paas/scheduler/agent/docker"
)

// mounted is an instance with a volume, which goes with the test.
func mounted(t *testing.T, r *docker.Runtime, m agent.Mount, args ...string) agent.Assignment {
	t.Helper()
	a := assign(t, 31, args...)
	a.Mounts = []agent.Mount{m}
	t.Cleanup(func() {
		if err := r.Discard(deadline(t), m.Volume); err != nil {
			t.Error("clean up:", err)
		}
	})
	return a
}

// What one instance writes the next one finds, whoever the process runs as.
func TestVolumeKeepsData(t *testing.T) {
	r := newRuntime(t, config())
	for user, image := range map[string]string{"root": imageProg, "1000": imageUser} {
		t.Run(user, func(t *testing.T) {
			m := agent.Mount{Volume: uuid.NewString(), Name: "data", Path: "/var/lib/data"}
			a := mounted(t, r, m, "note", "/var/lib/data/notes", "one")
			a.Image = image
			if got := output(t, r, a); !slices.Equal(got, []string{"one"}) {
				t.Fatal(got)
			}
			remove(t, r, a.ID)
			m.Made = true
			a = mounted(t, r, m, "note", "/var/lib/data/notes", "two")
			a.Image = image
			if got := output(t, r, a); !slices.Equal(got, []string{"one", "two"}) {
				t.Error(got)
			}
			if err := r.Weigh(deadline(t)); err != nil {
				t.Fatal(err)
			}
			st, err := r.Stock(deadline(t))
			i := slices.IndexFunc(st.Volumes, func(v agent.VolumeStock) bool { return v.ID == m.Volume })
			if err != nil || i < 0 || st.Volumes[i].Used < 4096 || st.DiskTotal < st.DiskFree || st.DiskFree == 0 {
				t.Errorf("%+v %v", st, err)
			}
		})
	}
}

// A volume cannot be shown below a file: that is said once, without the engine's
// own paths, and not tried again.
func TestVolumeBelowAFile(t *testing.T) {
	r := newRuntime(t, config())
	a := mounted(t, r, agent.Mount{Volume: uuid.NewString(), Name: "data", Path: "/prog/data"}, "silent")
	_, err := r.Start(deadline(t), a)
	if agent.KindOf(err) != agent.FaultApp || !strings.Contains(err.Error(), "nothing can be shown at /prog/data: a part of that path is a file in the image") {
		t.Fatalf("kind %v of %v", agent.KindOf(err), err)
	}
}

// A volume has one user at a time, is never replaced by an empty one, and goes
// only when nobody has it.
func TestVolumeHasOneUser(t *testing.T) {
	r := newRuntime(t, config())
	m := agent.Mount{Volume: uuid.NewString(), Name: "data", Path: "/data"}
	first := mounted(t, r, m, "hold")
	t.Cleanup(func() { remove(t, r, first.ID) })
	if _, err := r.Start(deadline(t), first); err != nil {
		t.Fatal(err)
	}
	second := mounted(t, r, m, "file", "/data/x")
	_, err := r.Start(deadline(t), second)
	if agent.KindOf(err) != agent.FaultEngine || !strings.Contains(err.Error(), "volume data: web.1 v7 still has it") {
		t.Errorf("two at a time: %v", err)
	}
	if err := r.Discard(deadline(t), m.Volume); !errors.Is(err, agent.ErrVolumeBusy) {
		t.Errorf("deleted under its user: %v", err)
	}
	remove(t, r, first.ID)
	if err := r.Discard(deadline(t), m.Volume); err != nil {
		t.Fatal(err)
	}
	if err := r.Discard(deadline(t), m.Volume); err != nil {
		t.Errorf("deleted twice: %v", err)
	}
	m.Made = true
	lost := mounted(t, r, m, "file", "/data/x")
	_, err = r.Start(deadline(t), lost)
	if agent.KindOf(err) != agent.FaultLasting || !strings.Contains(err.Error(), "its data is not on this host any more") {
		t.Errorf("with an empty one: %v", err)
	}
	m.Volume = "../../etc"
	bad := assign(t, 31)
	bad.Mounts = []agent.Mount{m}
	if _, err = r.Start(deadline(t), bad); agent.KindOf(err) != agent.FaultLasting {
		t.Errorf("an id that is none: %v", err)
	}
}

// What is not ours is neither used nor deleted.
func TestVolumeOfOthersIsLeftAlone(t *testing.T) {
	r, eng, id := newRuntime(t, config()), engine(t), uuid.NewString()
	name := "paas-volume-" + id
	if _, err := eng.VolumeCreate(deadline(t), volume.CreateOptions{Name: name}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := eng.VolumeRemove(context.WithoutCancel(t.Context()), name, true); err != nil {
			t.Error(err)
		}
	})
	a := mounted(t, r, agent.Mount{Volume: id, Name: "data", Path: "/data"}, "hold")
	if _, err := r.Start(deadline(t), a); agent.KindOf(err) != agent.FaultLasting || !strings.Contains(err.Error(), "not of this cluster") {
		t.Error(err)
	}
	if err := r.Discard(deadline(t), id); err != nil {
		t.Error(err)
	}
	if _, err := eng.VolumeInspect(deadline(t), name); err != nil {
		t.Error("it was deleted:", err)
	}
	st, err := r.Stock(deadline(t))
	if err != nil || slices.ContainsFunc(st.Volumes, func(v agent.VolumeStock) bool { return v.ID == id }) {
		t.Errorf("%+v %v", st, err)
	}
}

// The agent tells what it has soon after it began, and deletes what it is told to.
func TestAgentDiscards(t *testing.T) {
	r := newRuntime(t, config())
	m := agent.Mount{Volume: uuid.NewString(), Name: "data", Path: "/data"}
	a := mounted(t, r, m, "file", "/prog")
	if _, err := r.Start(deadline(t), a); err != nil {
		t.Fatal(err)
	}
	remove(t, r, a.ID)
	s := agenttest.NewStage(t, agent.Config{}, r)
	has := func() bool {
		st, err := r.Stock(deadline(t))
		return err == nil && slices.ContainsFunc(st.Volumes, func(v agent.VolumeStock) bool { return v.ID == m.Volume })
	}
	told := func() bool {
		return slices.ContainsFunc(s.Control.Beats(), func(b agent.Beat) bool {
			return b.Stock != nil && slices.ContainsFunc(b.Stock.Volumes, func(v agent.VolumeStock) bool { return v.ID == m.Volume })
		})
	}
	soon(t, "the stock is told", told)
	s.Control.Set(agent.Assignment{ID: "discard-" + m.Volume, Discard: m.Volume, Stop: true})
	soon(t, "the volume is gone", func() bool { return !has() })
}

func soon(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("in vain:", what)
		}
	}
}
