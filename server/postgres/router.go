package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"paas/server"
)

// InviteRouter stores a token; one that was made for that name before and not
// used is void.
func (s *Store) InviteRouter(ctx context.Context, t server.RouterToken) (expires time.Time, err error) {
	err = s.inTx(ctx, func(tx pgx.Tx) error {
		var there bool
		if err := tx.QueryRow(ctx, `select exists (select 1 from routers where name = $1)`, t.Router).Scan(&there); err != nil {
			return err
		}
		if there {
			return &server.Error{ID: server.ErrConflict, Message: fmt.Sprintf("There is a router %s already. Nothing was changed.", t.Router),
				Next: "Remove it first: paas routers:remove " + t.Router}
		}
		if _, err := tx.Exec(ctx, `delete from router_tokens where router = $1 and used_at is null or expires_at < now() - interval '30 days'`, t.Router); err != nil {
			return err
		}
		err := tx.QueryRow(ctx, `insert into router_tokens (hash, router, actor, expires_at) values ($1, $2, $3, now() + $4::interval) returning expires_at`,
			t.Hash, t.Router, t.Actor, t.Life).Scan(&expires)
		if err != nil {
			return err
		}
		return event(ctx, tx, "", "", t.Actor, "router.invited", t.Router)
	})
	return expires, err
}

// JoinRouter spends a token: whoever comes first with it is the router. The same
// token with the same key is the same router, which has not got its answer.
func (s *Store) JoinRouter(ctx context.Context, tokenHash []byte, j server.RouterJoin) (id, name string, err error) {
	refused := &server.Error{ID: server.ErrUnauthorized, Message: "The token is not known, has expired or was used. The router has not joined.",
		Next: "Ask an admin for a new one: paas routers:add NAME"}
	err = s.inTx(ctx, func(tx pgx.Tx) error {
		var token, actor string
		var used bool
		err := tx.QueryRow(ctx, `select id::text, router, actor, used_at is not null from router_tokens
			where hash = $1 and (used_at is not null or expires_at > now()) for update`, tokenHash).Scan(&token, &name, &actor, &used)
		if errors.Is(err, pgx.ErrNoRows) {
			return refused
		}
		if err != nil {
			return err
		}
		if used {
			err = tx.QueryRow(ctx, `select id::text from routers where name = $1 and key_hash = $2`, name, j.Key).Scan(&id)
			if errors.Is(err, pgx.ErrNoRows) {
				return refused
			}
			return err
		}
		if _, err := tx.Exec(ctx, `update router_tokens set used_at = now() where id = $1`, token); err != nil {
			return err
		}
		if id, err = insertRouter(ctx, tx, name, j); err != nil {
			return err
		}
		return event(ctx, tx, "", "", actor, "router.joined", name)
	})
	return id, name, err
}

func insertRouter(ctx context.Context, tx pgx.Tx, name string, j server.RouterJoin) (id string, err error) {
	err = tx.QueryRow(ctx, `insert into routers (name, key_hash, addr, version) values ($1, $2, $3, $4) returning id::text`,
		name, j.Key, j.Addr, j.Version).Scan(&id)
	switch violates(err) {
	case "routers_name":
		return "", server.Errorf(server.ErrConflict, "There is a router %s already. This one has not joined.", name)
	case "routers_key":
		return "", server.Errorf(server.ErrConflict, "This router has joined under another name already. Nothing was changed.")
	}
	return id, err
}

// RouterByKey finds a router by its key.
func (s *Store) RouterByKey(ctx context.Context, keyHash []byte) (string, error) {
	return one(ctx, s.pool, pgx.RowTo[string], "router", `select id::text from routers where key_hash = $1`, keyHash)
}

// RenewRouterKey replaces the key; said again, it changes nothing.
func (s *Store) RenewRouterKey(ctx context.Context, id string, from, to []byte) error {
	return s.inTx(ctx, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `update routers set key_hash = $3 where id = $1 and key_hash in ($2, $3)`, uuidOf(id), from, to)
		if violates(err) == "routers_key" {
			return server.Errorf(server.ErrConflict, "The key is another router's. Nothing was changed.")
		}
		if err == nil && tag.RowsAffected() == 0 {
			return notFound("router")
		}
		return err
	})
}

// NoteRouters stores signs of life and lists the routers, by name.
func (s *Store) NoteRouters(ctx context.Context, seen []server.RouterSeen) ([]server.RouterRow, error) {
	if len(seen) > 0 {
		ids, ages, addrs, versions := make([]string, len(seen)), make([]int64, len(seen)), make([]string, len(seen)), make([]string, len(seen))
		for i, r := range seen {
			ids[i], ages[i], addrs[i], versions[i] = uuidOf(r.ID), r.Age.Microseconds(), r.Addr, r.Version
		}
		_, err := s.pool.Exec(ctx, `update routers r set seen_at = now() - n.age * interval '1 microsecond',
				addr = coalesce(nullif(n.addr, ''), r.addr), version = coalesce(nullif(n.version, ''), r.version)
			from unnest($1::uuid[], $2::bigint[], $3::text[], $4::text[]) as n (id, age, addr, version) where r.id = n.id`, ids, ages, addrs, versions)
		if err != nil {
			return nil, fmt.Errorf("note which routers are heard of: %w", known(err))
		}
	}
	scan := func(row pgx.CollectableRow) (r server.RouterRow, err error) {
		var at *time.Time
		err = row.Scan(&r.ID, &r.Name, &r.Addr, &r.Version, &at)
		if at != nil {
			r.SeenAt = *at
		}
		return r, err
	}
	return many(ctx, s.pool, scan, `select id::text, name, addr, version, seen_at from routers order by name`)
}

// RemoveRouter forgets a router: its key opens nothing any more.
func (s *Store) RemoveRouter(ctx context.Context, id, actor string) error {
	return s.inTx(ctx, func(tx pgx.Tx) error {
		name, err := one(ctx, tx, pgx.RowTo[string], "router", `delete from routers where id = $1 returning name`, uuidOf(id))
		if err != nil {
			return err
		}
		return event(ctx, tx, "", "", actor, "router.removed", name)
	})
}
