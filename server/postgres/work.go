package postgres

import (
	"context"
	"errors"
	"fmt"

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
