package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"paas/builder"
	"paas/server"
)

// claimable finds the oldest deploy that nobody holds and that may go on now.
// $1: a build slot is free, $2: this server leads, $3: it is this one. A queued change of config waits for the rollout
// slot and for older ones, so that releases keep the order they were asked in.
const claimable = `select d.id::text, d.state, d.kind from deploys d
	where d.lease_until < now() and (
		d.state in ('releasing', 'rolling') and $2
		or d.state = 'live' and d.kind = 'push' and not d.ref_moved and $2
		or d.state = 'building' and case when exists (select from builds b where b.id = d.build_id and b.status = 'succeeded') then $2 else $1 end
		or d.state = 'queued' and d.kind = 'push' and $1 and (d.home in ('', $3) or d.created_at < now() - interval '2 s')
			and not exists (select from deploys o where o.app_id = d.app_id and o.state = 'building')
		or d.state = 'queued' and d.kind <> 'push' and $2
			and not exists (select from deploys o where o.app_id = d.app_id and (o.state in ('releasing', 'rolling')
				or o.state = 'queued' and o.kind <> 'push' and o.seq < d.seq
				or o.state = 'live' and o.kind = 'push' and not o.ref_moved)))
	order by d.seq limit 1 for update of d skip locked`

// Claim takes up a deploy and moves a queued one to its first stage.
func (s *Store) Claim(ctx context.Context, owner string, w server.Work) (*server.Deploy, error) {
	var d server.Deploy
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		var id, state, kind string
		if err := tx.QueryRow(ctx, claimable, w.Builds, w.Releases, s.server).Scan(&id, &state, &kind); err != nil {
			return err
		}
		var err error
		switch {
		case state == "queued" && kind == "push":
			_, err = tx.Exec(ctx, `with b as (insert into builds (app_id, user_id, commit)
				select app_id, user_id, commit from deploys where id = $1 returning id)
				update deploys set state = 'building', build_id = b.id, updated_at = now() from b where deploys.id = $1`, id)
		case state == "queued":
			_, err = tx.Exec(ctx, `update deploys set state = 'releasing', updated_at = now() where id = $1`, id)
		}
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `update deploys set owner = $2, lease_until = now() + $3::interval, attempts = attempts + 1 where id = $1`,
			id, owner, s.lease)
		if err != nil {
			return err
		}
		if d, err = deployByID(ctx, tx, id); err != nil || state != "queued" || kind != "push" {
			return err
		}
		if err := event(ctx, tx, d.AppID, d.ID, "paas", "build.started", d.Description); err != nil {
			return err
		}
		return notify(ctx, tx, server.AppTopic(d.AppID)) // for who watches
	})
	switch {
	case err == nil:
		return &d, nil
	case errors.Is(err, pgx.ErrNoRows), violates(err) != "": // another worker was first
		return nil, nil
	}
	return nil, fmt.Errorf("claim: %w", err)
}

// Renew extends an owner's leases.
func (s *Store) Renew(ctx context.Context, owner string) error {
	_, err := s.pool.Exec(ctx, `update deploys set lease_until = now() + $2::interval where owner = $1 and lease_until > now()
		and (state in ('building', 'releasing', 'rolling') or state = 'live' and not ref_moved)`, owner, s.lease)
	return known(err)
}

// Abandon ends an owner's leases. The interruption was ours: it is no attempt.
func (s *Store) Abandon(ctx context.Context, owner string) error {
	return s.inTx(ctx, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `update deploys set lease_until = '-infinity', owner = '', attempts = greatest(attempts - 1, 0) where owner = $1
			and (state in ('building', 'releasing', 'rolling') or state = 'live' and kind = 'push' and not ref_moved)`, owner)
		if err != nil {
			return err
		}
		return notify(ctx, tx, server.NoticeQueue)
	})
}

// hold locks a deploy and proves that it is the owner's.
func hold(ctx context.Context, tx pgx.Tx, d server.Deploy, owner string) (server.Deploy, error) {
	var held bool
	// The app first: everything that changes an app takes this lock first.
	if _, err := tx.Exec(ctx, `select 1 from apps where id = $1 for update`, d.AppID); err != nil {
		return d, err
	}
	err := tx.QueryRow(ctx, `select owner = $2 and lease_until > now() from deploys where id = $1 for update`, d.ID, owner).Scan(&held)
	if errors.Is(err, pgx.ErrNoRows) || err == nil && !held {
		return d, server.ErrLost
	}
	if err != nil {
		return d, err
	}
	return deployByID(ctx, tx, d.ID)
}

// Built stores the image of the deploy's build and the commit's manifest.
func (s *Store) Built(ctx context.Context, d server.Deploy, owner string, img server.Image, m builder.Manifest) error {
	return s.inTx(ctx, func(tx pgx.Tx) error {
		if _, err := hold(ctx, tx, d, owner); err != nil {
			return err
		}
		tag, err := tx.Exec(ctx, `update builds set status = 'succeeded', image = $2, manifest = $3, updated_at = now()
			where id = $1 and status = 'pending'`, d.BuildID, img, m)
		if err != nil || tag.RowsAffected() == 0 {
			return err
		}
		if err := event(ctx, tx, d.AppID, d.ID, "paas", "build.succeeded", img.Digest); err != nil {
			return err
		}
		return notify(ctx, tx, server.AppTopic(d.AppID))
	})
}

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
