package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"paas/server"
)

const appQuery = appColumns + appTables

const appColumns = `select p.id, p.name, p.owner_id, a.email, p.slot, coalesce(p.current_release::text, ''),
	p.created_at, p.updated_at, p.released_at, p.revision,
	p.maintenance, p.locked, p.settings, p.post_deployed`

const appTables = ` from apps p join accounts a on a.id = p.owner_id `

func scanApp(row pgx.CollectableRow) (server.App, error) { return scanAppAnd(row) }

// scanAppAnd reads an app and the columns behind its own.
func scanAppAnd(row pgx.CollectableRow, more ...any) (a server.App, err error) {
	var released *time.Time
	err = row.Scan(append([]any{&a.ID, &a.Name, &a.OwnerID, &a.OwnerEmail, &a.Slot, &a.Current, &a.CreatedAt, &a.UpdatedAt, &released, &a.Revision,
		&a.Maintenance, &a.Locked, &a.Settings, &a.PostDeployed}, more...)...)
	if released != nil {
		a.ReleasedAt = *released
	}
	return a, err
}

// App finds by name or id.
func (s *Store) App(ctx context.Context, ident string) (server.App, error) {
	return one(ctx, s.pool, scanApp, "app", appQuery+`where p.name = $1 or p.id = $2`, ident, uuidOf(ident))
}

// Apps lists by name the apps that an account may see; "" is everybody's.
func (s *Store) Apps(ctx context.Context, accountID string) ([]server.App, error) {
	return many(ctx, s.pool, scanApp, appQuery+`where $1 = '' or p.owner_id::text = $1
		or p.id in (select app_id from collaborators where account_id::text = $1) order by p.name limit 10000`, accountID)
}

// AppIDs lists all apps.
func (s *Store) AppIDs(ctx context.Context) ([]string, error) {
	return many(ctx, s.pool, pgx.RowTo[string], `select id::text from apps order by id`)
}

// DestroyedApps are those of ids that were destroyed.
func (s *Store) DestroyedApps(ctx context.Context, ids []string) ([]string, error) {
	return many(ctx, s.pool, pgx.RowTo[string], `select d.id::text from destroyed_apps d
		join unnest($1::text[]) as asked (id) on asked.id = d.id::text`, ids)
}

// Revisions gives the revision of every app.
func (s *Store) Revisions(ctx context.Context) (map[string]int64, error) {
	type row struct {
		ID       string
		Revision int64
	}
	list, err := many(ctx, s.pool, pgx.RowToStructByPos[row], `select id::text, revision from apps`)
	at := make(map[string]int64, len(list))
	for _, r := range list {
		at[r.ID] = r.Revision
	}
	return at, err
}

// DataKey gives an app's wrapped data key.
func (s *Store) DataKey(ctx context.Context, appID string) ([]byte, error) {
	return one(ctx, s.pool, pgx.RowTo[[]byte], "app", `select data_key from apps where id = $1`, appID)
}

// CreateApp writes the app, its release v1 and the event. Network slots are
// given out in turn, so that one just freed rests: its network may live on
// until the last container of its app has ended.
func (s *Store) CreateApp(ctx context.Context, n server.NewApp) (server.App, error) {
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		slot, err := freeSlot(ctx, tx, n.MaxSlots)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `insert into apps (id, name, owner_id, slot, data_key, current_release, last_version)
			values ($1, $2, $3, $4, $5, $6, 1)`, n.ID, n.Name, n.OwnerID, slot, n.DataKey, n.ReleaseID)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `insert into releases (id, app_id, version, status, description, user_id, config)
			values ($1, $2, 1, 'succeeded', 'Initial release', $3, $4)`, n.ReleaseID, n.ID, n.OwnerID, n.Config)
		if err != nil {
			return fmt.Errorf("write release v1: %w", err)
		}
		if _, err := tx.Exec(ctx, `insert into repositories (app_id) values ($1)`, n.ID); err != nil {
			return fmt.Errorf("make the repository: %w", err)
		}
		if err := event(ctx, tx, n.ID, "", n.Actor, "app.created", n.Name); err != nil {
			return err
		}
		return notify(ctx, tx, server.AppTopic(n.ID))
	})
	switch violates(err) {
	case "":
	case "apps_name_key":
		return server.App{}, server.Errorf(server.ErrInvalid, "Name %s is already taken. No app was created.", n.Name)
	}
	if err != nil {
		return server.App{}, err
	}
	return s.App(ctx, n.ID)
}

