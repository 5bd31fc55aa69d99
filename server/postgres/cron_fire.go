package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"paas/server"
)

// Fire moves a cron's clock on and makes its run. The clock is compared and
// set, so a tick belongs to one server whatever the others believe, and the
// run is written with it or not at all.
func (s *Store) Fire(ctx context.Context, f server.Firing) (*server.Run, error) {
	var run *server.Run
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		run = nil
		if _, err := lockApp(ctx, tx, f.Cron.AppID); err != nil {
			return err
		}
		if err := takeTick(ctx, tx, f); err != nil {
			return err
		}
		if f.Note != "" {
			if err := event(ctx, tx, f.Cron.AppID, "", "paas", "cron.skipped", f.Note); err != nil {
				return err
			}
		}
		if f.Run == nil {
			return nil
		}
		may, err := makeRoom(ctx, tx, f)
		if err != nil || !may {
			return err
		}
		r, err := s.runCron(ctx, tx, *f.Run)
		if err == nil {
			run = &r
		}
		return err
	})
	if violates(err) == "runs_one_tick" || server.IsID(err, server.ErrNotFound) {
		return nil, server.ErrStale
	}
	return run, err
}

// takeTick moves the clock on from where the caller saw it. A run by hand
// only needs the cron to be there.
func takeTick(ctx context.Context, tx pgx.Tx, f server.Firing) error {
	var err error
	id := ""
	if f.Next.IsZero() {
		err = tx.QueryRow(ctx, `select id::text from crons where id = $1 and active`, f.Cron.ID).Scan(&id)
	} else {
		err = tx.QueryRow(ctx, `update crons set next_at = $3 where id = $1 and next_at = $2 and active and not suspended
			returning id::text`, f.Cron.ID, f.Cron.NextAt, f.Next).Scan(&id)
	}
	if errors.Is(err, pgx.ErrNoRows) {
		return server.ErrStale
	}
	return err
}

// makeRoom does what the cron's policy says about runs of it that still live;
// false: there shall be no other.
func makeRoom(ctx context.Context, tx pgx.Tx, f server.Firing) (bool, error) {
	if f.Cron.Policy != server.CronForbid && f.Cron.Policy != server.CronReplace {
		return true, nil
	}
	living, err := many(ctx, tx, scanRun, runQuery+`where o.cron_id = $1 and o.state in ('pending', 'running')`, f.Cron.ID)
	if err != nil || len(living) == 0 {
		return true, err
	}
	if f.Cron.Policy == server.CronForbid {
		if f.Next.IsZero() {
			return false, nil // who asked is told
		}
		text := fmt.Sprintf("%s was not run: %s still runs", f.Cron.Command, living[0].Name())
		return false, event(ctx, tx, f.Cron.AppID, "", "paas", "cron.skipped", text)
	}
	for _, r := range living {
		if err := stopRun(ctx, tx, r.AppID, r.ID, f.Run.Actor, "the next run of its cron takes its place"); err != nil {
			return false, err
		}
	}
	return true, nil
}

// runCron writes the run, of the release that serves.
func (s *Store) runCron(ctx context.Context, tx pgx.Tx, n server.NewRun) (server.Run, error) {
	err := tx.QueryRow(ctx, `select r.id::text from apps p join releases r on r.id = p.current_release
		where p.id = $1 and r.image is not null`, n.AppID).Scan(&n.ReleaseID)
	if errors.Is(err, pgx.ErrNoRows) {
		return server.Run{}, server.Errorf(server.ErrConflict, "The app has no code to run. Nothing was started.")
	}
	if err != nil {
		return server.Run{}, err
	}
	if err := roomForRun(ctx, tx, n); err != nil {
		return server.Run{}, err
	}
	return s.insertRun(ctx, tx, n)
}
