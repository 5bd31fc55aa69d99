package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"paas/server"
)

// Roll moves a deploy on to rolling when its release command has succeeded.
func (s *Store) Roll(ctx context.Context, d server.Deploy, owner string, deadline time.Duration) (server.Deploy, error) {
	var out server.Deploy
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		d, err := hold(ctx, tx, d, owner)
		if err != nil {
			return err
		}
		if d.State == server.DeployReleasing {
			_, err = tx.Exec(ctx, `update deploys set state = 'rolling', deadline_at = now() + $2::interval, updated_at = now() where id = $1`, d.ID, deadline)
			if err == nil {
				err = event(ctx, tx, d.AppID, d.ID, "paas", "deploy.rolling", fmt.Sprintf("v%d", d.Version))
			}
		}
		if err != nil {
			return err
		}
		if err := notify(ctx, tx, server.DeployTopic(d.ID)); err != nil {
			return err
		}
		if err := touch(ctx, tx, d.AppID); err != nil {
			return err
		}
		out, err = deployByID(ctx, tx, d.ID)
		return err
	})
	return out, err
}

// stopReleaseRun ends the release command of a deploy that has ended.
func stopReleaseRun(ctx context.Context, tx pgx.Tx, d server.Deploy) error {
	ids, err := many(ctx, tx, pgx.RowTo[string], `select id::text from runs where release_id = $1 and type = 'release'
		and state in ('pending', 'running')`, d.ReleaseID)
	if err != nil || len(ids) == 0 {
		return err
	}
	return stopRun(ctx, tx, d.AppID, ids[0], d.User, "its deploy has ended")
}
