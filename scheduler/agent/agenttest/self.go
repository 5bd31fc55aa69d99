package agenttest

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
)

// Self is what a process in a container can tell of its own confinement.
type Self struct {
	Hostname   string
	Init       string            // name of process 1
	Status     map[string]string // of /proc/self/status
	Files      syscall.Rlimit
	TmpMount   string // options of /tmp
	TmpExec    string // why a program in /tmp could not be run
	Port80     string // why port 80 could not be bound, empty when it could
	MountError string
	Interfaces int
}

func (p Process) self() int {
	s := Self{Status: map[string]string{}}
	s.Hostname, _ = os.Hostname()
	comm, _ := os.ReadFile("/proc/1/comm")
	s.Init = strings.TrimSpace(string(comm))
	status, _ := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(status)) {
		if k, v, ok := strings.Cut(line, ":"); ok {
			s.Status[k] = strings.TrimSpace(v)
		}
	}
	_ = syscall.Getrlimit(syscall.RLIMIT_NOFILE, &s.Files)
	mounts, _ := os.ReadFile("/proc/self/mounts")
	for line := range strings.Lines(string(mounts)) {
		if f := strings.Fields(line); len(f) > 3 && f[1] == "/tmp" {
			s.TmpMount = f[0] + " " + f[3]
		}
	}
	if exe, err := os.ReadFile("/proc/self/exe"); err == nil {
		_ = os.WriteFile("/tmp/x", exe, 0o755)
		s.TmpExec = fmt.Sprint(exec.Command("/tmp/x", "exit", "0").Run())
	}
	if l, err := net.Listen("tcp", ":80"); err != nil {
		s.Port80 = err.Error()
	} else {
		l.Close()
	}
	s.MountError = fmt.Sprint(syscall.Mount("none", "/tmp", "tmpfs", 0, ""))
	ifs, _ := net.Interfaces()
	s.Interfaces = len(ifs)
	if err := json.NewEncoder(p.Out).Encode(s); err != nil {
		return 1
	}
	return 0
}
