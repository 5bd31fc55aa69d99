package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"paas/server"
)

// ChangeApp writes a change of an app with an event for each part of it. That
// it is not locked is looked at again under the app's lock.
func (s *Store) ChangeApp(ctx context.Context, appID, actor string, c server.AppChange) (server.App, error) {
	var after server.App
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		if _, err := lockApp(ctx, tx, appID); err != nil {
			return err
		}
		before, err := one(ctx, tx, scanApp, "app", appQuery+`where p.id = $1`, appID)
		if err != nil {
			return err
		}
		if before.Locked && c.Locked == nil {
			return server.Errorf(server.ErrForbidden, "%s is locked. Nothing was changed.", before.Name)
		}
		_, err = tx.Exec(ctx, `update apps set name = coalesce($2, name), maintenance = coalesce($3, maintenance),
			locked = coalesce($4, locked), settings = $5, updated_at = now() where id = $1`,
			appID, c.Name, c.Maintenance, c.Locked, before.Settings.With(c.Settings))
		if err != nil {
			return err
		}
		for _, e := range c.Events(before) {
			if err := event(ctx, tx, appID, "", actor, e[0], e[1]); err != nil {
				return err
			}
		}
		if err := touch(ctx, tx, appID); err != nil {
			return err
		}
		after, err = one(ctx, tx, scanApp, "app", appQuery+`where p.id = $1`, appID)
		return err
	})
	if violates(err) == "apps_name_key" {
		return after, server.Errorf(server.ErrInvalid, "Name %s is already taken. Nothing was changed.", *c.Name)
	}
	return after, err
}

// GiveApp changes the owner.
func (s *Store) GiveApp(ctx context.Context, appID, to, actor string, keep bool) (server.App, error) {
	var after server.App
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		owner, err := lockApp(ctx, tx, appID)
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `delete from collaborators where app_id = $1 and account_id = $2`, appID, to); err != nil {
			return err
		}
		if keep {
			_, err := tx.Exec(ctx, `insert into collaborators (app_id, account_id, permissions) values ($1, $2, $3)
				on conflict (app_id, account_id) do update set permissions = excluded.permissions, updated_at = now()`, appID, owner, server.Permissions())
			if err != nil {
				return fmt.Errorf("keep the old owner's access: %w", err)
			}
		}
		if _, err := tx.Exec(ctx, `update apps set owner_id = $2, updated_at = now() where id = $1`, appID, to); err != nil {
			return err
		}
		before := ""
		if err := tx.QueryRow(ctx, `select email from accounts where id = $1`, owner).Scan(&before); err != nil {
			return err
		}
		if after, err = one(ctx, tx, scanApp, "app", appQuery+`where p.id = $1`, appID); err != nil {
			return err
		}
		if err := event(ctx, tx, appID, "", actor, "app.transferred", before+" to "+after.OwnerEmail); err != nil {
			return err
		}
		if err := dropLinks(ctx, tx, appID, to, actor); err != nil {
			return err
		}
		return touch(ctx, tx, appID)
	})
	if violates(err) == "account_is_there" {
		return after, server.Errorf(server.ErrInvalid, "The account was just removed. Nothing was changed.")
	}
	return after, err
}

// CountCollaborators counts those an app was shared with.
func (s *Store) CountCollaborators(ctx context.Context, appID string) (int, error) {
	return one(ctx, s.pool, pgx.RowTo[int], "app", `select count(*)::int from collaborators where app_id = $1`, uuidOf(appID))
}
