package child

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/vishvananda/netlink"
)

// runcTimeout bounds the removal of one left-over container.
const runcTimeout = 10 * time.Second

// endBuildContainers ends the build steps that outlived a killed buildkitd and
// lets go of their file systems. It runs before buildkitd does, so none of the
// containers it finds has an owner.
func endBuildContainers(ctx context.Context, runc, root string, log *slog.Logger) error {
	bundles, err := filepath.Glob(filepath.Join(root, "runc-*", "executor", "*", "config.json"))
	if err != nil {
		return err
	}
	for _, bundle := range bundles {
		dir := filepath.Dir(bundle)
		log.Info("ending a build step of an earlier start", "container", filepath.Base(dir))
		if err := removeContainer(ctx, runc, filepath.Base(dir)); err != nil {
			// It may be gone already; what it held shows below.
			log.Debug("runc could not remove the container", "err", err)
		}
		if err := unmountBelow(dir); err != nil {
			return err
		}
		if err := os.RemoveAll(dir); err != nil {
			return fmt.Errorf("remove the build step of an earlier start: %w", err)
		}
	}
	return nil
}

func removeContainer(ctx context.Context, runc, id string) error {
	ctx, cancel := context.WithTimeout(ctx, runcTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, runc, "delete", "--force", "--", id)
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin"}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("runc delete %s: %w: %s", id, err, out)
	}
	return nil
}

// removeBridge removes the bridge of the build steps. buildkitd does that
// itself, but not when an earlier one was killed and the bridge was there
// already. A bridge that something is plugged into belongs to another buildkitd.
func removeBridge(name string) error {
	ports, err := os.ReadDir(filepath.Join("/sys/class/net", name, "brif"))
	if errors.Is(err, os.ErrNotExist) || len(ports) > 0 {
		return nil
	}
	if err != nil {
		return err
	}
	link, err := netlink.LinkByName(name)
	if errors.As(err, new(netlink.LinkNotFoundError)) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("find the bridge %s: %w", name, err)
	}
	if err := netlink.LinkDel(link); err != nil {
		return fmt.Errorf("remove the bridge %s: %w", name, err)
	}
	return nil
}
