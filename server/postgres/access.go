package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"paas/server"
)

// Permissions of an account on an app of another.
func (s *Store) Permissions(ctx context.Context, appID, accountID string) ([]server.Permission, error) {
	list, err := many(ctx, s.pool, pgx.RowTo[[]server.Permission],
		`select permissions from collaborators where app_id = $1 and account_id = $2`, uuidOf(appID), uuidOf(accountID))
	if err != nil || len(list) == 0 {
		return nil, err
	}
	return list[0], nil
}
