package server

import (
	"context"
	"errors"
	"slices"
	"time"
)

// Run writes beats and, while this process leads, declares hosts lost, until
// ctx ends.
func (f *Fleet) Run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-ctx.Done():
			return nil
		}
		timer.Reset(f.round(ctx))
	}
}

// round is one pulse; it gives the time until the next.
func (f *Fleet) round(ctx context.Context) time.Duration {
	ctx, cancel := context.WithTimeout(ctx, 4*f.cfg.Flush)
	defer cancel()
	p, err := f.pulse(ctx)
	if err != nil {
		if !errors.Is(ctx.Err(), context.Canceled) {
			f.log.Warn("write signs of life of hosts; none is declared lost meanwhile", "err", err)
		}
		f.since = time.Time{}
		return f.cfg.Flush
	}
	for _, name := range p.Back {
		f.log.Info("host is heard of again", "host", name)
	}
	for _, name := range p.Drained {
		f.log.Warn("the drain of a host has met its deadline; what was left is stopped", "host", name)
	}
	if f.mayJudge() {
		f.judge(ctx, p)
	}
	f.putStock(ctx)
	if p.Next == 0 {
		return f.cfg.Flush
	}
	return max(min(p.Next+time.Millisecond, f.cfg.Flush), f.cfg.Flush/20)
}

// pulse writes the beats since the last one. Those that could not be written
// are kept, unless there are newer ones.
func (f *Fleet) pulse(ctx context.Context) (Pulse, error) {
	f.mu.Lock()
	taken := f.beats
	f.beats = make(map[string]heard, len(taken))
	f.mu.Unlock()
	now, list := time.Now(), make([]HostBeat, 0, len(taken))
	for host, b := range taken {
		list = append(list, HostBeat{Host: host, Age: now.Sub(b.at), Engine: b.engine})
	}
	asked := time.Now()
	p, err := f.store.Pulse(ctx, list, f.cfg.Lease)
	if err == nil {
		f.readClock(reading{theirs: p.Now, ours: asked, within: time.Since(asked)})
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if err != nil {
		for host, b := range taken {
			if _, newer := f.beats[host]; !newer {
				f.beats[host] = b
			}
		}
		return p, err
	}
	p.Overdue = slices.DeleteFunc(p.Overdue, func(id string) bool { _, heard := f.beats[id]; return heard && !slices.Contains(p.Drilled, id) })
	return p, nil
}

// reading is of two clocks at one moment; the other one was read so long after
// ours at most.
type reading struct {
	theirs, ours time.Time
	within       time.Duration
}

// readClock notices when the database's clock was set: by it every host is then
// silent for as long as it jumped, and each is given time to be heard anew.
func (f *Fleet) readClock(now reading) {
	was := f.clock
	f.clock = now
	if now.theirs.IsZero() || was.theirs.IsZero() {
		return
	}
	if jump := now.theirs.Sub(was.theirs) - now.ours.Sub(was.ours); jump.Abs() > f.cfg.Lease/2+max(now.within, was.within) {
		f.log.Warn("the database's clock has jumped; no host is declared lost until each has had time to be heard", "by", jump.Round(time.Millisecond))
		f.since = time.Time{}
	}
}

// mayJudge says whether every host has had its time to be heard since this
// process leads, hears and writes without a gap: it may have been paused, or
// the database away, and then nobody's silence means anything.
func (f *Fleet) mayJudge() bool {
	now := time.Now()
	gap := now.Sub(f.last) > 4*f.cfg.Flush
	f.last = now
	epoch := int64(0)
	if f.cfg.Epoch != nil {
		epoch = f.cfg.Epoch()
	}
	if f.since.IsZero() || gap || epoch != f.epoch {
		f.since, f.epoch = now, epoch
	}
	return epoch != 0 && now.Sub(f.since) >= f.cfg.Grace
}

// doubtful says that so many hosts are silent at once that the control plane
// suspects itself.
func (p Pulse) doubtful() bool { return p.Hosts >= 3 && 2*p.Silent > p.Remote }

func (f *Fleet) judge(ctx context.Context, p Pulse) {
	if len(p.Overdue) > 0 && p.doubtful() {
		if !f.alarmed {
			f.log.Error("ALARM: more than half of the hosts are silent at once; none is declared lost, because it may be this control plane that hears nothing. Look at its network; hosts that are gone for good: paas hosts:remove NAME --force",
				"silent", p.Silent, "hosts", p.Remote)
		}
		f.alarmed = true
		return
	}
	if f.alarmed && !p.doubtful() {
		// Whose beat is not here yet is not gone: what was cut off comes back one by one.
		f.alarmed, f.since = false, time.Now()
		f.log.Info("enough hosts are heard of again; the alarm is over", "silent", p.Silent, "hosts", p.Remote)
		return
	}
	if len(p.Overdue) == 0 {
		return
	}
	names, err := f.store.LoseHosts(ctx, p.Overdue, f.cfg.Lease, f.epoch)
	if err != nil {
		f.log.Warn("declare hosts lost", "err", err)
	}
	for _, name := range names {
		f.log.Error("host is lost; what it had starts elsewhere", "host", name)
	}
}
