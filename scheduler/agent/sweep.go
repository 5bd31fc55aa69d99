package agent

import (
	"context"
	"log/slog"
	"time"
)

// ImageRemover removes what a host does not need any more of the images it
// pulled for this cluster; images of others are never touched.
type ImageRemover interface {
	// RemoveImages removes the cluster's images that are neither in keep, by
	// reference, nor used by a container, and says how many went.
	RemoveImages(ctx context.Context, keep []string) (int, error)
}

// SweepImages removes images that no release a rollback could ask for needs,
// at once and then at each interval, until ctx ends. A keep list that cannot
// be had removes nothing.
func SweepImages(ctx context.Context, every time.Duration, keep func(context.Context) ([]string, error), r ImageRemover, log *slog.Logger) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		list, err := keep(ctx)
		n := 0
		if err == nil {
			n, err = r.RemoveImages(ctx, list)
		}
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			log.Warn("sweep images", "err", err)
		case n > 0:
			log.Info("images removed from the host", "count", n)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}
