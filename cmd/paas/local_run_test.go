package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// localRun is one `paas local` at work in a directory of its own.
type localRun struct {
	t      *testing.T
	cancel context.CancelFunc
	code   chan int
	err    bytes.Buffer
	mu     sync.Mutex
	lines  []string
	more   chan struct{}
	read   chan struct{}
}

func startLocal(t *testing.T, files map[string]string, args ...string) *localRun {
	t.Helper()
	t.Chdir(t.TempDir())
	for name, text := range files {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r := &localRun{t: t, code: make(chan int, 1), more: make(chan struct{}, 1), read: make(chan struct{})}
	ctx, cancel := context.WithCancel(t.Context())
	r.cancel = cancel
	in, out := io.Pipe()
	go func() {
		defer close(r.read)
		for lines := bufio.NewScanner(in); lines.Scan(); {
			r.mu.Lock()
			r.lines = append(r.lines, lines.Text())
			r.mu.Unlock()
			select {
			case r.more <- struct{}{}:
			default:
			}
		}
	}()
	go func() {
		code := run(ctx, append([]string{"local"}, args...), strings.NewReader(""), out, &r.err, os.Environ())
		out.Close()
		<-r.read
		r.code <- code
	}()
	t.Cleanup(func() {
		cancel()
		<-r.read
	})
	return r
}

func (r *localRun) text() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Join(r.lines, "\n")
}

// await blocks until all of wants were printed.
func (r *localRun) await(wants ...string) {
	r.t.Helper()
	for _, w := range wants {
		for !strings.Contains(r.text(), w) {
			select {
			case <-r.more:
			case <-r.read:
				if !strings.Contains(r.text(), w) {
					r.t.Fatalf("ended without %q:\n%s\n%s", w, r.text(), r.err.String())
				}
			}
		}
	}
}

// pids are the processes it said it started.
func (r *localRun) pids() (all []int) {
	for line := range strings.SplitSeq(r.text(), "\n") {
		if _, rest, ok := strings.Cut(line, "started with pid "); ok {
			pid, err := strconv.Atoi(strings.Fields(rest)[0])
			if err != nil {
				r.t.Fatal(err)
			}
			all = append(all, pid)
		}
	}
	return all
}

func (r *localRun) ends(code, processes int) {
	r.t.Helper()
	if got := <-r.code; got != code {
		r.t.Errorf("exit code %d, want %d:\n%s\n%s", got, code, r.text(), r.err.String())
	}
	pids := r.pids()
	if len(pids) != processes {
		r.t.Errorf("%d processes were started, want %d", len(pids), processes)
	}
	for _, pid := range pids {
		if err := syscall.Kill(pid, 0); err == nil {
			r.t.Errorf("process %d still runs", pid)
		}
	}
}

const obedient = `sh -c 'trap "echo bye; exit 0" TERM; echo "$DYNO on $PORT says $GREETING"; while :; do sleep 0.02; done'`

func TestLocalUntilInterrupted(t *testing.T) {
	r := startLocal(t, map[string]string{
		"Procfile": "worker: " + obedient + "\nweb: " + obedient + "\nrelease: false\n",
		".env":     "GREETING=\"hello there\"\n",
	})
	r.await("web.1    | web.1 on 5006 says hello there", "worker.1 | worker.1 on 5106 says hello there")
	r.cancel()
	r.await("web.1    | bye", "worker.1 | bye", "worker.1 | exited with status 0")
	r.ends(exitOK, 2)
	if !strings.Contains(r.err.String(), "[OKAY] Loaded ENV .env File as KEY=VALUE Format") {
		t.Error(r.err.String())
	}
	if strings.Contains(r.text(), "release") {
		t.Errorf("release was run:\n%s", r.text())
	}
}

func TestLocalTypes(t *testing.T) {
	r := startLocal(t, map[string]string{"Procfile": "web: " + obedient + "\nworker: false\n", "more.env": "GREETING=hi\nPORT=7000\n"}, "start", "web=2", "-e", "more.env")
	r.await("web.1 | web.1 on 7000 says hi", "web.2 | web.2 on 7001 says hi")
	r.cancel()
	r.ends(exitOK, 2)
}

func TestLocalEndsWithTheFirst(t *testing.T) {
	r := startLocal(t, map[string]string{"Procfile": "web: " + obedient + "\nworker: GREETING=x sh -c 'printf \"no line end, $GREETING\"; exit 3'\n"})
	r.await("worker.1 | no line end, x", "worker.1 | exited with status 3", "web.1    | exited with status")
	r.ends(exitFailure, 2)
}

func TestLocalCannotStart(t *testing.T) {
	r := startLocal(t, map[string]string{"Procfile": "web: " + obedient + "\nworker: no-such-program-here\n"})
	r.ends(exitFailure, 1)
	if !strings.Contains(r.err.String(), "worker.1 could not be started") {
		t.Error(r.err.String())
	}
}

func TestLocalRefuses(t *testing.T) {
	for want, c := range map[string]struct {
		files map[string]string
		args  []string
	}{
		"There is no Procfile here. Nothing was started.": {nil, nil},
		"Procfile line 1": {map[string]string{"Procfile": "x"}, nil},
		"More than one command (&) needs a shell. Put the line": {map[string]string{"Procfile": "web: cd x && y"}, nil},
		"The Procfile has no process type clock":                {map[string]string{"Procfile": "web: x"}, []string{"web,clock"}},
		"web=100 is invalid":                                    {map[string]string{"Procfile": "web: x"}, []string{"web=100"}},
		".env line 1":                                           {map[string]string{"Procfile": "web: x", ".env": "what"}, nil},
		"read nothing.env":                                      {map[string]string{"Procfile": "web: x"}, []string{"-e", "nothing.env"}},
		"The port 65000 must be":                                {map[string]string{"Procfile": "web: x"}, []string{"-p", "65000"}},
	} {
		t.Run(want, func(t *testing.T) {
			r := startLocal(t, c.files, c.args...)
			if code := <-r.code; code == exitOK || !strings.Contains(r.err.String(), want) {
				t.Errorf("exit code %d: %s", code, r.err.String())
			}
		})
	}
}

func TestLocalKillsAtTheSecondSignal(t *testing.T) {
	var out bytes.Buffer
	c := newCLI(nil, &out, io.Discard, nil)
	stubborn := &localProcess{name: "web.1", words: []string{"sh", "-c", `trap "" TERM; while :; do sleep 0.02; done`}, env: map[string]string{"PATH": os.Getenv("PATH")}}
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // by the first signal
	again := make(chan os.Signal, 2)
	again <- os.Interrupt
	again <- os.Interrupt
	if err := c.runLocal(ctx, []*localProcess{stubborn}, again); err != nil {
		t.Error(err)
	}
	if stubborn.code != 128+9 && stubborn.code != 128+15 { // SIGTERM may be faster than its trap
		t.Errorf("code %d\n%s", stubborn.code, &out)
	}
	if !strings.Contains(out.String(), "Stopping the rest with SIGKILL") && stubborn.code == 128+9 {
		t.Error(out.String())
	}
}
