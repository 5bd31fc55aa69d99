package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"paas/server"
)

const drainQuery = `select d.id, d.app_id, p.name, d.token, d.url, d.created_at, p.data_key
	from drains d join apps p on p.id = d.app_id `

func scanDrain(row pgx.CollectableRow) (d server.SealedDrain, err error) {
	err = row.Scan(&d.ID, &d.AppID, &d.App, &d.Token, &d.Sealed, &d.CreatedAt, &d.DataKey)
	return d, err
}

// Drains of an app, of all apps when appID is empty, oldest first.
func (s *Store) Drains(ctx context.Context, appID string) ([]server.SealedDrain, error) {
	return drains(ctx, s.pool, appID)
}

func drains(ctx context.Context, q querier, appID string) ([]server.SealedDrain, error) {
	return many(ctx, q, scanDrain, drainQuery+`where $1 = '' or d.app_id::text = $1 order by d.created_at, d.id`, appID)
}

// CreateDrain adds one unless judge, which sees those there are under the
// app's lock, objects.
func (s *Store) CreateDrain(ctx context.Context, d server.SealedDrain, actor, label string, judge func([]server.SealedDrain) error) (server.SealedDrain, error) {
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		if _, err := one(ctx, tx, pgx.RowTo[string], "app", `select name from apps where id = $1 for no key update`, uuidOf(d.AppID)); err != nil {
			return err
		}
		have, err := drains(ctx, tx, d.AppID)
		if err != nil {
			return err
		}
		if err := judge(have); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `insert into drains (id, app_id, url, token) values ($1, $2, $3, $4)`, d.ID, d.AppID, d.Sealed, d.Token)
		if err != nil {
			return fmt.Errorf("write drain: %w", err)
		}
		if err := event(ctx, tx, d.AppID, "", actor, "drain.added", label+" ("+d.Token+")"); err != nil {
			return err
		}
		if err := notify(ctx, tx, server.NoticeDrains); err != nil {
			return err
		}
		d, err = one(ctx, tx, scanDrain, "drain", drainQuery+`where d.id = $1`, d.ID)
		return err
	})
	return d, err
}

// DeleteDrain removes one.
func (s *Store) DeleteDrain(ctx context.Context, appID, id, actor, label string) error {
	return s.inTx(ctx, func(tx pgx.Tx) error {
		token, err := one(ctx, tx, pgx.RowTo[string], "drain", `delete from drains where app_id = $1 and id = $2 returning token`, uuidOf(appID), uuidOf(id))
		if err != nil {
			return err
		}
		if err := event(ctx, tx, appID, "", actor, "drain.removed", label+" ("+token+")"); err != nil {
			return err
		}
		return notify(ctx, tx, server.NoticeDrains)
	})
}
