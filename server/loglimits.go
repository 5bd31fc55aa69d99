package server

import (
	"context"
	"log/slog"
	"time"
)

// LogKeeper keeps an app's log within limits; zero is its default.
type LogKeeper interface {
	SetLimits(appID string, age time.Duration, bytes int64)
}

// KeepLogLimits tells the keeper what each app's settings say, every interval
// until ctx ends.
func KeepLogLimits(ctx context.Context, store AppStore, keeper LogKeeper, every time.Duration, log *slog.Logger) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		apps, err := store.Apps(ctx, "")
		if err != nil && ctx.Err() == nil {
			log.Warn("read the limits of logs", "err", err)
		}
		for _, a := range apps {
			keeper.SetLimits(a.ID, time.Duration(a.Settings.LogDays)*24*time.Hour, int64(a.Settings.LogMB)<<20)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}
