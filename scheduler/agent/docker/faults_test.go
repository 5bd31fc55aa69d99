package docker_test

import (
	"context"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"

	"paas/scheduler/agent"
	"paas/scheduler/agent/docker"
)

func TestPingAndCapacity(t *testing.T) {
	r := newRuntime(t, config())
	v, err := r.Ping(deadline(t))
	if err != nil || v.Engine == "" || v.API == "" || v.Runc == "" {
		t.Fatalf("%+v, %v", v, err)
	}
	c, err := r.Capacity(deadline(t))
	if err != nil || c.CPUs < 1 || c.Memory < 64<<20 || strings.Contains(c.Arch, "x86") {
		t.Fatalf("%+v, %v", c, err)
	}
}

func TestConfigIsChecked(t *testing.T) {
	for _, cfg := range []docker.Config{{Socket: socket}, {Socket: "nonsense", Cluster: cluster}} {
		if _, err := docker.New(cfg, nil); err == nil {
			t.Errorf("%+v was taken", cfg)
		}
	}
}

// Every way a start can fail: whose fault it is, and what a person reads.
func TestStartFaults(t *testing.T) {
	const gone = "@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close() // nobody answers there now
	taken := assign(t, 4, "silent")
	r := newRuntime(t, config())
	t.Cleanup(func() { remove(t, r, taken.ID) })
	if _, err := r.Start(deadline(t), taken); err != nil {
		t.Fatal(err)
	}
	foreign := foreignNetwork(t)

	for name, c := range map[string]struct {
		change func(*agent.Assignment)
		kind   agent.FaultKind
		text   []string
	}{
		"image gone":    {func(a *agent.Assignment) { a.Image = registryHost + "/prog" + gone }, agent.FaultLasting, []string{"pull image"}},
		"no digest":     {func(a *agent.Assignment) { a.Image = registryHost + "/prog:latest" }, agent.FaultLasting, []string{"not named by its digest"}},
		"registry down": {func(a *agent.Assignment) { a.Image = closed.Addr().String() + "/prog" + gone }, agent.FaultPassing, []string{"pull image", "registry unreachable"}},
		"subnet taken": {func(a *agent.Assignment) {
			a.Network.Name, a.Network.Subnet = "paas-test-251-other", "10.251.99.0/24"
		}, agent.FaultLasting, []string{"subnet 10.251.99.0/24 is taken", "docker network ls"}},
		"subnet of an app that is going": {func(a *agent.Assignment) { a.Network.Name = "paas-test-251-other" }, agent.FaultPassing, []string{"subnet 10.251.4.0/24 is still held"}},
		"foreign network":                {func(a *agent.Assignment) { a.Network.Name = foreign }, agent.FaultLasting, []string{"not of this cluster", "docker network rm"}},
		"network differs":                {func(a *agent.Assignment) { a.Network.Subnet = "10.251.5.0/24" }, agent.FaultPassing, []string{"still used by 1 containers"}},
		"memory impossible":              {func(a *agent.Assignment) { a.Limits.Memory = 1 }, agent.FaultPassing, []string{"create container", "memory"}},
	} {
		t.Run(name, func(t *testing.T) {
			a := assign(t, 4, "silent")
			c.change(&a)
			_, err := r.Start(deadline(t), a)
			if err == nil || agent.KindOf(err) != c.kind {
				t.Fatalf("kind %v of %v", agent.KindOf(err), err)
			}
			for _, s := range c.text {
				if !strings.Contains(err.Error(), s) {
					t.Errorf("%q is not in %q", s, err)
				}
			}
			list, err := r.List(deadline(t))
			if err != nil || len(list) != 1 {
				t.Errorf("left: %+v, %v", list, err)
			}
		})
	}
}

