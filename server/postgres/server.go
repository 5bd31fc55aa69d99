package postgres

import (
	"context"
	"strings"

	"github.com/jackc/pgx/v5"

	"paas/server"
)

// BeatServer notes that a server is there.
func (s *Store) BeatServer(ctx context.Context, e server.ServerEntry) error {
	done, err := s.pool.Exec(ctx, `insert into servers (id, name, addr, seat) values ($1, $2, $3, $4)
		on conflict (id) do update set name = $2, addr = $3, seat = $4, seen_at = now(),
			started_at = case when servers.seen_at < now() - interval '5 s' then now() else servers.started_at end
		where servers.seat in ('', $4) or servers.seen_at < now() - interval '5 s'`, e.ID, e.Name, e.Addr, e.Seat)
	if err == nil && done.RowsAffected() == 0 {
		return &server.Error{ID: server.ErrConflict, Message: "Another server runs with the identity of this one: a data directory was copied. Nothing was started.",
			Next: "Give each server a directory of its own; of another's it needs the file master.key only."}
	}
	return known(err)
}

// Servers lists those that were heard of in the last day, by name.
func (s *Store) Servers(ctx context.Context) ([]server.ServerEntry, error) {
	scan := func(row pgx.CollectableRow) (e server.ServerEntry, err error) {
		err = row.Scan(&e.ID, &e.Name, &e.Addr, &e.Started, &e.Silent, &e.Leads)
		return e, err
	}
	return many(ctx, s.pool, scan, `select s.id, s.name, s.addr, s.started_at, now() - s.seen_at,
			exists (select from leases l where l.name = $1 and l.owner = s.id and l.until > now())
		from servers s where s.seen_at > now() - interval '1 day' order by s.name, s.id`, server.LeaderLease)
}

// LeaveServer forgets a server, and those that died more than a day ago.
func (s *Store) LeaveServer(ctx context.Context, id string) error {
	_, err := s.pool.Exec(ctx, `delete from servers where id = $1 or seen_at < now() - interval '1 day'`, id)
	return known(err)
}

// alone makes sure until the transaction ends that this is the only server:
// another that starts meanwhile waits with its first beat.
func (s *Store) alone(ctx context.Context, tx pgx.Tx) error {
	if _, err := tx.Exec(ctx, `lock table servers in share row exclusive mode`); err != nil {
		return err
	}
	names, err := many(ctx, tx, pgx.RowTo[string], `select name from servers where id <> $1 and seen_at > now() - interval '10 s' order by name`, s.server)
	if err != nil || len(names) == 0 {
		return err
	}
	return &server.Error{ID: server.ErrConflict, Message: "Other servers run with the present master key: " + strings.Join(names, ", ") + ". Nothing was changed.",
		Next: "Stop all servers but one, rotate, and copy its master.key to the others before they start."}
}
