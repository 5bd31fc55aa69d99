package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"paas/server"
)

const linkQuery = `select l.id::text, l.app_id::text, a.name, l.target_id::text, t.name, l.added_by, l.created_at
	from links l join apps a on a.id = l.app_id join apps t on t.id = l.target_id `

func scanLink(row pgx.CollectableRow) (l server.Link, err error) {
	err = row.Scan(&l.ID, &l.AppID, &l.App, &l.TargetID, &l.Target, &l.AddedBy, &l.AddedAt)
	return l, err
}

// Links lists those from and to an app.
func (s *Store) Links(ctx context.Context, appID string) ([]server.Link, error) {
	return many(ctx, s.pool, scanLink, linkQuery+`where l.app_id = $1 or l.target_id = $1 order by a.name, t.name`, uuidOf(appID))
}

// AddLink writes one.
func (s *Store) AddLink(ctx context.Context, appID, targetID, actor string) (l server.Link, err error) {
	err = s.inTx(ctx, func(tx pgx.Tx) error {
		if err := lockBoth(ctx, tx, appID, targetID); err != nil {
			return err
		}
		have, err := one(ctx, tx, pgx.RowTo[int], "app", `select count(*)::int from links where app_id = $1`, appID)
		if err != nil {
			return err
		}
		if have >= server.MaxLinks {
			return server.Errorf(server.ErrInvalid, "The app is linked with %d apps, which is as many as an app may be. Nothing was changed.", have)
		}
		var id string
		if err := tx.QueryRow(ctx, `insert into links (app_id, target_id, added_by) values ($1, $2, $3) returning id::text`, appID, targetID, actor).Scan(&id); err != nil {
			return err
		}
		if l, err = one(ctx, tx, scanLink, "link", linkQuery+`where l.id = $1`, id); err != nil {
			return err
		}
		return linkChanged(ctx, tx, l, actor, "link.added")
	})
	if violates(err) == "links_pair" {
		return l, server.ErrStale
	}
	return l, err
}

// RemoveLink takes one away.
func (s *Store) RemoveLink(ctx context.Context, l server.Link, actor string) error {
	return s.inTx(ctx, func(tx pgx.Tx) error {
		if err := lockBoth(ctx, tx, l.AppID, l.TargetID); err != nil {
			return err
		}
		n, err := tx.Exec(ctx, `delete from links where id = $1`, l.ID)
		if err != nil {
			return err
		}
		if n.RowsAffected() == 0 {
			return notFound("link")
		}
		return linkChanged(ctx, tx, l, actor, "link.removed")
	})
}

// lockBoth locks two apps, in one order for all.
func lockBoth(ctx context.Context, tx pgx.Tx, a, b string) error {
	for _, id := range []string{min(a, b), max(a, b)} {
		if _, err := lockApp(ctx, tx, id); err != nil {
			return err
		}
	}
	return nil
}

// linkChanged writes it down with both apps, and has the caller's doors changed.
func linkChanged(ctx context.Context, tx pgx.Tx, l server.Link, actor, kind string) error {
	if err := event(ctx, tx, l.AppID, "", actor, kind, "to "+l.Target); err != nil {
		return err
	}
	if err := event(ctx, tx, l.TargetID, "", actor, kind, "from "+l.App); err != nil {
		return err
	}
	return touch(ctx, tx, l.AppID)
}

// dropLinks ends the links of an app with those apps that its new owner may not
// operate: nobody who answers for both would have made them.
func dropLinks(ctx context.Context, tx pgx.Tx, appID, owner, actor string) error {
	list, err := many(ctx, tx, scanLink, linkQuery+`join apps other on other.id = case when l.app_id = $1 then l.target_id else l.app_id end
		where $1 in (l.app_id, l.target_id) and other.owner_id <> $2
		and not exists (select from accounts where id = $2 and admin)
		and not exists (select from collaborators c where c.app_id = other.id and c.account_id = $2 and 'operate' = any (c.permissions))`, appID, owner)
	if err != nil {
		return fmt.Errorf("find the app's links: %w", err)
	}
	for _, l := range list {
		if _, err := tx.Exec(ctx, `delete from links where id = $1`, l.ID); err != nil {
			return err
		}
		if err := linkChanged(ctx, tx, l, actor, "link.removed"); err != nil {
			return err
		}
	}
	return nil
}
