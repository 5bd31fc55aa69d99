package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// SchedulerConfig are the limits of the loop that runs crons by the clock.
type SchedulerConfig struct {
	Size string        // of a run
	Tick time.Duration // the clock is looked at this often, to be sure
	Late time.Duration // a tick that is later than this is not run any more
	// Now and Next are the clock and how schedules are read; nil means the
	// machine's clock and NextTick.
	Now  func() time.Time
	Next func(schedule, timezone string, after time.Time) (time.Time, error)
}

// Scheduler runs crons by the clock. Several may run on one store: each tick
// belongs to who moves the cron's clock on from it, and so runs once.
type Scheduler struct {
	cfg   SchedulerConfig
	store CronStore
	bell  *Bell
	log   *slog.Logger
}

const cronBatch = 100

// NewScheduler makes the loop; Run drives it.
func NewScheduler(cfg SchedulerConfig, store CronStore, bell *Bell, log *slog.Logger) *Scheduler {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Next == nil {
		cfg.Next = NextTick
	}
	return &Scheduler{cfg: cfg, store: store, bell: bell, log: log}
}

// Run fires ticks as they come until ctx ends.
func (s *Scheduler) Run(ctx context.Context) error {
	wake, stop := s.bell.Listen(NoticeCrons)
	defer stop()
	for ctx.Err() == nil {
		timer := time.NewTimer(s.round(ctx))
		select {
		case <-wake:
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
	}
	return nil
}

// round fires what is due and says how long to wait for what comes next.
func (s *Scheduler) round(ctx context.Context) time.Duration {
	list, err := s.store.NextCrons(ctx, cronBatch)
	if err != nil {
		s.warn(ctx, "read crons", Cron{}, err)
		return s.cfg.Tick
	}
	failed := 0
	for _, c := range list {
		if wait := c.NextAt.Sub(s.cfg.Now()); wait > 0 {
			return min(wait, s.cfg.Tick)
		}
		if ctx.Err() != nil {
			return 0
		}
		if err := s.fire(ctx, c); err != nil && !errors.Is(err, ErrStale) {
			s.warn(ctx, "run cron", c, err)
			failed++
		}
	}
	if failed > 0 || len(list) == 0 {
		return s.cfg.Tick // the database is away, or there is nothing to do
	}
	return 0 // all were due: look for more
}

func (s *Scheduler) warn(ctx context.Context, step string, c Cron, err error) {
	if ctx.Err() == nil {
		s.log.Warn(step, "app", c.App, "cron", c.ID, "err", err)
	}
}

// fire runs the tick that a cron is at, or, when the servers were away for
// several, the last of them if it is not too old. What is left out is noted.
func (s *Scheduler) fire(ctx context.Context, c Cron) error {
	now := s.cfg.Now()
	f := Firing{Cron: c}
	tick, next, missed, err := s.ticks(c, now)
	if err != nil {
		// A schedule that was good once: a zone that is no more.
		f.Next, f.Note = Never(), fmt.Sprintf("%s does not run any more: %v", c.Command, err)
		_, err := s.store.Fire(ctx, f)
		return err
	}
	f.Next = next
	if missed {
		f.Note = fmt.Sprintf("%s was not run from %s on: the server was away", c.Command, stampTick(c.NextAt))
	}
	if !tick.IsZero() {
		n := cronRun(c, tick)
		n.Size = s.cfg.Size
		f.Run = &n
	}
	_, err = s.store.Fire(ctx, f)
	var refused *Error
	if errors.As(err, &refused) && !refused.Transient && f.Run != nil {
		// It cannot be run, and will not be able to in a moment either: the
		// others must not wait behind it.
		f.Run, f.Note = nil, fmt.Sprintf("%s was not run at %s: %s", c.Command, stampTick(tick), refused.Message)
		_, err = s.store.Fire(ctx, f)
	}
	return err
}

// ticks finds the newest tick until now that may still be run, zero when all
// are too old, the one that follows, and whether some were missed.
func (s *Scheduler) ticks(c Cron, now time.Time) (tick, next time.Time, missed bool, err error) {
	oldest := now.Add(-s.cfg.Late)
	next = c.NextAt
	if next.Before(oldest) {
		missed = true
		if next, err = s.cfg.Next(c.Schedule, c.Timezone, oldest); err != nil {
			return tick, next, missed, err
		}
	}
	for !next.After(now) {
		missed = missed || !tick.IsZero()
		tick = next
		if next, err = s.cfg.Next(c.Schedule, c.Timezone, tick); err != nil {
			return tick, next, missed, err
		}
		if !next.After(tick) {
			return tick, next, missed, fmt.Errorf("schedule %q does not go on", c.Schedule)
		}
	}
	return tick, next, missed, nil
}

func stampTick(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }
