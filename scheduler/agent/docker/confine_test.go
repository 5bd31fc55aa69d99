package docker_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"paas/scheduler/agent"
	"paas/scheduler/agent/agenttest"
	"paas/scheduler/agent/docker"
)

// output runs an instance to its end and gives all it printed.
func output(t *testing.T, r *docker.Runtime, a agent.Assignment) []string {
	t.Helper()
	t.Cleanup(func() { remove(t, r, a.ID) })
	if _, err := r.Start(deadline(t), a); err != nil {
		t.Fatal(err)
	}
	var got []string
	if err := r.Logs(deadline(t), a.ID, time.Time{}, func(_ time.Time, s string) { got = append(got, s) }); err != nil {
		t.Fatal(err)
	}
	return got
}

func remove(t *testing.T, r *docker.Runtime, id string) {
	if err := r.Stop(deadline(t), id, 0); err != nil {
		t.Error("clean up:", err)
	}
}

// What the process itself sees of its confinement, as root and as a user.
func TestConfinement(t *testing.T) {
	r := newRuntime(t, config())
	for user, image := range map[string]string{"root": imageProg, "1000": imageUser} {
		t.Run(user, func(t *testing.T) {
			a := assign(t, 3, "self")
			a.Image = image
			var s agenttest.Self
			text := strings.Join(output(t, r, a), "")
			if err := json.Unmarshal([]byte(text), &s); err != nil {
				t.Fatal(err, text)
			}
			for k, want := range map[string]string{
				"CapInh": "0000000000000000", "CapPrm": "0000000000000000", "CapEff": "0000000000000000",
				"CapBnd": "0000000000000000", "CapAmb": "0000000000000000", "NoNewPrivs": "1", "Seccomp": "2",
			} {
				if s.Status[k] != want {
					t.Errorf("%s is %s, not %s", k, s.Status[k], want)
				}
			}
			if s.Hostname != "web-1" || s.Init != "docker-init" || s.Interfaces != 2 {
				t.Errorf("hostname %q, process 1 %q, %d interfaces", s.Hostname, s.Init, s.Interfaces)
			}
			// Not the soft limit: a Go program raises it at its start.
			if s.Files.Max < 4096 || s.Files.Max > 65536 {
				t.Errorf("open files %+v", s.Files)
			}
			for _, o := range []string{"tmpfs", "noexec", "nosuid", "nodev", "size=65536k"} {
				if !strings.Contains(s.TmpMount, o) {
					t.Errorf("/tmp is %s, without %s", s.TmpMount, o)
				}
			}
			if !strings.Contains(s.TmpExec, "permission denied") {
				t.Errorf("a program in /tmp: %s", s.TmpExec)
			}
			if s.Port80 != "" {
				t.Errorf("port 80: %s", s.Port80)
			}
			if s.MountError != "operation not permitted" {
				t.Errorf("mount: %s", s.MountError)
			}
		})
	}
}

// A size may be larger than a small host: there it has the whole machine. The
// engine would refuse it, again and again.
func TestSizeOfMoreCPUsThanTheHost(t *testing.T) {
	r := newRuntime(t, config())
	has, err := r.Capacity(deadline(t))
	if err != nil {
		t.Fatal(err)
	}
	a := assign(t, 4, "silent")
	a.Limits.MilliCPU = int64(has.CPUs)*1000 + 500
	t.Cleanup(func() { remove(t, r, a.ID) })
	if _, err := r.Start(deadline(t), a); err != nil {
		t.Fatal(err)
	}
	in, err := engine(t).ContainerInspect(deadline(t), "paas-test-web.1-"+a.ID[len(a.ID)-8:])
	if err != nil || in.HostConfig.NanoCPUs != int64(has.CPUs)*1_000_000_000 {
		t.Errorf("%d of %d CPUs, %v", in.HostConfig.NanoCPUs, has.CPUs, err)
	}
}

