package docker_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"paas/scheduler/agent"
	"paas/scheduler/agent/agenttest"
	"paas/scheduler/agent/docker"
)

// up starts an instance that the end of the test removes.
func up(t *testing.T, r *docker.Runtime, a agent.Assignment) {
	t.Helper()
	t.Cleanup(func() { remove(t, r, a.ID) })
	if _, err := r.Start(deadline(t), a); err != nil {
		t.Fatal(err)
	}
}

// processes are the commands that run in an instance.
func processes(t *testing.T, a agent.Assignment) []string {
	t.Helper()
	top, err := engine(t).ContainerTop(deadline(t), "paas-test-web.1-"+a.ID[len(a.ID)-8:], nil)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, p := range top.Processes {
		out = append(out, p[len(p)-1])
	}
	return out
}

// quiet waits until an instance runs what it was started with and nothing else:
// the kernel takes a killed process away in its own time.
func quiet(t *testing.T, a agent.Assignment) {
	t.Helper()
	want, end := []string{"/sbin/docker-init -- /prog silent", "/prog silent"}, deadline(t)
	for got := processes(t, a); !slices.Equal(got, want); got = processes(t, a) {
		select {
		case <-time.After(10 * time.Millisecond):
		case <-end.Done():
			t.Fatalf("it runs %v", got)
		}
	}
}

// When the client goes, what it started goes with all its children, also those
// that left the family; the instance itself stays as it was.
func TestExecIsKilled(t *testing.T) {
	r := newRuntime(t, config())
	for name, tty := range map[string]bool{"plain": false, "terminal": true} {
		t.Run(name, func(t *testing.T) {
			a := assign(t, 20, "silent")
			up(t, r, a)
			quiet(t, a)
			ctx, cancel := context.WithCancel(deadline(t))
			out := agenttest.NewBuffer()
			done := make(chan error, 1)
			go func() {
				_, err := r.Exec(ctx, a.ID, []string{"/prog", "brood"}, nil, tty, agent.IO{Out: out, Err: out})
				done <- err
			}()
			out.Await(t, "brood")
			if got := processes(t, a); len(got) != 2+4 { // init, brood, child, grandchild
				t.Error(got)
			}
			cancel()
			if err := <-done; !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
			quiet(t, a)
		})
	}
}

// A client that does not take its output ends what it started, too.
func TestExecOfBrokenClient(t *testing.T) {
	r := newRuntime(t, config())
	a := assign(t, 20, "silent")
	up(t, r, a)
	quiet(t, a)
	broken, w := io.Pipe()
	broken.Close()
	_, err := r.Exec(deadline(t), a.ID, []string{"/prog", "flood"}, nil, false, agent.IO{Out: w, Err: io.Discard})
	if !errors.Is(err, io.ErrClosedPipe) {
		t.Error(err)
	}
	quiet(t, a)
}

// Something left in the background does not hold up the end.
func TestExecLeavesChild(t *testing.T) {
	r := newRuntime(t, config())
	a := assign(t, 20, "silent")
	up(t, r, a)
	var out bytes.Buffer
	began := time.Now()
	code, err := r.Exec(deadline(t), a.ID, []string{"/prog", "leave"}, nil, false, agent.IO{Out: &out, Err: io.Discard})
	if code != 4 || err != nil || out.String() != "left\n" || time.Since(began) > 15*time.Second {
		t.Errorf("%d, %v, %q after %s", code, err, out.String(), time.Since(began))
	}
}

// Whoever comes in has no more rights than the instance.
func TestExecConfinement(t *testing.T) {
	r := newRuntime(t, config())
	a := assign(t, 20, "silent")
	a.Image = imageUser
	up(t, r, a)
	var out bytes.Buffer
	if code, err := r.Exec(deadline(t), a.ID, []string{"/prog", "self"}, nil, false, agent.IO{Out: &out, Err: &out}); code != 0 || err != nil {
		t.Fatal(code, err, out.String())
	}
	var s agenttest.Self
	if err := json.Unmarshal(out.Bytes(), &s); err != nil {
		t.Fatal(err)
	}
	for k, want := range map[string]string{"CapPrm": "0000000000000000", "CapEff": "0000000000000000", "CapBnd": "0000000000000000",
		"NoNewPrivs": "1", "Seccomp": "2", "Uid": "1000\t1000\t1000\t1000"} {
		if s.Status[k] != want {
			t.Errorf("%s is %q", k, s.Status[k])
		}
	}
	if s.MountError != "operation not permitted" {
		t.Error(s.MountError)
	}
}

