package machinetest

import (
	"os"
	"testing"
)

// Disk gives the machine's engine a file system of its own, of so many bytes,
// until the machine ends. Call it before Engine. Without loop devices the test is
// skipped.
func (m *Machine) Disk(t testing.TB, size int64) {
	t.Helper()
	if _, err := os.Stat("/dev/loop-control"); err != nil {
		t.Skip("a disk of its own needs loop devices:", err)
	}
	image := m.Path("docker.img")
	f, err := os.Create(image)
	if err == nil {
		err = f.Truncate(size)
	}
	if err == nil {
		err = f.Close()
	}
	if err == nil {
		err = os.MkdirAll(m.Path("docker"), 0o710)
	}
	if err != nil {
		t.Fatal("disk of", m.Name, err)
	}
	m.Run(t, "mkfs.ext4", "-q", "-F", "-m", "0", image)
	m.Run(t, "mount", "-o", "loop", image, m.Path("docker"))
}