// What the engine was told.
func TestHostConfig(t *testing.T) {
	r := newRuntime(t, config())
	a := assign(t, 3, "silent")
	a.Limits = agent.Limits{} // the defaults
	t.Cleanup(func() { remove(t, r, a.ID) })
	if _, err := r.Start(deadline(t), a); err != nil {
		t.Fatal(err)
	}
	in, err := engine(t).ContainerInspect(deadline(t), "paas-test-web.1-"+a.ID[len(a.ID)-8:])
	if err != nil {
		t.Fatal(err)
	}
	h := in.HostConfig
	got := fmt.Sprint(h.Memory, h.MemorySwap, h.NanoCPUs, *h.PidsLimit, h.Privileged, h.PublishAllPorts, h.RestartPolicy.Name,
		len(h.Binds), len(h.Mounts), len(h.PortBindings), len(h.Devices), len(h.CapAdd), h.CapDrop, h.PidMode, h.IpcMode, h.LogConfig, h.Ulimits[0].Name, h.Ulimits[0].Soft)
	want := fmt.Sprint(512<<20, 512<<20, 1_000_000_000, 256, false, false, "no",
		0, 0, 0, 0, 0, []string{"ALL"}, "", "private",
		"{local map[max-buffer-size:4m max-file:3 max-size:10m mode:non-blocking]}", "nofile", 4096)
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	for k, v := range map[string]string{
		"paas.cluster": cluster, "paas.instance": a.ID, "paas.app": "test", "paas.app-id": a.AppID, "paas.name": "web.1", "paas.release": "7",
	} {
		if in.Config.Labels[k] != v {
			t.Errorf("label %s is %q", k, in.Config.Labels[k])
		}
	}
}

func TestMemoryLimit(t *testing.T) {
	r := newRuntime(t, config())
	a := assign(t, 3, "eat")
	t.Cleanup(func() { remove(t, r, a.ID) })
	if _, err := r.Start(deadline(t), a); err != nil {
		t.Fatal(err)
	}
	hungry := make(chan struct{})
	go r.Logs(deadline(t), a.ID, time.Time{}, func(time.Time, string) { close(hungry) }) //nolint:errcheck // ends with the container
	<-hungry
	mayEat(t, a)
	c, err := r.Wait(deadline(t), a.ID)
	if err != nil || !c.OOM || c.ExitCode != 137 {
		t.Fatalf("%+v, %v", c, err)
	}
}

// mayEat lets the tests' program eat memory until it dies of it.
func mayEat(t *testing.T, a agent.Assignment) {
	t.Helper()
	if err := engine(t).ContainerKill(deadline(t), "paas-test-web.1-"+a.ID[len(a.ID)-8:], "SIGUSR1"); err != nil {
		t.Fatal(err)
	}
}

func TestPidsLimit(t *testing.T) {
	r := newRuntime(t, config())
	a := assign(t, 3, "fork")
	a.Limits.Pids = 40
	t.Cleanup(func() { remove(t, r, a.ID) })
	if _, err := r.Start(deadline(t), a); err != nil {
		t.Fatal(err)
	}
	first := make(chan string, 1)
	go r.Logs(deadline(t), a.ID, time.Time{}, func(_ time.Time, s string) { //nolint:errcheck // ends with the container
		if strings.HasPrefix(s, "forked") {
			first <- s
		}
	})
	var n int
	select {
	case s := <-first:
		fmt.Sscanf(s, "forked %d", &n)
	case <-time.After(30 * time.Second):
	}
	if n < 1 || n >= 40 {
		t.Fatalf("%d children", n)
	}
}

// The command takes the place of entrypoint and command of the image.
func TestCommand(t *testing.T) {
	r := newRuntime(t, config())
	a := assign(t, 3, "env")
	text := output(t, r, a)[0]
	if !strings.Contains(text, `"args":["env"]`) || !strings.Contains(text, `"FROM_IMAGE":"1"`) || !strings.Contains(text, `"OURS":"image"`) {
		t.Error(text)
	}
	b := assign(t, 3)
	b.Command = []string{"/no/such/program"}
	t.Cleanup(func() { remove(t, r, b.ID) })
	if _, err := r.Start(deadline(t), b); err != nil {
		t.Fatal(err)
	}
	if c, err := r.Wait(deadline(t), b.ID); err != nil || c.ExitCode != 127 {
		t.Fatalf("%+v, %v", c, err)
	}
}

func TestRefusedEnvironment(t *testing.T) {
	r := newRuntime(t, config())
	for name, env := range map[string]map[string]string{
		"empty name": {"": "x"}, "equals": {"A=B": "x"}, "NUL": {"A": "x\x00y"}, "not UTF-8": {"A": "\xff\xfe"},
	} {
		a := assign(t, 3, "env")
		a.Env = env
		if _, err := r.Start(deadline(t), a); agent.KindOf(err) != agent.FaultApp {
			t.Errorf("%s: %v", name, err)
		}
	}
}
