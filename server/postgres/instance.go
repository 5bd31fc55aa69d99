package postgres

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"paas/server"
)

const instanceQuery = `select i.id, i.app_id, p.name, i.release_id, r.version, i.type, i.ordinal, coalesce(i.host_id::text, ''), i.state,
	i.replace, i.one_off, i.addr, i.reason, i.exit_code, i.crashes, i.size, i.created_at, i.updated_at,
	coalesce(r.image, '{}'), r.processes, case when i.one_off then (select command from runs where id = i.id) else '' end,
	case when exists (select 1 from hosts offset 1) then coalesce((select h.name from hosts h where h.id = i.host_id), '') else '' end,
	coalesce((select paths from written w where w.release_id = i.release_id and w.type = i.type and not i.one_off), '[]')
	from instances i join apps p on p.id = i.app_id join releases r on r.id = i.release_id `

func scanInstance(row pgx.CollectableRow) (in server.Instance, err error) {
	var r server.Release
	err = row.Scan(&in.ID, &in.AppID, &in.App, &in.ReleaseID, &in.Release, &in.Type, &in.Ordinal, &in.HostID, &in.State,
		&in.Replace, &in.OneOff, &in.Addr, &in.Reason, &in.ExitCode, &in.Crashes, &in.Size, &in.CreatedAt, &in.UpdatedAt, &r.Image, &r.Processes, &in.Command, &in.Host, &in.Wrote)
	if !in.OneOff {
		in.Command = server.CommandLine(r, in.Type)
	}
	return in, err
}

// Instances lists an app's instances by type, ordinal and age.
func (s *Store) Instances(ctx context.Context, appID string) ([]server.Instance, error) {
	return many(ctx, s.pool, scanInstance, instanceQuery+`where i.app_id = $1 order by i.type, i.ordinal, i.created_at limit 10000`, appID)
}

// Replace marks instances to be replaced: all, a type ("web"), one by name
// ("web.1") or by id. It gives how many were marked.
func (s *Store) Replace(ctx context.Context, appID, ident, actor string) (n int, err error) {
	typ, ordinal, _ := strings.Cut(ident, ".")
	err = s.inTx(ctx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `select 1 from apps where id = $1 for update`, appID); err != nil {
			return err
		}
		tag, err := tx.Exec(ctx, `update instances set replace = true where app_id = $1 and state not in ('draining', 'stopping') and not one_off
			and ($2 = '' or id = $3 or type = $4 and ($5 = '' or ordinal::text = $5))`, appID, ident, uuidOf(ident), typ, ordinal)
		if err != nil {
			return err
		}
		if n = int(tag.RowsAffected()); n == 0 {
			return nil
		}
		if err := event(ctx, tx, appID, "", actor, "instances.restart", ident); err != nil {
			return err
		}
		return touch(ctx, tx, appID)
	})
	return n, err
}

// StopInstance takes one of the formation out: a web instance that serves
// answers what it has begun, everything else is told to stop at once.
func (s *Store) StopInstance(ctx context.Context, appID, id, actor string) error {
	return s.inTx(ctx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `select 1 from apps where id = $1 for update`, uuidOf(appID)); err != nil {
			return err
		}
		return s.stopInstance(ctx, tx, appID, id, actor, "")
	})
}

// Formation lists an app's process types.
func (s *Store) Formation(ctx context.Context, appID string) ([]server.Formation, error) {
	return many(ctx, s.pool, func(row pgx.CollectableRow) (f server.Formation, err error) {
		err = row.Scan(&f.ID, &f.AppID, &f.Type, &f.Quantity, &f.Size, &f.CreatedAt, &f.UpdatedAt)
		return f, err
	}, `select id, app_id, type, quantity, size, created_at, updated_at from formations where app_id = $1 order by type`, appID)
}

// SetFormation stores quantities and sizes. A new size replaces the running
// instances, start-first.
func (s *Store) SetFormation(ctx context.Context, appID, actor string, list []server.Formation) error {
	return s.inTx(ctx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `select 1 from apps where id = $1 for update`, appID); err != nil {
			return err
		}
		for _, f := range list {
			tag, err := tx.Exec(ctx, `update formations set quantity = $3, size = $4, updated_at = now()
				where app_id = $1 and type = $2 and (quantity, size) is distinct from ($3, $4)`, appID, f.Type, f.Quantity, f.Size)
			if err != nil {
				return fmt.Errorf("scale %s: %w", f.Type, err)
			}
			if tag.RowsAffected() == 0 {
				continue // as it was: nothing happened that anybody must hear of
			}
			_, err = tx.Exec(ctx, `update instances set replace = true where app_id = $1 and type = $2 and size <> $3`, appID, f.Type, f.Size)
			if err != nil {
				return err
			}
			if err := event(ctx, tx, appID, "", actor, "formation.scaled", fmt.Sprintf("%s@%d:%s", f.Type, f.Quantity, f.Size)); err != nil {
				return err
			}
		}
		return touch(ctx, tx, appID)
	})
}
