package server

import (
	"context"
	"log/slog"
	"time"
)

// LogKeeper keeps an app's log within limits; zero is its default.
type LogKeeper interface {
	SetLimits(appID string, age time.Duration, bytes int64)
	// Kept are the apps that have a log.
	Kept() []string
	Drop(appID string)
}

// KeepLogLimits tells the keeper what each app's settings say, and which apps were
// destroyed, every interval until ctx ends. Who destroyed one may have done so
// through another server.
func KeepLogLimits(ctx context.Context, store AppStore, keeper LogKeeper, every time.Duration, log *slog.Logger) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		apps, err := store.Apps(ctx, "")
		for _, a := range apps {
			keeper.SetLimits(a.ID, time.Duration(a.Settings.LogDays)*24*time.Hour, int64(a.Settings.LogMB)<<20)
		}
		if err == nil {
			err = dropDestroyed(ctx, store, keeper)
		}
		if err != nil && ctx.Err() == nil {
			log.Warn("read the limits of logs", "err", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

func dropDestroyed(ctx context.Context, store AppStore, keeper LogKeeper) error {
	gone, err := store.DestroyedApps(ctx, keeper.Kept())
	for _, id := range gone {
		keeper.Drop(id)
	}
	return err
}
