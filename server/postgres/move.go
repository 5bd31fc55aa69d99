package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"paas/server"
)

// MoveInstance marks one that is up to be replaced; the plan that follows starts
// the new one where it is best.
func (s *Store) MoveInstance(ctx context.Context, m server.Moved, actor string) error {
	return s.inTx(ctx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `select 1 from apps where id = $1 for update`, uuidOf(m.AppID)); err != nil {
			return err
		}
		tag, err := tx.Exec(ctx, `update instances set replace = true where id = $1 and app_id = $2 and state = 'up' and not replace and not one_off`,
			uuidOf(m.Instance), uuidOf(m.AppID))
		if err != nil {
			return err
		}
		if tag.RowsAffected() == 0 {
			return server.ErrStale
		}
		if err := event(ctx, tx, m.AppID, "", actor, "instance.moved", m.String()); err != nil {
			return err
		}
		return touch(ctx, tx, m.AppID)
	})
}
