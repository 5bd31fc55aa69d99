package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"paas/server"
)

// Finish ends a deploy. Live makes its release the current one; said of a
// deploy that is live already it only notes that the branch moved.
func (s *Store) Finish(ctx context.Context, d server.Deploy, owner string, o server.Outcome) (server.Deploy, error) {
	var out server.Deploy
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		d, err := hold(ctx, tx, d, owner)
		if err != nil {
			return err
		}
		if d.State == o.State {
			_, err = tx.Exec(ctx, `update deploys set ref_moved = ref_moved or $2, updated_at = now() where id = $1`, d.ID, o.Moved)
		} else if err = d.State.Check(o.State); err == nil {
			err = finish(ctx, tx, d, o)
		}
		if err != nil {
			return err
		}
		if err := notify(ctx, tx, server.DeployTopic(d.ID), server.NoticeQueue); err != nil {
			return err
		}
		out, err = deployByID(ctx, tx, d.ID)
		return err
	})
	return out, err
}

// Cancel ends a deploy that is not final, whoever works on it: the worker is
// told and stops.
func (s *Store) Cancel(ctx context.Context, appID, id, actor string) (server.Deploy, error) {
	var out server.Deploy
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `select 1 from apps where id = $1 for update`, appID); err != nil {
			return err
		}
		d, err := one(ctx, tx, scanDeploy, "deploy", deployQuery+`where d.app_id = $1 and d.id = $2 for update of d`, uuidOf(appID), uuidOf(id))
		if err != nil {
			return err
		}
		if err := d.State.Check(server.DeployCancelled); err != nil {
			return server.Errorf(server.ErrConflict, "The deploy is %s already. Nothing was changed.", d.State)
		}
		d.User = actor
		if err := finish(ctx, tx, d, server.Outcome{State: server.DeployCancelled, Stage: d.State, Reason: "cancelled by " + actor}); err != nil {
			return err
		}
		if err := notify(ctx, tx, server.DeployTopic(d.ID), server.NoticeQueue); err != nil {
			return err
		}
		out, err = deployByID(ctx, tx, d.ID)
		return err
	})
	return out, err
}

func finish(ctx context.Context, tx pgx.Tx, d server.Deploy, o server.Outcome) error {
	_, err := tx.Exec(ctx, `update deploys set state = $2, stage = $3, reason = $4, ref_moved = $5, updated_at = now(), patch = null where id = $1`,
		d.ID, o.State, o.Stage, o.Reason, o.Moved)
	if err != nil {
		return err
	}
	if d.BuildID != "" && o.State != server.DeployLive {
		if _, err := tx.Exec(ctx, `update builds set status = 'failed', updated_at = now() where id = $1 and status = 'pending'`, d.BuildID); err != nil {
			return err
		}
	}
	switch {
	case d.ReleaseID == "":
	case o.State == server.DeployLive:
		err = makeCurrent(ctx, tx, d.AppID, d.ReleaseID, true)
	default:
		_, err = tx.Exec(ctx, `update releases set status = 'failed', reason = $2, updated_at = now() where id = $1`, d.ReleaseID, o.Reason)
		if err == nil {
			err = stopReleaseRun(ctx, tx, d)
		}
	}
	if err != nil {
		return err
	}
	if err := settleStaged(ctx, tx, d.ID, o.State == server.DeployLive); err != nil {
		return err
	}
	if err := event(ctx, tx, d.AppID, d.ID, d.User, "deploy."+string(o.State), o.Reason); err != nil {
		return err
	}
	return touch(ctx, tx, d.AppID)
}
