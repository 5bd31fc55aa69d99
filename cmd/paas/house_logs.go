package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"paas/server"
	"paas/server/drain"
	"paas/server/fleet"
)

// checkLogs reads the flags about logs.
func (s *settings) checkLogs() error {
	for _, c := range s.drainAllow {
		p, err := netip.ParsePrefix(c)
		if err != nil {
			return fmt.Errorf("--drain-allow %s: must be a network like 10.1.2.0/24", c)
		}
		s.drainNets = append(s.drainNets, p.Masked())
	}
	const days, most = 3650, 1 << 30
	if s.logDays < 1 || s.logDays > days || s.logMB < 1 || s.logMB > most || s.logTotalMB < 1 || s.logTotalMB > most {
		return errors.New("--log-days must be 1 to 3650, --log-mb and --log-total-mb 1 or more")
	}
	if s.logRate < 1 || s.logRate > 1<<20 {
		return errors.New("--log-rate must be 1 to 1048576 kilobytes per second")
	}
	return nil
}

// allLogs are the lines of all servers; where there is one only, its own.
func (h *house) allLogs() server.Logs {
	if !h.s.serverOnly {
		return h.logs
	}
	return server.JoinLogs(h.logs, h.servers, fleet.NewLogPeers(fleet.NewPeers(h.servers.Self(), h.fleet.auth)), h.log)
}

// openDrains starts what sends log lines elsewhere, before there are any of
// apps to send: who was away only for the time of a restart misses nothing.
func (h *house) openDrains(ctx context.Context) error {
	d := drain.New(drain.Config{Guard: &drain.Guard{Allow: h.s.drainNets}}, h.service, h.logs, h.bell, h.log)
	h.services.run("log drains", d.Run)
	h.services.run("log limits", func(ctx context.Context) error {
		return server.KeepLogLimits(ctx, h.store, h.logs, 30*time.Second, h.log)
	})
	select {
	case <-d.Ready():
	case <-time.After(2 * time.Second): // the database is away, and apps go on without it
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}
