package postgres

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"paas/builder"
	"paas/server"
)

// WriteRelease writes release vN and moves its deploy on, in one transaction.
// A release without an image has nothing to roll out and is live at once.
func (s *Store) WriteRelease(ctx context.Context, d server.Deploy, owner string, draft func(context.Context, server.Draft) (server.Content, error)) (server.Deploy, error) {
	var out server.Deploy
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		d, err := hold(ctx, tx, d, owner)
		if err != nil {
			return err
		}
		if d.State == server.DeployRolling || d.State == server.DeployLive || d.ReleaseID != "" {
			out = d // an earlier attempt committed and could not tell
			return nil
		}
		if err := takeRollout(ctx, tx, d); err != nil {
			return err
		}
		dr, err := s.loadDraft(ctx, tx, d)
		if err != nil {
			return err
		}
		c, err := draft(ctx, dr)
		if err != nil {
			return err
		}
		if err := s.insertRelease(ctx, tx, dr, c); err != nil {
			return err
		}
		out, err = deployByID(ctx, tx, d.ID)
		return err
	})
	if violates(err) == "deploys_one_rollout" {
		return d, server.ErrBusy
	}
	return out, err
}

// takeRollout moves the deploy into the rollout slot of its app. A push that
// is live whose branch has not followed yet still holds it: who comes next
// must see where the branch stands.
func takeRollout(ctx context.Context, tx pgx.Tx, d server.Deploy) error {
	var busy bool
	err := tx.QueryRow(ctx, `select exists (select from deploys where app_id = $1 and id <> $2 and
		(state in ('releasing', 'rolling') or state = 'live' and kind = 'push' and not ref_moved))`, d.AppID, d.ID).Scan(&busy)
	if err != nil {
		return err
	}
	if busy {
		return server.ErrBusy
	}
	_, err = tx.Exec(ctx, `update deploys set state = 'releasing', updated_at = now() where id = $1`, d.ID)
	return err
}

func (s *Store) loadDraft(ctx context.Context, tx pgx.Tx, d server.Deploy) (server.Draft, error) {
	dr := server.Draft{Deploy: d, ReleaseID: uuid.NewString()}
	var current string
	err := tx.QueryRow(ctx, `select p.last_version + 1, p.data_key, p.current_release::text, d.patch,
		p.settings
		from apps p join deploys d on d.app_id = p.id where d.id = $1`, d.ID).Scan(&dr.Version, &dr.DataKey, &current, &dr.Patch, &dr.Settings)
	if err != nil {
		return dr, err
	}
	if dr.Volumes, err = many(ctx, tx, scanVolume, volumeQuery+`where v.app_id = $1 and v.destroyed_at is null`, d.AppID); err != nil {
		return dr, err
	}
	if dr.Staged, err = many(ctx, tx, scanStaged, stagedQuery, d.AppID); err != nil {
		return dr, err
	}
	if dr.Current, dr.CurrentConfig, dr.CurrentFiles, err = releaseWithConfig(ctx, tx, current); err != nil {
		return dr, err
	}
	if d.Source != "" {
		if dr.Source, dr.SourceConfig, dr.SourceFiles, err = releaseWithConfig(ctx, tx, d.Source); err != nil {
			return dr, err
		}
	}
	if d.BuildID != "" {
		dr.Build, err = one(ctx, tx, scanBuild, "build", buildQuery+`where b.id = $1`, d.BuildID)
	}
	return dr, err
}

func releaseWithConfig(ctx context.Context, tx pgx.Tx, id string) (r server.Release, config, files []byte, err error) {
	if r, err = one(ctx, tx, scanRelease, "release", releaseQuery+`where r.id = $1`, id); err != nil {
		return r, nil, nil, err
	}
	err = tx.QueryRow(ctx, `select config, files from releases where id = $1`, id).Scan(&config, &files)
	return r, config, files, err
}

