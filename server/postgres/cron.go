package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"paas/builder"
	"paas/server"
)

const cronColumns = `select c.id, c.app_id, p.name, c.command, c.schedule, c.timezone, c.policy, c.suspended, c.next_at, c.created_at`

const cronQuery = cronColumns + `,
	coalesce(r.id::text, ''), coalesce(r.ordinal, 0), coalesce(r.state, ''), coalesce(r.exit_code, 0), coalesce(r.reason, ''),
	r.created_at, r.started_at, r.ended_at
	from crons c join apps p on p.id = c.app_id
	left join lateral (select * from runs where cron_id = c.id order by created_at desc, ordinal desc limit 1) r on true `

func scanCron(row pgx.CollectableRow) (c server.Cron, err error) {
	var r server.Run
	var created, started, ended *time.Time
	err = row.Scan(&c.ID, &c.AppID, &c.App, &c.Command, &c.Schedule, &c.Timezone, &c.Policy, &c.Suspended, &c.NextAt, &c.CreatedAt,
		&r.ID, &r.Ordinal, &r.State, &r.ExitCode, &r.Reason, &created, &started, &ended)
	if r.ID == "" || err != nil {
		return c, err
	}
	r.AppID, r.App, r.Type, r.CronID, r.Command = c.AppID, c.App, server.SchedulerType, c.ID, c.Command
	for at, t := range map[*time.Time]*time.Time{&r.CreatedAt: created, &r.StartedAt: started, &r.EndedAt: ended} {
		if t != nil {
			*at = *t
		}
	}
	c.Last = &r
	return c, nil
}

// Crons lists those of the app's current release.
func (s *Store) Crons(ctx context.Context, appID string) ([]server.Cron, error) {
	return many(ctx, s.pool, scanCron, cronQuery+`where c.app_id = $1 and c.active order by c.command, c.schedule, c.timezone`, uuidOf(appID))
}

// NextCrons gives those that tick next, without their last runs: it is asked
// every second.
func (s *Store) NextCrons(ctx context.Context, max int) ([]server.Cron, error) {
	return many(ctx, s.pool, func(row pgx.CollectableRow) (c server.Cron, err error) {
		err = row.Scan(&c.ID, &c.AppID, &c.App, &c.Command, &c.Schedule, &c.Timezone, &c.Policy, &c.Suspended, &c.NextAt, &c.CreatedAt)
		return c, err
	}, cronColumns+` from crons c join apps p on p.id = c.app_id where c.active and not c.suspended order by c.next_at, c.id limit $1`, max)
}

// SuspendCron stops or resumes one.
func (s *Store) SuspendCron(ctx context.Context, appID, id, actor string, suspended bool, next time.Time) error {
	return s.inTx(ctx, func(tx pgx.Tx) error {
		if _, err := lockApp(ctx, tx, appID); err != nil {
			return err
		}
		var command string
		err := tx.QueryRow(ctx, `update crons set suspended = $3, next_at = $4 where id = $1 and app_id = $2 and active
			and suspended <> $3 returning command`, uuidOf(id), appID, suspended, next).Scan(&command)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil // it is so already, or it just left the app
		}
		if err != nil {
			return err
		}
		kind := "cron.resumed"
		if suspended {
			kind = "cron.suspended"
		}
		if err := event(ctx, tx, appID, "", actor, kind, command); err != nil {
			return err
		}
		return notify(ctx, tx, server.NoticeCrons)
	})
}

// syncCrons makes an app's crons those of the release that becomes current.
// One that is there goes on by its clock; one that comes, or comes back,
// begins now, suspended if it was so before.
func syncCrons(ctx context.Context, tx pgx.Tx, appID, releaseID string) error {
	specs, err := one(ctx, tx, pgx.RowTo[[]builder.CronSpec], "release", `select crons from releases where id = $1`, releaseID)
	if err != nil {
		return err
	}
	have, err := many(ctx, tx, pgx.RowTo[string], `select id::text from crons where app_id = $1 and active`, appID)
	if err != nil || len(have)+len(specs) == 0 {
		return err
	}
	var now time.Time
	if err := tx.QueryRow(ctx, `select now()`).Scan(&now); err != nil {
		return err
	}
	var keep []string
	for _, spec := range specs {
		next, err := server.NextTick(spec.Schedule, spec.Timezone, now)
		if err != nil {
			// It was read when it was pushed; a release is not held up by it.
			if err := event(ctx, tx, appID, "", "paas", "cron.invalid", fmt.Sprintf("%s does not run: %v", spec.Command, err)); err != nil {
				return err
			}
			continue
		}
		id, err := keepCron(ctx, tx, appID, spec, next)
		if err != nil {
			return err
		}
		keep = append(keep, id)
	}
	for _, id := range have {
		if slices.Contains(keep, id) {
			continue
		}
		if _, err := tx.Exec(ctx, `update crons set active = false where id = $1`, id); err != nil {
			return err
		}
	}
	return notify(ctx, tx, server.NoticeCrons)
}

func keepCron(ctx context.Context, tx pgx.Tx, appID string, spec builder.CronSpec, next time.Time) (id string, err error) {
	timezone, policy := spec.Timezone, server.CronPolicy(spec.Policy)
	if timezone == "" {
		timezone = "UTC"
	}
	if policy == "" {
		policy = server.CronAllow
	}
	err = tx.QueryRow(ctx, `insert into crons (app_id, command, schedule, timezone, policy, next_at) values ($1, $2, $3, $4, $5, $6)
		on conflict (app_id, command, schedule, timezone) do update set policy = excluded.policy, active = true,
			next_at = case when crons.active then crons.next_at else excluded.next_at end
		returning id::text`, appID, spec.Command, spec.Schedule, timezone, policy, next).Scan(&id)
	if err != nil {
		return "", fmt.Errorf("keep cron %q: %w", spec.Command, err)
	}
	return id, nil
}
