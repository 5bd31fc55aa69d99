package docker_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"paas/scheduler/agent"
	"paas/scheduler/agent/docker"
)

const secretText = "password = of-the-files-test\n"

func withFiles(t *testing.T, files []agent.File, args ...string) agent.Assignment {
	a := assign(t, 21, args...)
	a.Files = files
	return a
}

// The content is where it should be and nowhere else, for any user, for as
// long as the instance is there.
func TestFiles(t *testing.T) {
	r := newRuntime(t, config())
	for user, image := range map[string]string{"root": imageProg, "1000": imageUser} {
		t.Run(user, func(t *testing.T) {
			files := []agent.File{{Path: "/etc/deep/app.conf", Content: []byte(secretText)}, {Path: "/tmp/app.conf", Content: []byte("in tmp")}}
			for path, want := range map[string]string{"/etc/deep/app.conf": secretText, "/tmp/app.conf": "in tmp"} {
				a := withFiles(t, files, "file", path)
				a.Image = image
				if got := strings.Join(output(t, r, a), "\n"); got != strings.TrimSuffix(want, "\n") {
					t.Errorf("%s: %q", path, got)
				}
				looksClean(t, a)
				remove(t, r, a.ID)
				if _, err := os.Stat(filepath.Join(filesDir, a.ID)); !os.IsNotExist(err) {
					t.Error("left on the host:", err)
				}
			}
			a := withFiles(t, files, "spoil", "/etc/deep/app.conf")
			a.Image = image
			if got := output(t, r, a); len(got) != 1 || !strings.Contains(got[0], "read-only") && !strings.Contains(got[0], "permission denied") {
				t.Error(got)
			}
		})
	}
}

// looksClean checks the container's own layer and what the host shows of the files.
func looksClean(t *testing.T, a agent.Assignment) {
	t.Helper()
	eng, name := engine(t), "paas-test-web.1-"+a.ID[len(a.ID)-8:]
	in, err := eng.ContainerInspect(deadline(t), name)
	if err != nil {
		t.Fatal(err)
	}
	diff, err := eng.ContainerDiff(deadline(t), name)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range diff {
		// The engine makes empty files to mount over, and the way to them.
		if !slices.Contains([]string{"/sbin", "/sbin/docker-init", "/etc", "/etc/deep", "/etc/deep/app.conf"}, d.Path) {
			t.Errorf("in the container's layer: %s", d.Path)
		}
	}
	if layer := in.GraphDriver.Data["UpperDir"]; layer != "" {
		if b, err := os.ReadFile(filepath.Join(layer, "etc/deep/app.conf")); err == nil && len(b) > 0 {
			t.Errorf("on the disk: %q", b)
		}
	}
	info, err := os.Stat(filepath.Join(filesDir, a.ID))
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Error(info, err)
	}
}

func TestFilesRefused(t *testing.T) {
	r := newRuntime(t, config())
	many := make([]agent.File, 300)
	for i := range many {
		many[i].Path = fmt.Sprint("/f", i)
	}
	for name, files := range map[string][]agent.File{
		"relative":           {{Path: "etc/app.conf"}},
		"not clean":          {{Path: "/etc/../etc/app.conf"}},
		"root":               {{Path: "/"}},
		"empty":              {{}},
		"kernel":             {{Path: "/proc/self/mem"}},
		"kernel itself":      {{Path: "/sys"}},
		"devices":            {{Path: "/dev/null"}},
		"the platform's":     {{Path: "/sbin/docker-init"}},
		"NUL":                {{Path: "/etc/a\x00b"}},
		"not UTF-8":          {{Path: "/etc/\xff"}},
		"long":               {{Path: "/" + strings.Repeat("x", 5000)}},
		"twice":              {{Path: "/a"}, {Path: "/a"}},
		"file as directory":  {{Path: "/a/b/c"}, {Path: "/a"}},
		"large":              {{Path: "/a", Content: make([]byte, 1<<20)}, {Path: "/b", Content: []byte("x")}},
		"many":               many,
		"tmp":                {{Path: "/tmp"}},
		"directory of image": {{Path: "/etc"}}, // the engine's own mounts are in it
	} {
		t.Run(name, func(t *testing.T) {
			a := withFiles(t, files, "silent")
			t.Cleanup(func() { remove(t, r, a.ID) })
			_, err := r.Start(deadline(t), a)
			if agent.KindOf(err) != agent.FaultApp || !strings.Contains(err.Error(), "config file") {
				t.Errorf("kind %v of %v", agent.KindOf(err), err)
			}
			if _, err := os.Stat(filepath.Join(filesDir, a.ID)); !os.IsNotExist(err) {
				t.Error("left on the host:", err)
			}
		})
	}
}

// What an earlier process left is swept when the containers are looked at;
// what is in use is not.
func TestFilesSwept(t *testing.T) {
	first := newRuntime(t, config())
	a := withFiles(t, []agent.File{{Path: "/a", Content: []byte("x")}}, "silent")
	t.Cleanup(func() { remove(t, first, a.ID) })
	if _, err := first.Start(deadline(t), a); err != nil {
		t.Fatal(err)
	}
	dead := filepath.Join(filesDir, "of-an-instance-that-is-gone")
	if err := os.MkdirAll(dead, 0o700); err != nil {
		t.Fatal(err)
	}
	second := newRuntime(t, config())
	if _, err := second.List(deadline(t)); err != nil {
		t.Fatal(err)
	}
	list, err := os.ReadDir(filesDir)
	if err != nil || slices.ContainsFunc(list, func(d os.DirEntry) bool { return d.Name() == filepath.Base(dead) }) {
		t.Error(list, err)
	}
	if _, err := os.Stat(filepath.Join(filesDir, a.ID, "0")); err != nil {
		t.Error(err)
	}
	remove(t, second, a.ID) // by another than the one who made it
	if _, err := os.Stat(filepath.Join(filesDir, a.ID)); !os.IsNotExist(err) {
		t.Error(err)
	}
}

func TestFilesDirIsChecked(t *testing.T) {
	disk, link := t.TempDir(), filesDir+"-link"
	if err := os.Symlink(t.TempDir(), link); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Remove(link) })
	for dir, want := range map[string]string{
		filepath.Join(disk, "files"): "is on a disk",
		link:                         "not a directory of our own",
		filepath.Join(disk, "there", "is", "none"): "no such file",
	} {
		cfg := config()
		cfg.FilesDir = dir
		if _, err := docker.New(cfg, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", dir, err)
		}
	}
	cfg := config()
	cfg.FilesDir = ""
	r := newRuntime(t, cfg)
	a := withFiles(t, []agent.File{{Path: "/a"}}, "silent")
	if _, err := r.Start(deadline(t), a); agent.KindOf(err) != agent.FaultLasting || !strings.Contains(err.Error(), "no directory in memory") {
		t.Error(err)
	}
}
