package router

import (
	"context"
	"maps"
	"time"
)

// follow takes tables from the source until its channel closes. Nothing here
// waits for a disk or for the source: a table with a dead host's instances
// taken out must be served at once.
func (r *Router) follow(ctx context.Context) {
	tables := r.source.Watch(ctx, r.cfg.ID)
	for {
		select {
		case <-ctx.Done():
			return
		case t, ok := <-tables:
			if !ok {
				if ctx.Err() == nil {
					r.log.Warn("routing source ended; serving the last table")
				}
				return
			}
			r.serveTable(t)
		}
	}
}

func (r *Router) serveTable(t Table) {
	// The source is the authority, even after a restore took it back in time.
	if have := r.fleet.view.Load().version; t.Version < have {
		r.log.Warn("routing table is older than the one served", "version", t.Version, "served", have)
	}
	for _, host := range r.fleet.apply(t) {
		r.log.Warn("route ignored: not a host name, or a second one for it", "host", host, "version", t.Version)
	}
}

// publish keeps the snapshot and the source up to date. It is level-triggered:
// each round looks at everything, so a missed or doubled wake-up is harmless.
// The snapshot is written before the Ack, because the Ack lets the scheduler
// stop what the old snapshot still leads to.
func (r *Router) publish(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	var last drain
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.fleet.poke:
		case <-timer.C:
		}
		r.keepSnapshot()
		now := time.Now()
		d := r.fleet.drain(now)
		for _, in := range d.overdue {
			in.closeTunnels()
		}
		if d.swaps != last.swaps || !maps.Equal(d.busy, last.busy) {
			r.source.Ack(Ack{Router: r.cfg.ID, Version: d.version, Busy: maps.Clone(d.busy)})
		}
		last = d
		if !d.next.IsZero() {
			timer.Reset(d.next.Sub(now))
		}
	}
}

func (r *Router) keepSnapshot() {
	t, swap := r.fleet.current()
	if r.cfg.SnapshotFile == "" || swap == r.kept {
		return
	}
	if err := WriteSnapshot(r.cfg.SnapshotFile, t); err != nil {
		r.log.Error("routing snapshot not kept; a restart would serve an older table", "version", t.Version, "err", err)
		return
	}
	r.kept = swap
}
