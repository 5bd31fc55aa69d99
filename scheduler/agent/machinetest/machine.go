// Package machinetest makes several machines out of one: each has processes,
// mounts, a name and a network of its own, a Docker Engine on top, and a cable
// to the machine that the tests run on. A machine can be killed, cut off and
// slowed down as a real one. Only tests import it; it needs root.
package machinetest

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// Lab is a set of machines on one switch, the test's own among them: who is
// gone is silent, as in any network. All of them reach Gateway,
// the machine of the tests, and Internet, an address of it that is not private.
type Lab struct {
	Gateway  string // "10.91.7.1"
	Internet string // "203.0.113.7"

	name string // of its switch
	dir  string
	slot int
	next int
}

// Machine is one of them.
type Machine struct {
	Name string // its host name
	Addr string // its private address, "10.91.7.11"

	t     testing.TB
	lab   *Lab
	dir   string
	cable string // the near end
	init  *exec.Cmd
	alive io.Closer // while it is open the machine lives

	mu     sync.Mutex
	engine *Process
}

// slots keep the labs of one test program apart; those of several begin at
// different ones.
var slots atomic.Int64

// New makes a lab. Without root the test is skipped.
func New(t testing.TB) *Lab {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("machines of their own need root")
	}
	slot := (os.Getpid() + int(slots.Add(1))*37) % 250
	dir, err := os.MkdirTemp("", "lab")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error("clean up:", err)
		}
	})
	l := &Lab{dir: dir, slot: slot, Gateway: fmt.Sprintf("10.91.%d.1", slot), Internet: fmt.Sprintf("203.0.113.%d", slot+1)}
	l.name = fmt.Sprintf("lab%d", slot)
	run(t, "ip", "link", "add", l.name, "type", "bridge")
	t.Cleanup(func() { _ = exec.Command("ip", "link", "del", l.name).Run() })
	run(t, "ip", "addr", "add", l.Gateway+"/24", "dev", l.name)
	run(t, "ip", "addr", "add", l.Internet+"/32", "dev", l.name)
	run(t, "ip", "link", "set", l.name, "up")
	return l
}

// Address makes the machine of the tests answer at one more address.
func (l *Lab) Address(t testing.TB, addr string) string {
	t.Helper()
	run(t, "ip", "addr", "add", addr+"/32", "dev", l.name)
	return addr
}

// Network is the lab's private network.
func (l *Lab) Network() netip.Prefix {
	return netip.PrefixFrom(netip.MustParseAddr(l.Gateway), 24).Masked()
}

// Machine makes one more. It lives until the test ends or Kill, and also ends
// with the test program.
func (l *Lab) Machine(t testing.TB, name string) *Machine {
	t.Helper()
	l.next++
	m := &Machine{Name: name, t: t, lab: l, dir: filepath.Join(l.dir, name), cable: fmt.Sprintf("lab%d-%d", l.slot, l.next),
		Addr: fmt.Sprintf("10.91.%d.%d", l.slot, l.next+10)}
	if err := os.MkdirAll(m.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	m.boot(t)
	t.Cleanup(m.Kill)
	return m
}

// boot starts the machine's first process and plugs the cable in. That process
// waits for the end of its input, which comes with the end of the tests
// whatever ends them, and takes all others of the machine along.
func (m *Machine) boot(t testing.TB) {
	t.Helper()
	m.init = exec.Command("cat")
	m.init.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:   syscall.CLONE_NEWPID | syscall.CLONE_NEWNET | syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC,
		Unshareflags: syscall.CLONE_NEWNS,
		Setpgid:      true,
	}
	in, err := m.init.StdinPipe()
	if err == nil {
		err = m.init.Start()
	}
	if err != nil {
		t.Fatal("boot", m.Name, err)
	}
	m.alive = in
	for _, c := range [][]string{
		{"mount", "-t", "proc", "proc", "/proc"},
		{"mount", "-t", "tmpfs", "tmpfs", "/dev/shm"},
		{"hostname", m.Name},
		{"ip", "link", "set", "lo", "up"},
	} {
		m.Run(t, c[0], c[1:]...)
	}
	if err := os.MkdirAll("/run/containerd", 0o711); err != nil {
		t.Fatal(err)
	}
	m.Run(t, "mount", "-t", "tmpfs", "tmpfs", "/run/containerd")
	m.plug(t)
}

func (m *Machine) plug(t testing.TB) {
	run(t, "ip", "link", "add", m.cable, "type", "veth", "peer", "name", "eth0", "netns", strconv.Itoa(m.init.Process.Pid))
	run(t, "ip", "link", "set", m.cable, "master", m.lab.name, "up")
	m.Run(t, "ip", "addr", "add", m.Addr+"/24", "dev", "eth0")
	m.Run(t, "ip", "link", "set", "eth0", "up")
	m.Run(t, "ip", "route", "add", "default", "via", m.lab.Gateway)
}

// Link pulls the cable out, or plugs it in again.
func (m *Machine) Link(t testing.TB, up bool) {
	t.Helper()
	state := "down"
	if up {
		state = "up"
	}
	run(t, "ip", "link", "set", m.cable, state)
}

// Kill ends the machine with everything on it, as a power cut: nothing on it
// can say a word. Its disk stays; Reboot goes on with it.
func (m *Machine) Kill() {
	m.mu.Lock()
	init, engine := m.init, m.engine
	m.init, m.engine = nil, nil
	m.mu.Unlock()
	if init == nil {
		return
	}
	// The cable first: what the kernel would send for dying sockets stays unsaid.
	_ = exec.Command("ip", "link", "del", m.cable).Run()
	_ = init.Process.Kill()
	_ = m.alive.Close()
	_ = init.Wait() // "signal: killed"
	if engine != nil {
		engine.unfreeze()
		<-engine.Done
	}
	sweepCgroups(m.cgroup())
}

// Reboot starts a killed machine again, with what its disk holds.
func (m *Machine) Reboot(t testing.TB) {
	t.Helper()
	m.boot(t)
}

// Command is a program to run on the machine.
func (m *Machine) Command(ctx context.Context, name string, args ...string) *exec.Cmd {
	m.mu.Lock()
	defer m.mu.Unlock()
	pid := "0" // of no process: nothing can be entered of a dead machine
	if m.init != nil {
		pid = strconv.Itoa(m.init.Process.Pid)
	}
	cmd := exec.CommandContext(ctx, "nsenter", append([]string{"--target", pid, "--mount", "--uts", "--ipc", "--net", "--pid", "--", name}, args...)...)
	cmd.Dir = m.dir
	return cmd
}

// Run runs a program on the machine to its end and gives what it printed.
func (m *Machine) Run(t testing.TB, name string, args ...string) string {
	t.Helper()
	out, err := m.Try(name, args...)
	if err != nil {
		t.Fatalf("%s: %s %v: %v\n%s", m.Name, name, args, err, out)
	}
	return out
}

// Try is Run for what may fail.
func (m *Machine) Try(name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	out, err := m.Command(ctx, name, args...).CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

// Path is a file on the machine's disk.
func (m *Machine) Path(parts ...string) string {
	return filepath.Join(append([]string{m.dir}, parts...)...)
}

func run(t testing.TB, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
}
