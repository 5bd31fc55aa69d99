package child

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

// pollEvery is how often a process that is not our child is looked at: the
// kernel tells only a parent.
const pollEvery = 10 * time.Millisecond

func (c *Child) writePid(pid int) {
	if c.spec.PidFile == "" {
		return
	}
	if err := os.WriteFile(c.spec.PidFile, []byte(strconv.Itoa(pid)+"\n"), 0o600); err != nil {
		c.log.Warn("the pid file cannot be written", "err", err)
	}
}

func (c *Child) removePid() {
	if c.spec.PidFile == "" {
		return
	}
	if err := os.Remove(c.spec.PidFile); err != nil && !errors.Is(err, os.ErrNotExist) {
		c.log.Warn("the pid file cannot be removed", "err", err)
	}
}

// endLeftOver ends the process of an earlier parent that was killed. It was
// told to stop when that happened; here it gets the rest of its time. A process
// counts only when it runs this very command line, so a reused pid is safe.
func (c *Child) endLeftOver(ctx context.Context) error {
	if c.spec.PidFile == "" {
		return nil
	}
	raw, err := os.ReadFile(c.spec.PidFile)
	if err != nil {
		return nil // none was remembered
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(raw)))
	if err != nil || pid <= 1 || !c.isOurs(pid) {
		return nil
	}
	c.log.Info("waiting for the process of an earlier start to end", "pid", pid)
	for _, sig := range []syscall.Signal{c.spec.StopSignal, syscall.SIGKILL} {
		if err := syscall.Kill(pid, sig); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("end the process %d of an earlier start: %w", pid, err)
		}
		if waitGone(ctx, c.spec.StopTimeout, func() bool { return !c.isOurs(pid) }) {
			return nil
		}
	}
	return fmt.Errorf("the process %d of an earlier start does not end; run: kill -9 %d", pid, pid)
}

func (c *Child) isOurs(pid int) bool {
	got, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "cmdline"))
	if err != nil {
		return false
	}
	want := strings.Join(append([]string{c.spec.Path}, c.spec.Args...), "\x00") + "\x00"
	return bytes.Equal(got, []byte(want))
}

// waitGone polls until gone is true; false when limit passed or ctx ended.
func waitGone(ctx context.Context, limit time.Duration, gone func() bool) bool {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		if gone() {
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-tick.C:
		}
	}
}

// processesIn gives the processes of a program (by the base name of its
// executable) whose working directory is dir.
func processesIn(dir, program string) []int {
	links, err := filepath.Glob("/proc/[0-9]*/cwd")
	if err != nil {
		return nil
	}
	var pids []int
	for _, link := range links {
		cwd, err := os.Readlink(link)
		if err != nil || strings.TrimSuffix(cwd, " (deleted)") != dir {
			continue
		}
		proc := filepath.Dir(link)
		exe, err := os.Readlink(filepath.Join(proc, "exe"))
		if err != nil || filepath.Base(strings.TrimSuffix(exe, " (deleted)")) != program {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(proc)); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}
