package child

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// keptFiles are ours, not the cache's.
var keptFiles = []string{markerFile, "buildkitd.toml", "buildkitd.pid", "buildkitd.sock", "tmp"}

func (c *BuildkitdConfig) file() string { return filepath.Join(c.Root, "buildkitd.toml") }

func (c *BuildkitdConfig) writeFiles() error {
	for _, dir := range []string{filepath.Join(c.Root, "tmp"), filepath.Dir(c.Socket)} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
	}
	return os.WriteFile(c.file(), []byte(c.toml()), 0o600)
}

// toml is buildkitd's configuration. Off: the containerd worker, frontends
// from images, devices and every other entitlement, the history of builds
// (paas keeps its own), debugging and telemetry.
func (c *BuildkitdConfig) toml() string {
	q := strconv.Quote
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("# Written by paas at every start.")
	line("root = %s", q(c.Root))
	line("insecure-entitlements = []")
	line("[log]\nlevel = \"warn\"")
	line("[grpc]\naddress = [%s]\nuid = %d\ngid = %d", q("unix://"+c.Socket), os.Geteuid(), os.Getegid())
	line("[otel]\nsocketPath = %s", q(filepath.Join(c.Root, "otel.sock")))
	line("[cdi]\ndisabled = true")
	line("[history]\nmaxEntries = 0\nmaxAge = \"1s\"")
	line("[frontend.\"dockerfile.v0\"]\nenabled = true")
	line("[frontend.\"gateway.v0\"]\nenabled = false")
	line("[worker.containerd]\nenabled = false")
	line("[worker.oci]\nenabled = true\nbinary = %s", q(c.Runc))
	line("max-parallelism = %d", c.MaxParallelism)
	line("gc = true\nmaxUsedSpace = %q\nminFreeSpace = %q\nreservedSpace = %q",
		bytesText(c.MaxUsedSpace), bytesText(c.MinFreeSpace), bytesText(c.MaxUsedSpace/10))
	line("networkMode = %s", q(string(c.Network)))
	if c.Network == NetworkBridge {
		line("cniBinaryPath = %s\nbridgeName = %s\nbridgeSubnet = %s", q(c.CNIDir), q(c.BridgeName), q(c.BridgeSubnet))
		// Namespaces made in advance: a RUN step does not wait for the plugins.
		line("cniPoolSize = %d", c.MaxParallelism)
	}
	if c.RegistryAddr != "" {
		line("[registry.%s]\nhttp = true", q(c.RegistryAddr))
	}
	if c.MirrorDockerIO {
		line("[registry.\"docker.io\"]\nmirrors = [%s]", q(c.RegistryAddr))
	}
	return b.String()
}

func bytesText(n int64) string { return strconv.FormatInt(n, 10) }

// unmountBelow detaches every mount at or below dir.
func unmountBelow(dir string) error {
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	var points []string
	s := bufio.NewScanner(f)
	for s.Scan() {
		fields := strings.Fields(s.Text())
		if len(fields) < 5 {
			continue
		}
		if p := fields[4]; p == dir || strings.HasPrefix(p, dir+"/") {
			points = append(points, p)
		}
	}
	if err := s.Err(); err != nil {
		return err
	}
	for i := len(points) - 1; i >= 0; i-- { // later mounts lie on earlier ones
		err := syscall.Unmount(points[i], syscall.MNT_DETACH)
		if err != nil && !errors.Is(err, syscall.EINVAL) {
			return fmt.Errorf("unmount %s: %w", points[i], err)
		}
	}
	return nil
}
