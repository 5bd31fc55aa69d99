package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"paas/server/api"
)

const (
	localGrace = 10 * time.Second // from SIGTERM to SIGKILL
	// localRest is how long output is waited for that a process's own children
	// hold open behind it.
	localRest = 2 * time.Second
)

// localProcess is one process on the developer's computer, with all it starts
// in a process group of its own.
type localProcess struct {
	name   string
	words  []string
	env    map[string]string
	number int

	cmd  *exec.Cmd
	code int
	over bool // runLocal's own: ended was read
}

// start runs it; when it has ended and its output is read, it is sent to ended.
func (p *localProcess) start(out *localOutput, ended chan<- *localProcess) error {
	p.cmd = exec.Command(p.words[0], p.words[1:]...)
	for _, k := range sortedKeys(p.env) {
		p.cmd.Env = append(p.cmd.Env, k+"="+p.env[k])
	}
	lines := out.of(p)
	p.cmd.Stdout, p.cmd.Stderr = lines, lines
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	p.cmd.WaitDelay = localRest
	if err := p.cmd.Start(); err != nil {
		p.cmd = nil
		return err
	}
	out.say(p, fmt.Sprintf("started with pid %d and port %s", p.cmd.Process.Pid, p.env["PORT"]))
	go func() {
		_ = p.cmd.Wait() // the state says it better
		lines.flush()
		p.code = p.cmd.ProcessState.ExitCode()
		status, _ := p.cmd.ProcessState.Sys().(syscall.WaitStatus)
		if status.Signaled() {
			p.code = 128 + int(status.Signal())
		}
		out.say(p, "exited with status "+strconv.Itoa(p.code))
		ended <- p
	}()
	return nil
}

func sortedKeys(m map[string]string) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// signal reaches the process and what it started. What has ended is no error.
func (p *localProcess) signal(s syscall.Signal) {
	if p.cmd != nil {
		_ = syscall.Kill(-p.cmd.Process.Pid, s)
	}
}

// endLocal ends all processes: SIGTERM, and SIGKILL after the grace or when so
// many signals as patience says have come.
func endLocal(out *localOutput, all []*localProcess, ended <-chan *localProcess, running int, again <-chan os.Signal, patience int) {
	if running > 0 {
		out.note("Stopping all processes with SIGTERM")
	}
	for _, p := range all {
		p.signal(syscall.SIGTERM)
	}
	over := time.NewTimer(localGrace)
	defer over.Stop()
	for running > 0 {
		select {
		case p := <-ended:
			p.over = true
			running--
			continue
		case <-over.C:
			out.note(fmt.Sprintf("Some did not end within %s: stopping them with SIGKILL", localGrace))
		case <-again:
			if patience--; patience > 0 {
				continue
			}
			out.note("Stopping the rest with SIGKILL")
		}
		for _, p := range all {
			if !p.over {
				p.signal(syscall.SIGKILL)
			}
		}
	}
	for _, p := range all {
		p.signal(syscall.SIGKILL) // what they left behind in their groups
	}
}

// localOutput writes lines of all processes, each with its name before it.
type localOutput struct {
	mu     sync.Mutex
	w      io.Writer
	colour bool
	wide   int
}

func (o *localOutput) of(p *localProcess) *localLines { return &localLines{out: o, of: p} }

func (o *localOutput) say(p *localProcess, text string) {
	head := fmt.Sprintf("%s %-*s | ", time.Now().Format("15:04:05"), o.wide, p.name)
	if o.colour {
		head = fmt.Sprintf("\x1b[%dm%s\x1b[0m", 31+(p.number+5)%6, head)
		text += "\x1b[0m"
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	fmt.Fprintln(o.w, head+api.Printable(text, o.colour))
}

func (o *localOutput) note(text string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	fmt.Fprintln(o.w, "[DONE] "+text)
}

// localLines makes lines of what one process prints on both of its streams.
type localLines struct {
	out  *localOutput
	of   *localProcess
	mu   sync.Mutex
	part []byte
}

// Write takes what came; it never fails, so that no process ends by its output.
func (l *localLines) Write(b []byte) (int, error) {
	const longest = 64 << 10 // of a line; what is longer is broken
	l.mu.Lock()
	defer l.mu.Unlock()
	l.part = append(l.part, b...)
	for {
		i := bytes.IndexByte(l.part, '\n')
		if i < 0 {
			break
		}
		l.out.say(l.of, strings.TrimSuffix(string(l.part[:i]), "\r"))
		l.part = l.part[i+1:]
	}
	if len(l.part) > longest {
		l.out.say(l.of, string(l.part))
		l.part = nil
	}
	return len(b), nil
}

func (l *localLines) flush() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.part) > 0 {
		l.out.say(l.of, string(l.part))
		l.part = nil
	}
}