// What an attached one-off says is kept nowhere, and it is confined as others.
func TestAttachedConfig(t *testing.T) {
	r := newRuntime(t, config())
	a := assign(t, 20, "silent")
	a.OneOff, a.Attach, a.TTY = true, true, true
	up(t, r, a)
	in, err := engine(t).ContainerInspect(deadline(t), "paas-test-web.1-"+a.ID[len(a.ID)-8:])
	if err != nil {
		t.Fatal(err)
	}
	if h, c := in.HostConfig, in.Config; h.LogConfig.Type != "none" || !c.Tty || !c.OpenStdin || !c.StdinOnce || len(h.CapDrop) != 1 ||
		h.Ulimits[0].Hard < 4096 || in.State.Status != "created" {
		t.Errorf("%+v, %+v", h.LogConfig, c)
	}
}

// The engine's reasons reach whoever asked, and its silence ends.
func TestAttachFaults(t *testing.T) {
	r := newRuntime(t, config())
	plain := assign(t, 20, "silent")
	up(t, r, plain)
	o := agent.IO{Out: io.Discard, Err: io.Discard}
	if err := r.Attach(deadline(t), plain.ID, o, nil); err == nil || !strings.Contains(err.Error(), "started before") {
		t.Error(err)
	}
	paused := assign(t, 20, "silent")
	up(t, r, paused)
	eng, name := engine(t), "paas-test-web.1-"+paused.ID[len(paused.ID)-8:]
	if err := eng.ContainerPause(deadline(t), name); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Exec(deadline(t), paused.ID, []string{"/prog", "both"}, nil, false, o); err == nil || !strings.Contains(err.Error(), "paused") {
		t.Error(err)
	}
	if err := eng.ContainerUnpause(deadline(t), name); err != nil {
		t.Fatal(err)
	}
	a := assign(t, 20, "silent")
	a.OneOff, a.Attach = true, true
	up(t, r, a)
	p := newProxy(t)
	cfg := config()
	cfg.Socket, cfg.CallTimeout, cfg.StartTimeout = p.address, 2*time.Second, 2*time.Second
	r = newRuntime(t, cfg)
	if _, err := r.Ping(deadline(t)); err != nil {
		t.Fatal(err)
	}
	p.hang()
	for what, call := range map[string]func() error{
		"attach": func() error { return r.Attach(deadline(t), a.ID, o, nil) },
		"exec": func() error {
			_, err := r.Exec(deadline(t), plain.ID, []string{"/prog", "both"}, nil, false, o)
			return err
		},
		"dial": func() error { _, err := r.Dial(deadline(t), plain.ID, 8080); return err },
		"end":  func() error { return r.End(deadline(t), plain.ID, 0) },
	} {
		if err := call(); agent.KindOf(err) != agent.FaultEngine {
			t.Errorf("%s: %v", what, err)
		}
	}
	p.resume()
}

// The connection to the engine breaks: the client is told so.
func TestAttachBreaks(t *testing.T) {
	p := newProxy(t)
	cfg := config()
	cfg.Socket = p.address
	r := newRuntime(t, cfg)
	a := assign(t, 20, "shell")
	a.OneOff, a.Attach = true, true
	up(t, r, a)
	out := agenttest.NewBuffer()
	done := make(chan error, 1)
	in, _ := io.Pipe()
	go func() { done <- r.Attach(deadline(t), a.ID, agent.IO{In: in, Out: out, Err: out}, func() {}) }()
	out.Await(t, "ready")
	p.cut()
	select {
	case <-done:
	case <-time.After(60 * time.Second):
		t.Fatal("it is still attached")
	}
}

// SIGTERM goes to the main process alone: behind one that does not pass it on
// nobody hears of it, and all end with the container.
func TestStopBehindWrapper(t *testing.T) {
	r := newRuntime(t, config())
	a := assign(t, 20, "wrap", "web")
	up(t, r, a)
	lines := make(chan string, 10)
	go r.Logs(deadline(t), a.ID, time.Time{}, func(_ time.Time, s string) { lines <- s }) //nolint:errcheck // ends with the container
	if s := <-lines; s != "listening" {
		t.Fatal(s)
	}
	began := time.Now()
	if err := r.Stop(deadline(t), a.ID, 500*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took < 500*time.Millisecond {
		t.Errorf("it ended after %s: somebody passed SIGTERM on", took)
	}
	select {
	case s := <-lines:
		t.Errorf("the program behind the wrapper said %q", s)
	default:
	}
}
