package server

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // hosts without a zone database know the zones too

	"github.com/google/uuid"
	"github.com/robfig/cron/v3"
)

// cronLimit is how long a run of a cron may take.
const cronLimit = 24 * time.Hour

// Never is the next tick of a schedule that no day fits, such as the 30th of
// February.
func Never() time.Time { return time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC) }

// NextTick is the first tick of a schedule behind a moment. The schedule is
// read by the clock on the wall of its zone: a tick in an hour that the start
// of summer time leaves out does not happen that day, one in the hour that its
// end repeats happens twice.
func NextTick(schedule, timezone string, after time.Time) (time.Time, error) {
	if timezone == "" {
		timezone = "UTC"
	}
	if timezone == "Local" || strings.ContainsAny(timezone, " \t\r\n") {
		return time.Time{}, fmt.Errorf("no time zone %q", timezone)
	}
	parser := cron.NewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow | cron.Descriptor)
	s, err := parser.Parse("CRON_TZ=" + timezone + " " + schedule)
	if err != nil {
		return time.Time{}, fmt.Errorf("schedule %q: %w", schedule, err)
	}
	next := s.Next(after)
	if next.IsZero() {
		return Never(), nil
	}
	return next.UTC(), nil
}

// Crons lists the crons of an app's current release.
func (s *Service) Crons(ctx context.Context, actor Actor, ident string) ([]Cron, error) {
	app, err := s.appToRead(ctx, actor, ident, PermView)
	if err != nil {
		return nil, err
	}
	return s.store.Crons(ctx, app.ID)
}

// Cron finds one by id or by its beginning.
func (s *Service) Cron(ctx context.Context, actor Actor, ident, id string) (Cron, error) {
	app, err := s.appToRead(ctx, actor, ident, PermView)
	if err != nil {
		return Cron{}, err
	}
	return s.cron(ctx, app, id)
}

// leastIdent is how much of an id names a cron.
const leastIdent = 4

func (s *Service) cron(ctx context.Context, app App, id string) (Cron, error) {
	list, err := s.store.Crons(ctx, app.ID)
	if err != nil {
		return Cron{}, err
	}
	id = strings.ToLower(id)
	list = slices.DeleteFunc(list, func(c Cron) bool {
		return len(id) < leastIdent || !strings.HasPrefix(c.ID, id)
	})
	next := "See which there are: paas cron -a " + app.Name
	switch len(list) {
	case 0:
		return Cron{}, &Error{ID: ErrNotFound, Message: "Couldn't find that cron. Nothing was changed.", Next: next}
	case 1:
		return list[0], nil
	}
	return Cron{}, &Error{ID: ErrInvalid, Message: "Several crons begin with that id: give more of it. Nothing was changed.", Next: next}
}

// SuspendCron keeps a cron from running by the clock, or lets it again; ticks
// that passed meanwhile are not made up for. It stays so across releases.
func (s *Service) SuspendCron(ctx context.Context, actor Actor, ident, id string, suspended bool) (Cron, error) {
	app, err := s.app(ctx, actor, ident, PermOperate)
	if err != nil {
		return Cron{}, err
	}
	c, err := s.cron(ctx, app, id)
	if err != nil {
		return c, err
	}
	next, err := NextTick(c.Schedule, c.Timezone, time.Now())
	if err != nil {
		return c, err
	}
	if err := s.store.SuspendCron(ctx, app.ID, c.ID, actor.Email, suspended, next); err != nil {
		return c, err
	}
	return s.cron(ctx, app, c.ID)
}

// RunCron runs one now, whatever its schedule and though it is suspended. Its
// policy holds.
func (s *Service) RunCron(ctx context.Context, actor Actor, ident, id string) (Run, error) {
	app, err := s.app(ctx, actor, ident, PermOperate)
	if err != nil {
		return Run{}, err
	}
	c, err := s.cron(ctx, app, id)
	if err != nil {
		return Run{}, err
	}
	n := cronRun(c, time.Time{})
	n.Size, n.UserID, n.Actor = s.cfg.Sizes[0].Name, actor.ID, actor.Email
	run, err := s.store.Fire(ctx, Firing{Cron: c, Run: &n})
	if err != nil {
		return Run{}, err
	}
	if run == nil {
		return Run{}, &Error{ID: ErrConflict, Message: "The run before is not over, and the cron's policy forbids two at once. Nothing was started.",
			Next: fmt.Sprintf("See it: paas cron:history %s -a %s", c.ID[:8], app.Name)}
	}
	return *run, nil
}

// cronRun is the run of a cron at a tick.
func cronRun(c Cron, tick time.Time) NewRun {
	return NewRun{ID: uuid.NewString(), AppID: c.AppID, Type: SchedulerType, Command: c.Command, Argv: Argv(c.Command),
		Actor: "paas", CronID: c.ID, Tick: tick, TimeLimit: cronLimit}
}

// CronHistory lists runs of one cron, or of all with "", newest first. The
// history of crons that left the app is in the list of all.
func (s *Service) CronHistory(ctx context.Context, actor Actor, ident, id string, max int) ([]Run, error) {
	app, err := s.appToRead(ctx, actor, ident, PermView)
	if err != nil {
		return nil, err
	}
	f := RunFilter{Type: SchedulerType, Max: max}
	if id != "" {
		c, err := s.cron(ctx, app, id)
		if err != nil {
			return nil, err
		}
		f.CronID = c.ID
	}
	return s.store.Runs(ctx, app.ID, f)
}
