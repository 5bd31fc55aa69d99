package fleet

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"paas/scheduler/agent"
)

// AfterReboot takes away what a reboot of the machine has ended, so that the
// agent starts it anew: nobody else would while the control plane is away. boot
// names the present run of the machine. One-offs stay as they are: that they
// have run is all that is left of them. It waits for an engine that does not
// answer yet, and does nothing when the machine runs as it did.
func (c *Client) AfterReboot(ctx context.Context, rt agent.Runtime, boot string, log *slog.Logger) error {
	path := filepath.Join(c.cfg.Dir, "boot")
	before, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if len(before) > 0 && strings.TrimSpace(string(before)) != boot {
		if err := c.clearEnded(ctx, rt, log); err != nil {
			return err
		}
	}
	return writeWhole(path, []byte(boot+"\n"))
}

func (c *Client) clearEnded(ctx context.Context, rt agent.Runtime, log *slog.Logger) error {
	wanted, err := c.restartable()
	if err != nil {
		log.Warn("this machine was rebooted, and what it ran is not known; waiting for the control plane", "err", err)
		return nil
	}
	list, err := rt.List(ctx)
	for told := false; err != nil; list, err = rt.List(ctx) {
		if !told {
			log.Error("Docker Engine is not reachable; apps cannot start until it is", "err", err)
			told = true
		}
		if rest(ctx, 500*time.Millisecond); ctx.Err() != nil {
			return nil
		}
	}
	for _, ended := range list {
		if ended.Running || !wanted[ended.Instance] {
			continue
		}
		log.Info("this machine was rebooted; the instance starts anew", "instance", ended.Instance)
		if err := rt.Stop(ctx, ended.Instance, 0); err != nil {
			return fmt.Errorf("remove what ended with the machine: %w", err)
		}
	}
	return nil
}

// restartable are the instances of the last set that may start again.
func (c *Client) restartable() (map[string]bool, error) {
	sealed, err := os.ReadFile(c.lastSet())
	if err != nil {
		return nil, err
	}
	s, err := unseal(c.Identity().SignKey, sealed)
	if err != nil {
		return nil, err
	}
	wanted := map[string]bool{}
	for _, a := range s.Assignments {
		wanted[a.ID] = !a.OneOff && !a.Stop
	}
	return wanted, nil
}
