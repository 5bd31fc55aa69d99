package child

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/containerd/go-cni"
	"golang.org/x/sys/unix"
)

// releaseNetworks gives back what build steps still hold after a buildkitd
// that was killed, or that ended before it was up: network namespaces, their
// addresses and firewall rules. Without namespaces it does nothing.
func releaseNetworks(ctx context.Context, c BuildkitdConfig) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	held, err := entries(filepath.Join(c.Root, "net", "cni"))
	if err != nil {
		return err
	}
	var errs []error
	if len(held) > 0 {
		network, err := cni.New(cni.WithPluginDir([]string{c.CNIDir}), cni.WithConfListBytes(c.conflist()))
		if err != nil {
			return fmt.Errorf("load the build network: %w", err)
		}
		for _, ns := range held {
			errs = append(errs, network.Remove(ctx, filepath.Base(ns), ns), dropNamespace(ns))
		}
	}
	// BuildKit's proxies have namespaces too, without addresses.
	proxies, err := entries(filepath.Join(c.Root, "net", "proxy"))
	errs = append(errs, err)
	for _, ns := range proxies {
		errs = append(errs, dropNamespace(ns))
	}
	return errors.Join(errs...)
}

func entries(dir string) ([]string, error) {
	list, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var paths []string
	for _, e := range list {
		paths = append(paths, filepath.Join(dir, e.Name()))
	}
	return paths, err
}

// dropNamespace removes a namespace's mount and the file under it.
func dropNamespace(path string) error {
	if err := unix.Unmount(path, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW); err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("unmount %s: %w", path, err)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// conflist describes the network as buildkitd makes it, as far as taking it
// down needs: the name and the plugins.
func (c BuildkitdConfig) conflist() []byte {
	return fmt.Appendf(nil, `{"cniVersion": "1.0.0", "name": "buildkit", "plugins": [
		{"type": "loopback"},
		{"type": "bridge", "bridge": %q, "isDefaultGateway": true, "ipMasq": true,
		 "ipam": {"type": "host-local", "ranges": [[{"subnet": %q}]]}},
		{"type": "firewall", "ingressPolicy": "same-bridge"}]}`, c.BridgeName, c.BridgeSubnet)
}
