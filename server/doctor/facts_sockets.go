package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// maxAnswer bounds what is read of an answer; docker info is some 10 KB.
const maxAnswer = 1 << 20

// get asks a program over its unix socket.
func get(ctx context.Context, cfg Config, socket, path string) (status int, body []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, cfg.Timeout)
	defer cancel()
	tr := &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", socket)
		},
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://localhost"+path, nil)
	if err != nil {
		return 0, nil, err
	}
	resp, err := (&http.Client{Transport: tr}).Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	body, err = io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	return resp.StatusCode, body, err
}

// askEngine reads the engine's /version and /info. The Docker client library
// has its home in the agent; two GETs need none.
func askEngine(ctx context.Context, cfg Config) engineFacts {
	f := engineFacts{socket: cfg.Docker}
	var v struct {
		Version    string
		APIVersion string `json:"ApiVersion"`
		Components []struct{ Name, Version string }
	}
	if f.err = getJSON(ctx, cfg, "/version", &v); f.err != nil {
		return f
	}
	f.version, f.api = v.Version, v.APIVersion
	for _, c := range v.Components {
		switch c.Name {
		case "runc":
			f.runc = c.Version
		case "containerd":
			f.containerd = c.Version
		}
	}
	var info struct {
		Driver, CgroupDriver, CgroupVersion        string
		DockerRootDir                              string
		MemoryLimit, PidsLimit, LiveRestoreEnabled bool
		SecurityOptions                            []string
	}
	if f.err = getJSON(ctx, cfg, "/info", &info); f.err != nil {
		return f
	}
	f.root = info.DockerRootDir
	f.driver, f.cgroupDriver, f.cgroup = info.Driver, info.CgroupDriver, info.CgroupVersion
	f.memoryLimit, f.pidsLimit, f.liveRestore = info.MemoryLimit, info.PidsLimit, info.LiveRestoreEnabled
	f.seccomp = slices.ContainsFunc(info.SecurityOptions, func(s string) bool { return strings.Contains(s, "seccomp") })
	return f
}

func getJSON(ctx context.Context, cfg Config, path string, into any) error {
	status, body, err := get(ctx, cfg, cfg.Docker, path)
	if err != nil {
		return cause(err)
	}
	if status != http.StatusOK {
		return fmt.Errorf("GET %s answered %d", path, status)
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("read answer of GET %s: %w", path, err)
	}
	return nil
}

// cause is the innermost error: people need "connection refused", not the
// URL that stands for a unix socket.
func cause(err error) error {
	var op *net.OpError
	if errors.As(err, &op) && op.Err != nil {
		return op.Err
	}
	return err
}

func askPaas(ctx context.Context, cfg Config) paasFacts {
	f := paasFacts{dir: cfg.DataDir, socket: filepath.Join(cfg.DataDir, "run", "paas.sock")}
	if _, err := os.Stat(f.socket); err != nil {
		return f
	}
	f.exists = true
	status, body, err := get(ctx, cfg, f.socket, "/healthz")
	if err != nil {
		f.err = cause(err)
		return f
	}
	f.status, f.body = status, strings.TrimSpace(string(body[:min(len(body), 500)]))
	return f
}

// tryListen opens and closes a listener. Nothing is accepted on it.
func tryListen(ctx context.Context, addr string) portFacts {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if err == nil {
		err = l.Close()
		return portFacts{addr: addr, err: err}
	}
	if errors.Is(err, syscall.EADDRINUSE) {
		return portFacts{addr: addr, busy: true}
	}
	return portFacts{addr: addr, err: cause(err)}
}
