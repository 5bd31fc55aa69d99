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

// KeepLogLimits tells the keeper what each app's settings say, and which apps are
// no more, every interval until ctx ends. Who destroyed one may have done so
// through another server.
func KeepLogLimits(ctx context.Context, store AppStore, keeper LogKeeper, every time.Duration, log *slog.Logger) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		had := keeper.Kept() // before: an app that comes meanwhile is not among them
		apps, err := store.Apps(ctx, "")
		if err == nil {
			dropGone(keeper, had, apps)
		}
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

func dropGone(keeper LogKeeper, had []string, apps []App) {
	there := make(map[string]bool, len(apps))
	for _, a := range apps {
		there[a.ID] = true
	}
	for _, id := range had {
		if !there[id] {
			keeper.Drop(id)
		}
	}
}