func freeSlot(ctx context.Context, tx pgx.Tx, slots int) (int, error) {
	if _, err := tx.Exec(ctx, `select pg_advisory_xact_lock(hashtext('paas.apps.slot'))`); err != nil {
		return 0, err
	}
	var slot *int
	err := tx.QueryRow(ctx, `with first as (select nextval('app_slots') as n)
		select min(i) from (select (n + i) % $1 as slot, i + n as i from first, generate_series(0, $1 - 1) i) s
		where slot not in (select slot from apps)`, slots).Scan(&slot)
	if err != nil {
		return 0, err
	}
	if slot == nil {
		return 0, server.Errorf(server.ErrUnavailable, "The platform's network pool has room for %d apps and is full. No app was created.", slots)
	}
	return *slot % slots, nil
}

// DeleteApp removes an app and all rows of it. Its containers are orphans
// from then on, which agents remove.
func (s *Store) DeleteApp(ctx context.Context, id, actor string) error {
	return s.inTx(ctx, func(tx pgx.Tx) error {
		var name string
		if err := tx.QueryRow(ctx, `select name from apps where id = $1 for update`, id).Scan(&name); err != nil {
			return err
		}
		open, err := many(ctx, tx, pgx.RowTo[string], `select id::text from deploys where app_id = $1
			and state in ('queued', 'building', 'releasing', 'rolling')`, id)
		if err != nil {
			return err
		}
		for _, d := range open {
			if err := notify(ctx, tx, server.DeployTopic(d)); err != nil { // whoever works on it stops
				return err
			}
		}
		hosts, err := many(ctx, tx, pgx.RowTo[string], `select distinct host_id::text from instances where app_id = $1 and host_id is not null`, id)
		if err != nil {
			return err
		}
		volumes, err := destroyVolumes(ctx, tx, id)
		if err != nil {
			return err
		}
		hosts = append(hosts, volumes...)
		for _, sql := range []string{
			`delete from instances where app_id = $1`,
			`delete from runs where app_id = $1`,
			`delete from deploys where app_id = $1`,
			`update apps set current_release = null where id = $1`,
			`delete from releases where app_id = $1`,
			`delete from apps where id = $1`,
		} {
			if _, err := tx.Exec(ctx, sql, id); err != nil {
				return fmt.Errorf("delete app: %w", err)
			}
		}
		if err := event(ctx, tx, "", "", actor, "app.destroyed", name); err != nil {
			return err
		}
		for _, h := range hosts {
			if err := notify(ctx, tx, server.HostTopic(h)); err != nil {
				return err
			}
		}
		return notify(ctx, tx, server.AppTopic(id), server.NoticeQueue)
	})
}

// Events lists the newest of an app, newest first.
func (s *Store) Events(ctx context.Context, appID string, max int) ([]server.Event, error) {
	return many(ctx, s.pool, scanEvent, eventQuery+`where app_id = $1 order by id desc limit $2`, appID, max)
}

const eventQuery = `select id, app_id::text, actor, kind, text, at, coalesce(deploy_id::text, '') from events `

func scanEvent(row pgx.CollectableRow) (e server.Event, err error) {
	err = row.Scan(&e.ID, &e.AppID, &e.Actor, &e.Kind, &e.Text, &e.At, &e.Deploy)
	return e, err
}

// Setting gives a value, nil when absent.
func (s *Store) Setting(ctx context.Context, name string) ([]byte, error) {
	v, err := one(ctx, s.pool, pgx.RowTo[[]byte], "setting", `select value from settings where name = $1`, name)
	if server.IsID(err, server.ErrNotFound) {
		return nil, nil
	}
	return v, err
}

// SetSetting stores a value once.
func (s *Store) SetSetting(ctx context.Context, name string, value []byte) error {
	tag, err := s.pool.Exec(ctx, `insert into settings (name, value) values ($1, $2) on conflict do nothing`, name, value)
	if err == nil && tag.RowsAffected() == 0 {
		return server.ErrStale
	}
	return known(err)
}