func foreignNetwork(t *testing.T) string {
	const name = "agent-test-foreign-251"
	c := engine(t)
	_, err := c.NetworkCreate(deadline(t), name, network.CreateOptions{IPAM: &network.IPAM{Config: []network.IPAMConfig{{Subnet: "10.251.99.0/24"}}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.NetworkRemove(context.Background(), name) })
	return name
}

func TestWrongPassword(t *testing.T) {
	cfg := config()
	cfg.RegistryAuth = nil
	r := newRuntime(t, cfg)
	a := assign(t, 4, "silent")
	a.Image = imageUser
	// Another test may have brought it.
	_, _ = engine(t).ImageRemove(deadline(t), imageUser, imageForce)
	_, err := r.Start(deadline(t), a)
	if agent.KindOf(err) != agent.FaultLasting || !strings.Contains(err.Error(), "pull image") {
		t.Fatalf("kind %v of %v", agent.KindOf(err), err)
	}
}

// A subnet that moved is followed as soon as nothing uses the network.
func TestSubnetMoves(t *testing.T) {
	r := newRuntime(t, config())
	a := assign(t, 6, "silent")
	if _, err := r.Start(deadline(t), a); err != nil {
		t.Fatal(err)
	}
	remove(t, r, a.ID)
	b := assign(t, 6, "silent")
	b.Network.Subnet = "10.251.7.0/24"
	t.Cleanup(func() { remove(t, r, b.ID) })
	c, err := r.Start(deadline(t), b)
	if err != nil || !strings.HasPrefix(c.IP, "10.251.7.") {
		t.Fatalf("%+v, %v", c, err)
	}
}

// A container that was made but never ran is no reason not to run.
func TestHalfStarted(t *testing.T) {
	r := newRuntime(t, config())
	first, a := assign(t, 4, "silent"), assign(t, 4, "silent")
	if _, err := r.Start(deadline(t), first); err != nil { // brings the image
		t.Fatal(err)
	}
	remove(t, r, first.ID)
	t.Cleanup(func() { remove(t, r, a.ID) })
	made, err := engine(t).ContainerCreate(deadline(t), &container.Config{
		Image: imageProg, Labels: map[string]string{"paas.cluster": cluster, "paas.instance": a.ID},
	}, nil, nil, nil, "paas-test-web.1-"+a.ID[len(a.ID)-8:])
	if err != nil {
		t.Fatal(err)
	}
	c, err := r.Start(deadline(t), a)
	if err != nil || !c.Running {
		t.Fatalf("%+v, %v", c, err)
	}
	list, err := r.List(deadline(t))
	if err != nil || len(list) != 1 {
		t.Fatalf("made %s, now %+v, %v", made.ID, list, err)
	}
}

// Two instances whose ids end alike.
func TestNameTaken(t *testing.T) {
	r := newRuntime(t, config())
	a, b := assign(t, 4, "silent"), assign(t, 4, "silent")
	b.ID = "another-" + a.ID
	for _, x := range []agent.Assignment{a, b} {
		t.Cleanup(func() { remove(t, r, x.ID) })
		if c, err := r.Start(deadline(t), x); err != nil || c.Instance != x.ID {
			t.Fatalf("%+v, %v", c, err)
		}
	}
}

func TestEngineDown(t *testing.T) {
	cfg := config()
	cfg.Socket = "unix://" + filepath.Join(t.TempDir(), "nobody.sock")
	r := newRuntime(t, cfg)
	_, err := r.Start(deadline(t), assign(t, 4, "silent"))
	if agent.KindOf(err) != agent.FaultEngine || !strings.Contains(err.Error(), "Is the docker daemon running?") {
		t.Fatalf("kind %v of %v", agent.KindOf(err), err)
	}
}

// An engine that takes connections and says nothing: every call comes back.
func TestEngineHangs(t *testing.T) {
	p := newProxy(t)
	cfg := config()
	cfg.Socket = p.address
	cfg.CallTimeout, cfg.StartTimeout = time.Second, time.Second
	r := newRuntime(t, cfg)
	if _, err := r.Ping(deadline(t)); err != nil {
		t.Fatal(err)
	}
	p.hang()
	a := assign(t, 4, "silent")
	for name, call := range map[string]func() error{
		"list":  func() error { _, err := r.List(deadline(t)); return err },
		"start": func() error { _, err := r.Start(deadline(t), a); return err },
		"stop":  func() error { return r.Stop(deadline(t), a.ID, time.Second) },
		"logs":  func() error { return r.Logs(deadline(t), a.ID, time.Time{}, nil) },
		"prune": func() error { return r.Prune(deadline(t), nil) },
		"ping":  func() error { _, err := r.Ping(deadline(t)); return err },
	} {
		began := time.Now()
		err := call()
		if agent.KindOf(err) != agent.FaultEngine || !strings.Contains(err.Error(), "did not answer in time") {
			t.Errorf("%s: kind %v of %v", name, agent.KindOf(err), err)
		}
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("%s took %s", name, took)
		}
	}
	p.resume()
	if _, err := r.List(deadline(t)); err != nil {
		t.Error(err)
	}
}
