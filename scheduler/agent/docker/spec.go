package docker

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"

	"paas/scheduler/agent"
)

// What a container gets when its assignment does not say.
const (
	defaultMemory   = 512 << 20 // bytes
	defaultMilliCPU = 1000
	defaultPids     = 256
	shortID         = 8 // bytes of the instance id in a container's name
)

// spec is one container as the engine is to make it. It is built here field
// by field and from nothing but an Assignment, so there is no way for foreign
// input to ask for a mount, a capability, a device or a published port.
type spec struct {
	name     string // paas-<app>-<web.1>-<end of the instance id>
	longName string // with the whole id, for the day two ends are equal
	config   *container.Config
	host     *container.HostConfig
	network  *network.NetworkingConfig
	attach   bool          // create only
	once     bool          // must not run twice
	fresh    []agent.Mount // volumes in which nobody has put anything
}

func newSpec(cluster string, a agent.Assignment) (*spec, error) {
	if a.ID == "" || a.Network.Name == "" {
		return nil, lasting("assignment of %s names no instance or no network", a.Name)
	}
	if !strings.Contains(a.Image, "@sha256:") {
		return nil, lasting("image %q is not named by its digest", a.Image)
	}
	if err := checkFiles(a.Files); err != nil {
		return nil, err
	}
	if err := checkMounts(a.Mounts); err != nil {
		return nil, err
	}
	env, err := environ(a.Env)
	if err != nil {
		return nil, err
	}
	s := &spec{
		attach:  a.Attach,
		once:    a.OneOff,
		config:  config(cluster, a, env),
		host:    hostConfig(a),
		network: &network.NetworkingConfig{EndpointsConfig: map[string]*network.EndpointSettings{a.Network.Name: {}}},
	}
	id := nameable(a.ID)
	stem := "paas-" + nameable(a.App) + "-" + nameable(a.Name) + "-"
	s.name, s.longName = stem+id[max(0, len(id)-shortID):], stem+id
	return s, nil
}

func config(cluster string, a agent.Assignment, env []string) *container.Config {
	c := &container.Config{
		// Resolvers take what follows a dot for the domain to look names up in, and
		// would ask the world for "shop.internal.1" when there is no "shop.internal".
		Hostname:   strings.ReplaceAll(a.Name, ".", "-"),
		Env:        env,
		Image:      a.Image,
		StopSignal: "SIGTERM", // also when the image asks for another one
		// An image's own HEALTHCHECK would run processes inside the app's
		// limits for a result nobody reads.
		Healthcheck: &container.HealthConfig{Test: []string{"NONE"}},
		Labels: map[string]string{
			labelCluster:  cluster,
			labelInstance: a.ID,
			labelApp:      a.App,
			labelAppID:    a.AppID,
			labelName:     a.Name,
			labelRelease:  strconv.Itoa(a.Release),
		},
	}
	if len(a.Command) > 0 {
		// The whole command as the entrypoint: an image's CMD is appended to
		// its own entrypoint only.
		c.Entrypoint = a.Command
	}
	if a.Attach {
		c.AttachStdin, c.AttachStdout, c.AttachStderr = true, true, true
		c.OpenStdin, c.StdinOnce, c.Tty = true, true, a.TTY
	}
	return c
}

func hostConfig(a agent.Assignment) *container.HostConfig {
	memory := or(a.Limits.Memory, defaultMemory)
	pids := or(a.Limits.Pids, defaultPids)
	yes := true
	logs := container.LogConfig{Type: "local", Config: map[string]string{
		"max-size": "10m", "max-file": "3", "mode": "non-blocking", "max-buffer-size": "4m",
	}}
	if a.Attach {
		logs = container.LogConfig{Type: "none"} // it is the client's and nobody else's
	}
	return &container.HostConfig{
		NetworkMode:   container.NetworkMode(a.Network.Name),
		RestartPolicy: container.RestartPolicy{Name: container.RestartPolicyDisabled}, // one boss: the scheduler
		SecurityOpt:   []string{"no-new-privileges"},
		CapDrop:       []string{"ALL"},
		IpcMode:       container.IPCModePrivate,
		Init:          &yes,
		Tmpfs:         map[string]string{"/tmp": "rw,noexec,nosuid,nodev,size=64m,mode=1777"},
		// With ports from 0 open to all, CAP_NET_BIND_SERVICE is not missed.
		// The engine's default since 20.10, said here so that it holds.
		Sysctls:   map[string]string{"net.ipv4.ip_unprivileged_port_start": "0"},
		LogConfig: logs,
		Resources: container.Resources{
			Memory:     memory,
			MemorySwap: memory, // both together: no swap
			NanoCPUs:   or(a.Limits.MilliCPU, defaultMilliCPU) * 1_000_000,
			PidsLimit:  &pids,
		},
	}
}

// environ makes the KEY=VALUE list. What the kernel or the engine's JSON could
// not carry byte for byte is refused, never changed.
func environ(env map[string]string) ([]string, error) {
	out := make([]string, 0, len(env))
	for k, v := range env {
		switch {
		case k == "" || strings.ContainsAny(k, "=\x00"):
			return nil, appFault("config var %q: a name is not empty and holds neither = nor NUL", k)
		case strings.ContainsRune(v, 0):
			return nil, appFault("config var %s: the value holds a NUL byte, which no environment can carry", k)
		case !utf8.ValidString(k) || !utf8.ValidString(v):
			return nil, appFault("config var %s: the value is not UTF-8; encode it, for example as base64", k)
		}
		out = append(out, k+"="+v)
	}
	return out, nil
}

// nameable keeps what a container name may hold.
func nameable(s string) string {
	return strings.Map(func(c rune) rune {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '.', c == '-', c == '_':
			return c
		}
		return '_'
	}, s)
}

func or(v, standard int64) int64 {
	if v > 0 {
		return v
	}
	return standard
}
