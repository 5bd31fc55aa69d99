package docker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	// hangUp is how long processes have to end at SIGHUP or SIGTERM when their
	// client went away.
	hangUp = 2 * time.Second
	// killLimit bounds the whole killing; one pass takes milliseconds.
	killLimit = 15 * time.Second
	// notBegun is how long a process that was asked for may take to appear.
	notBegun = 3 * time.Second
	proc     = "/proc"
)

// process is one of this machine, told from others that bore its number before
// or will after by the time of its start (in ticks since the machine's).
type process struct {
	pid   int
	start uint64
}

// know notes the init of the execution, once.
func (e *execution) know(pid int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.root.pid != 0 {
		return
	}
	if s, err := readStat(pid); err == nil && inContainer(pid, e.container) {
		e.root = process{pid, s.start}
	}
}

// kill ends the process and all it started. The engine cannot: it can only
// signal the main process. The init is halted first, so that it stays parent
// to all that lose theirs while they are killed, and goes last.
func (e *execution) kill(ctx context.Context, tty bool) error {
	ctx, cancel := context.WithTimeout(ctx, killLimit)
	defer cancel()
	root, err := e.find(ctx)
	if err != nil || root.pid == 0 {
		return err
	}
	gentle := syscall.SIGTERM
	if tty {
		gentle = syscall.SIGHUP // what a terminal does that goes away
	}
	if err := e.signal(root, syscall.SIGSTOP); err != nil {
		return err
	}
	e.each(root, gentle)
	for began, pause := time.Now(), lookFirst; ; pause = min(2*pause, 100*time.Millisecond) {
		left := e.descent(root)
		if len(left) == 0 {
			return e.signal(root, syscall.SIGKILL)
		}
		if time.Since(began) > hangUp {
			e.each(root, syscall.SIGKILL)
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("kill a process in container %s: %d of its children run on", e.container, len(left)), e.signal(root, syscall.SIGKILL))
		}
	}
}

// find gives the init, zero when it has ended or never began.
func (e *execution) find(ctx context.Context) (process, error) {
	began := time.Now()
	for pause := lookFirst; ; pause = min(2*pause, lookLast) {
		e.mu.Lock()
		root := e.root
		e.mu.Unlock()
		in, err := e.inspectExec(ctx)
		switch {
		case err == nil && !in.Running && in.Pid == 0 && time.Since(began) > notBegun:
			return process{}, nil
		case missing(err), err == nil && !in.Running && in.Pid != 0:
			return process{}, nil // the container is gone, or the process
		case root.pid != 0:
			return root, nil
		case err == nil && in.Pid != 0:
			if e.know(in.Pid); e.known() {
				continue
			}
			if _, err := os.Stat(filepath.Join(proc, strconv.Itoa(in.Pid))); err == nil {
				return process{}, fmt.Errorf("end a process in container %s: process %d is not one of it here; does the agent see the engine's processes?", e.container, in.Pid)
			}
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return process{}, err
		}
	}
}

func (e *execution) known() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.root.pid != 0
}

// each signals all that descend from root, not root itself.
func (e *execution) each(root process, sig syscall.Signal) {
	for _, p := range e.descent(root) {
		if err := e.signal(p, sig); err != nil {
			e.log.Warn("cannot signal a process", "container", e.container, "pid", p.pid, "err", err)
		}
	}
}

// signal reaches the process meant or none: what is checked is behind a handle
// that stays with the process.
func (e *execution) signal(p process, sig syscall.Signal) error {
	h, err := os.FindProcess(p.pid)
	if err != nil {
		return nil // it has ended
	}
	defer h.Release() //nolint:errcheck // only frees the handle
	s, err := readStat(p.pid)
	if err != nil || s.start != p.start || !inContainer(p.pid, e.container) {
		return nil
	}
	if err := h.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("send %s to process %d of container %s: %w", sig, p.pid, e.container, err)
	}
	return nil
}

// descent lists the living processes of the container that descend from root.
func (e *execution) descent(root process) []process {
	entries, err := os.ReadDir(proc)
	if err != nil {
		return nil
	}
	children := map[int][]stat{}
	for _, d := range entries {
		pid, err := strconv.Atoi(d.Name())
		if err != nil {
			continue
		}
		if s, err := readStat(pid); err == nil {
			children[s.parent] = append(children[s.parent], s)
		}
	}
	var out []process
	for next := []int{root.pid}; len(next) > 0; next = next[1:] {
		for _, s := range children[next[0]] {
			next = append(next, s.pid)
			if s.state != 'Z' && s.state != 'X' && inContainer(s.pid, e.container) {
				out = append(out, process{s.pid, s.start})
			}
		}
	}
	return out
}

// stat is what /proc/<pid>/stat says.
type stat struct {
	pid    int
	state  byte
	parent int
	start  uint64
}

func readStat(pid int) (stat, error) {
	b, err := os.ReadFile(filepath.Join(proc, strconv.Itoa(pid), "stat"))
	if err != nil {
		return stat{}, err
	}
	return parseStat(b)
}

// parseStat reads the line: "7 (name) S 1 … start …". The name is the
// program's to choose and may hold anything, also parentheses.
func parseStat(b []byte) (stat, error) {
	bad := fmt.Errorf("no process status: %.60q", b)
	pid, _, ok := bytes.Cut(b, []byte(" ("))
	end := bytes.LastIndexByte(b, ')')
	if !ok || end < len(pid) {
		return stat{}, bad
	}
	f := strings.Fields(string(b[end+1:]))
	const state, parent, start = 0, 1, 19 // fields 3, 4 and 22 of the line
	if len(f) <= start || len(f[state]) != 1 {
		return stat{}, bad
	}
	s := stat{state: f[state][0]}
	var errs [3]error
	s.pid, errs[0] = strconv.Atoi(string(pid))
	s.parent, errs[1] = strconv.Atoi(f[parent])
	s.start, errs[2] = strconv.ParseUint(f[start], 10, 64)
	if errors.Join(errs[:]...) != nil {
		return stat{}, bad
	}
	return s, nil
}

// inContainer says whether a process is in the control groups of a container,
// which only the engine can put it in. Both ways of naming them hold its id.
func inContainer(pid int, id string) bool {
	b, err := os.ReadFile(filepath.Join(proc, strconv.Itoa(pid), "cgroup"))
	return err == nil && id != "" && bytes.Contains(b, []byte(id))
}
