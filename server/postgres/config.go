package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"paas/server"
)

const stagedQuery = `select id::text, patch, actor, updated_at from staged_config where app_id = $1 and deploy_id is null order by seq`

func scanStaged(row pgx.CollectableRow) (r server.StagedRow, err error) {
	err = row.Scan(&r.ID, &r.Patch, &r.Actor, &r.UpdatedAt)
	return r, err
}

// Staged are the patches that wait for a release, in the order to apply.
func (s *Store) Staged(ctx context.Context, appID string) ([]server.StagedRow, error) {
	return many(ctx, s.pool, scanStaged, stagedQuery, uuidOf(appID))
}

// Stage replaces what waits by what merge makes of it, under the app's lock.
func (s *Store) Stage(ctx context.Context, appID, actor, text string, merge func([]server.StagedRow) ([]byte, error)) error {
	return s.inTx(ctx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `select 1 from apps where id = $1 for update`, appID); err != nil {
			return err
		}
		rows, err := many(ctx, tx, scanStaged, stagedQuery, appID)
		if err != nil {
			return err
		}
		patch, err := merge(rows)
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `delete from staged_config where app_id = $1 and deploy_id is null`, appID); err != nil {
			return err
		}
		kind := "config.unstaged"
		if patch != nil {
			kind = "config.staged"
			if _, err := tx.Exec(ctx, `insert into staged_config (app_id, patch, actor) values ($1, $2, $3)`, appID, patch, actor); err != nil {
				return fmt.Errorf("stage config: %w", err)
			}
		}
		if err := event(ctx, tx, appID, "", actor, kind, text); err != nil {
			return err
		}
		return notify(ctx, tx, server.AppTopic(appID))
	})
}

// takeStaged gives what waits to the release a deploy writes. One that is live
// at once has it for good.
func takeStaged(ctx context.Context, tx pgx.Tx, d server.Deploy, live bool) error {
	if !d.Kind.TakesStaged() {
		return nil
	}
	_, err := tx.Exec(ctx, `update staged_config set deploy_id = $2 where app_id = $1 and deploy_id is null`, d.AppID, d.ID)
	if err == nil && live {
		err = settleStaged(ctx, tx, d.ID, true)
	}
	if err != nil {
		return fmt.Errorf("take staged config: %w", err)
	}
	return nil
}

// settleStaged ends that: a release that serves has it for good; after one
// that failed it waits again, before what was staged since.
func settleStaged(ctx context.Context, tx pgx.Tx, deployID string, live bool) error {
	sql := `update staged_config set deploy_id = null where deploy_id = $1`
	if live {
		sql = `delete from staged_config where deploy_id = $1`
	}
	_, err := tx.Exec(ctx, sql, deployID)
	return err
}

// EachRelease gives an app's newest releases, oldest first, with what they
// hold sealed. It reads row by row: together they may be large.
func (s *Store) EachRelease(ctx context.Context, appID string, newest int, fn func(r server.Release, config, files []byte) error) error {
	list, err := many(ctx, s.pool, scanRelease, releaseQuery+`where r.app_id = $1 and r.version >= (
			select coalesce(max(b.version), 1) from releases b, apps x
			where b.app_id = $1 and x.id = $1 and b.status = 'succeeded' and b.version <= x.last_version - $2)
		order by r.version`, uuidOf(appID), newest)
	if err != nil {
		return err
	}
	for _, r := range list {
		var config, files []byte
		if err := s.pool.QueryRow(ctx, `select config, files from releases where id = $1`, r.ID).Scan(&config, &files); err != nil {
			return fmt.Errorf("read release v%d: %w", r.Version, known(err))
		}
		if err := fn(r, config, files); err != nil {
			return err
		}
	}
	return nil
}

// ReleaseFiles gives a release's sealed config files, nil when it has none.
func (s *Store) ReleaseFiles(ctx context.Context, id string) ([]byte, error) {
	return one(ctx, s.pool, pgx.RowTo[[]byte], "release", `select files from releases where id = $1`, uuidOf(id))
}

// masterKeyCheck is the setting that proves which master key the data keys are
// wrapped with.
const masterKeyCheck = "master-key-check"

// rewrapPlatform replaces the wrapped data key of what all servers share.
func rewrapPlatform(ctx context.Context, tx pgx.Tx, rewrap func(string, []byte) ([]byte, error)) error {
	var key []byte
	err := tx.QueryRow(ctx, `select value from settings where name = $1 for update`, server.SettingPlatformKey).Scan(&key)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	if err == nil {
		key, err = rewrap(server.PlatformKey, key)
	}
	if err != nil {
		return fmt.Errorf("data key of what servers share: %w", err)
	}
	_, err = tx.Exec(ctx, `update settings set value = $2 where name = $1`, server.SettingPlatformKey, key)
	return err
}

// Rewrap replaces all wrapped data keys and the check value in one
// transaction, unless other servers run with the present master key. That no
// app is made meanwhile is the caller's to see to.
func (s *Store) Rewrap(ctx context.Context, actor, keyID string, check []byte, rewrap func(appID string, wrapped []byte) ([]byte, error)) (int, error) {
	type row struct {
		ID  string
		Key []byte
	}
	apps := 0
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		if err := s.alone(ctx, tx); err != nil {
			return err
		}
		rows, err := many(ctx, tx, pgx.RowToStructByPos[row], `select id::text, data_key from apps order by id for update`)
		if err != nil {
			return err
		}
		for _, r := range rows {
			key, err := rewrap(r.ID, r.Key)
			if err != nil {
				return fmt.Errorf("data key of app %s: %w", r.ID, err)
			}
			if _, err := tx.Exec(ctx, `update apps set data_key = $2 where id = $1`, r.ID, key); err != nil {
				return err
			}
		}
		apps = len(rows)
		if err := rewrapPlatform(ctx, tx, rewrap); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `insert into settings (name, value) values ($1, $2) on conflict (name) do update set value = $2`, masterKeyCheck, check)
		if err != nil {
			return err
		}
		return event(ctx, tx, "", "", actor, "master-key.rotated", "the master key is "+keyID)
	})
	return apps, err
}
