package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"paas/server"
)

const drillQuery = `select d.id::text, d.host_id::text, h.name, d.actor, d.started_at, d.until, coalesce(d.ended_at, '-infinity'), d.report, now()
	from drills d join hosts h on h.id = d.host_id `

func scanDrill(row pgx.CollectableRow) (d server.Drill, err error) {
	var started, until, ended infTime
	var now time.Time
	err = row.Scan(&d.ID, &d.HostID, &d.Host, &d.Actor, &started, &until, &ended, &d.Report, &now)
	ahead := clockAhead(now)
	d.StartedAt, d.Until, d.EndedAt = started.less(ahead), until.less(ahead), ended.less(ahead)
	return d, err
}

// AppsOn gives the apps that have something on a host.
func (s *Store) AppsOn(ctx context.Context, hostID string) ([]string, error) {
	return many(ctx, s.pool, pgx.RowTo[string], `select distinct app_id::text from instances where host_id = $1 order by 1`, uuidOf(hostID))
}

// CreateDrill begins one. Two never go on at once: what they measure would be
// each other's.
func (s *Store) CreateDrill(ctx context.Context, d server.Drill, life time.Duration) (out server.Drill, err error) {
	err = s.inTx(ctx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `select pg_advisory_xact_lock(hashtext('paas.drill'))`); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `update drills set ended_at = until where ended_at is null and until <= now()`); err != nil {
			return err
		}
		other, err := many(ctx, tx, pgx.RowTo[string], `select h.name from drills d join hosts h on h.id = d.host_id where d.ended_at is null`)
		if err != nil {
			return err
		}
		if len(other) > 0 {
			return &server.Error{ID: server.ErrConflict, Message: fmt.Sprintf("The loss of %s is being rehearsed. Nothing was changed.", other[0]),
				Next: "To end that: paas drill " + other[0] + " --end"}
		}
		tag, err := tx.Exec(ctx, `update hosts set drill_until = now() + $2::interval where id = $1 and state = 'ready' and not local`, uuidOf(d.HostID), life)
		if err != nil {
			return err
		}
		if tag.RowsAffected() == 0 {
			return server.Errorf(server.ErrConflict, "Host %s is lost, or gone. Nothing was changed.", d.Host)
		}
		var id string
		err = tx.QueryRow(ctx, `insert into drills (host_id, actor, until, report) values ($1, $2, now() + $3::interval, $4) returning id::text`,
			uuidOf(d.HostID), d.Actor, life, d.Report).Scan(&id)
		if err != nil {
			return err
		}
		if out, err = one(ctx, tx, scanDrill, "drill", drillQuery+`where d.id = $1`, id); err != nil {
			return err
		}
		if err := event(ctx, tx, "", "", d.Actor, "host.drill", fmt.Sprintf("%s for %s", d.Host, life)); err != nil {
			return err
		}
		return notify(ctx, tx, server.DrillTopic)
	})
	return out, err
}

// LastDrill is a host's newest.
func (s *Store) LastDrill(ctx context.Context, hostID string) (server.Drill, error) {
	return one(ctx, s.pool, scanDrill, "drill", drillQuery+`where d.host_id = $1 order by d.started_at desc limit 1`, uuidOf(hostID))
}

// RunningDrill is the one that was not noted to have ended.
func (s *Store) RunningDrill(ctx context.Context) (*server.Drill, error) {
	list, err := many(ctx, s.pool, scanDrill, drillQuery+`where d.ended_at is null order by d.started_at limit 1`)
	if err != nil || len(list) == 0 {
		return nil, err
	}
	return &list[0], nil
}

// NoteDrill keeps what was measured.
func (s *Store) NoteDrill(ctx context.Context, id string, r server.DrillReport) error {
	_, err := s.pool.Exec(ctx, `update drills set report = $2 where id = $1`, uuidOf(id), r)
	return known(err)
}

// EndDrill has the host listened to again.
func (s *Store) EndDrill(ctx context.Context, id, actor string) error {
	return s.inTx(ctx, func(tx pgx.Tx) error {
		type row struct{ ID, Name string }
		list, err := many(ctx, tx, pgx.RowToStructByPos[row], `update drills d set ended_at = least(now(), d.until) from hosts h
			where d.id = $1 and d.ended_at is null and h.id = d.host_id returning h.id::text, h.name`, uuidOf(id))
		if err != nil || len(list) == 0 {
			return err
		}
		if _, err := tx.Exec(ctx, `update hosts set drill_until = '-infinity' where id = $1`, list[0].ID); err != nil {
			return err
		}
		if err := event(ctx, tx, "", "", actor, "host.drill.end", list[0].Name); err != nil {
			return err
		}
		return notify(ctx, tx, server.DrillTopic)
	})
}
