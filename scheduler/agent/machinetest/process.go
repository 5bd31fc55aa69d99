package machinetest

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Process is a program that runs on a machine.
type Process struct {
	Done <-chan struct{} // closed when it has ended
	pid  int             // as the machine of the tests counts
	door int             // of nsenter, its parent
	mu   sync.Mutex
	out  bytes.Buffer
}

// Write collects what it prints.
func (p *Process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.Write(b)
}

// Output is what it printed so far.
func (p *Process) Output() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.String()
}

// Signal sends one.
func (p *Process) Signal(t testing.TB, s syscall.Signal) {
	t.Helper()
	if err := syscall.Kill(p.pid, s); err != nil {
		t.Fatalf("%s to process %d: %v", s, p.pid, err)
	}
	if s == syscall.SIGCONT {
		p.unfreeze()
	}
}

// unfreeze continues nsenter, which stops with its child but not the other way.
func (p *Process) unfreeze() { _ = syscall.Kill(p.door, syscall.SIGCONT) }

// Start starts a program on the machine. It ends with the machine at the latest.
func (m *Machine) Start(t testing.TB, name string, args ...string) *Process {
	t.Helper()
	p, done := &Process{}, make(chan struct{})
	p.Done = done
	cmd := m.Command(context.Background(), name, args...)
	cmd.Stdout, cmd.Stderr = p, p
	cmd.WaitDelay = time.Second // what it left running may hold its output
	if err := cmd.Start(); err != nil {
		t.Fatal("start", name, "on", m.Name, err)
	}
	p.door = cmd.Process.Pid
	go func() { _ = cmd.Wait(); close(done) }()
	// nsenter starts the program as its child, in the machine's own count.
	if err := await(10*time.Second, p.Done, func() bool { p.pid = child(cmd); return p.pid != 0 }); err != nil {
		t.Fatalf("start %s on %s: %v\n%s", name, m.Name, err, p.Output())
	}
	return p
}

func child(cmd *exec.Cmd) int {
	pid := strconv.Itoa(cmd.Process.Pid)
	text, err := os.ReadFile(filepath.Join("/proc", pid, "task", pid, "children"))
	if err != nil {
		return 0
	}
	first, _, _ := strings.Cut(strings.TrimSpace(string(text)), " ")
	n, _ := strconv.Atoi(first)
	return n
}

// Await polls until ok.
func Await(t testing.TB, limit time.Duration, what string, ok func() bool) time.Duration {
	t.Helper()
	began := time.Now()
	if err := await(limit, nil, ok); err != nil {
		t.Fatalf("not %s: %v", what, err)
	}
	return time.Since(began)
}

// await polls, as there is nothing to wait on in another program.
func await(limit time.Duration, ended <-chan struct{}, ok func() bool) error {
	end := time.After(limit)
	for !ok() {
		select {
		case <-ended:
			return fmt.Errorf("the program ended")
		case <-end:
			return fmt.Errorf("within %s", limit)
		case <-time.After(10 * time.Millisecond):
		}
	}
	return nil
}

// Engine starts Docker on the machine, with the flags it is given besides, and
// waits until it answers at Socket.
func (m *Machine) Engine(t testing.TB, flags ...string) *Process {
	t.Helper()
	// What a killed one left would be taken for a running one's: nobody on the
	// machine buries the dead.
	_ = os.Remove(m.Path("docker.pid"))
	_ = os.Remove(m.Path("exec", "containerd", "containerd.pid"))
	// What its containerd writes when it seems to hang goes with the machine.
	p := m.Start(t, "env", append([]string{"TMPDIR=" + m.dir, "dockerd", "--data-root", m.Path("docker"), "--exec-root", m.Path("exec"), "--pidfile", m.Path("docker.pid"),
		"--host", m.Socket(), "--cgroup-parent", m.cgroup(), "--log-level", "warn"}, flags...)...)
	err := await(60*time.Second, p.Done, func() bool {
		_, err := m.Docker("version")
		return err == nil
	})
	if err != nil {
		t.Fatalf("Docker on %s: %v\n%s", m.Name, err, p.Output())
	}
	m.mu.Lock()
	m.engine = p
	m.mu.Unlock()
	return p
}

// Socket is the engine's address, the same on all machines of the lab.
func (m *Machine) Socket() string { return "unix://" + m.SocketPath() }

// SocketPath is its file.
func (m *Machine) SocketPath() string { return m.Path("d.sock") }

// Docker runs the engine's command line program.
func (m *Machine) Docker(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, "docker", append([]string{"--host", m.Socket()}, args...)...).CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

// Containers counts those that run, without asking the engine: to ask takes
// time from what is measured. The kernel counts the directories of a control group.
func (m *Machine) Containers() int {
	// With control groups of the first kind each controller has a tree of its own.
	for _, root := range []string{"/sys/fs/cgroup/pids", "/sys/fs/cgroup"} {
		var dir syscall.Stat_t
		if syscall.Stat(root+m.cgroup(), &dir) == nil {
			return int(dir.Nlink) - 2
		}
	}
	return 0
}

func (m *Machine) cgroup() string { return "/" + m.cable }

// sweepCgroups removes the groups that killed containers leave.
func sweepCgroups(name string) {
	roots, _ := filepath.Glob("/sys/fs/cgroup/*" + name)
	for _, root := range append(roots, "/sys/fs/cgroup"+name) {
		var dirs []string
		_ = filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
			if err == nil && d.IsDir() {
				dirs = append(dirs, path)
			}
			return nil
		})
		for i := len(dirs) - 1; i >= 0; i-- { // children first
			_ = syscall.Rmdir(dirs[i]) // one that is busy is empty in a moment; nothing depends on it
		}
	}
}