func (s *Store) insertRelease(ctx context.Context, tx pgx.Tx, dr server.Draft, c server.Content) error {
	d := dr.Deploy
	var image any
	if c.Image.Digest != "" {
		image = c.Image
	}
	if c.Processes == nil {
		c.Processes = map[string]server.Process{}
	}
	if c.Crons == nil {
		c.Crons = []builder.CronSpec{}
	}
	if c.Mounts == nil {
		c.Mounts = []server.Mount{}
	}
	_, err := tx.Exec(ctx, `insert into releases (id, app_id, version, description, user_id, build_id, commit, image, processes, config, crons, files, mounts)
		values ($1, $2, $3, $4, $5, nullif($6, '')::uuid, $7, $8, $9, $10, $11, $12, $13)`,
		dr.ReleaseID, d.AppID, dr.Version, c.Description, d.UserID, c.BuildID, c.Commit, image, c.Processes, c.Config, c.Crons, c.Files, c.Mounts)
	if err != nil {
		return fmt.Errorf("write release v%d: %w", dr.Version, err)
	}
	_, err = tx.Exec(ctx, `update apps set last_version = $2, updated_at = now() where id = $1`, d.AppID, dr.Version)
	if err != nil {
		return err
	}
	if err := s.formTypes(ctx, tx, d.AppID, c); err != nil {
		return err
	}
	next := server.DeployRolling
	if _, first := c.Processes[server.ReleaseType]; first {
		next = server.DeployReleasing
	}
	_, err = tx.Exec(ctx, `update deploys set state = $4, release_id = $2, deadline_at = now() + $3::interval, updated_at = now() where id = $1`,
		d.ID, dr.ReleaseID, c.Deadline, next)
	if image == nil {
		_, err = tx.Exec(ctx, `update deploys set state = 'live', release_id = $2, updated_at = now() where id = $1`, d.ID, dr.ReleaseID)
		if err == nil {
			err = makeCurrent(ctx, tx, d.AppID, dr.ReleaseID, false)
		}
	}
	if err != nil {
		return err
	}
	if err := takeStaged(ctx, tx, d, image == nil); err != nil {
		return err
	}
	if err := event(ctx, tx, d.AppID, d.ID, d.User, "release.created", fmt.Sprintf("v%d %s", dr.Version, c.Description)); err != nil {
		return err
	}
	if err := notify(ctx, tx, server.DeployTopic(d.ID)); err != nil {
		return err
	}
	return touch(ctx, tx, d.AppID)
}

// formTypes gives process types seen for the first time their quantity: what
// app.json says, else one web and none of the others (Heroku).
func (s *Store) formTypes(ctx context.Context, tx pgx.Tx, appID string, c server.Content) error {
	for t := range c.Processes {
		if t == builder.ReleaseType {
			continue // runs once for each release
		}
		n, size := 0, s.sizes[0].Name
		if t == "web" {
			n = 1
		}
		if f, ok := c.Formation[t]; ok && f.Quantity != nil {
			n = *f.Quantity
		}
		if f, ok := c.Formation[t]; ok && f.Size != "" {
			size = f.Size
		}
		_, err := tx.Exec(ctx, `insert into formations (app_id, type, quantity, size) values ($1, $2, $3, $4) on conflict do nothing`,
			appID, t, n, size)
		if err != nil {
			return fmt.Errorf("form %s: %w", t, err)
		}
	}
	return nil
}

func makeCurrent(ctx context.Context, tx pgx.Tx, appID, releaseID string, image bool) error {
	if _, err := tx.Exec(ctx, `update releases set status = 'succeeded', updated_at = now() where id = $1`, releaseID); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `update apps set current_release = $2, updated_at = now(),
		released_at = case when $3 then now() else released_at end where id = $1`, appID, releaseID, image)
	if err != nil {
		return err
	}
	return syncCrons(ctx, tx, appID, releaseID)
}
