package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"paas/server"
)

// maxLinks is how many sign-in links an account keeps; the oldest go.
const maxLinks = 20

// CreateSignInLink keeps an open link, and forgets old ones.
func (s *Store) CreateSignInLink(ctx context.Context, accountID string, hash []byte, life time.Duration) (expires time.Time, err error) {
	err = s.inTx(ctx, func(tx pgx.Tx) error {
		// For a day a link that is used late can be told what is wrong with it.
		_, err := tx.Exec(ctx, `delete from sign_in_links where expires_at < now() - interval '1 day' or account_id = $1 and id in
			(select id from sign_in_links where account_id = $1 order by created_at desc, id offset $2)`, accountID, maxLinks-1)
		if err != nil {
			return fmt.Errorf("forget old links: %w", err)
		}
		var email string
		err = tx.QueryRow(ctx, `with made as (insert into sign_in_links (account_id, hash, expires_at) values ($1, $2, now() + $3::interval) returning *)
			select m.expires_at, a.email from made m join accounts a on a.id = m.account_id`, accountID, hash, life).Scan(&expires, &email)
		if err != nil {
			return fmt.Errorf("write sign-in link: %w", err)
		}
		return event(ctx, tx, "", "", email, "signin.link", email)
	})
	return expires, err
}

// SignInLink finds a link and whom it signs in.
func (s *Store) SignInLink(ctx context.Context, hash []byte) (a server.Account, state server.LinkState, err error) {
	_, err = one(ctx, s.pool, func(row pgx.CollectableRow) (struct{}, error) {
		return struct{}{}, row.Scan(&a.ID, &a.Email, &a.Name, &a.Admin, &a.CreatedAt, &a.UpdatedAt, &state)
	}, "sign-in link", `select a.id, a.email, a.name, a.admin, a.created_at, a.updated_at,
			case when l.used_at is not null then 'used' when l.expires_at <= now() then 'expired' else 'open' end
		from sign_in_links l join accounts a on a.id = l.account_id where l.hash = $1 and a.removed_at is null`, hash)
	return a, state, err
}

// UseSignInLink signs in by an open link, once.
func (s *Store) UseSignInLink(ctx context.Context, hash []byte, n server.NewWebSession) (ws server.WebSession, err error) {
	err = s.inTx(ctx, func(tx pgx.Tx) error {
		a, err := one(ctx, tx, scanAccount, "sign-in link", `with used as (update sign_in_links set used_at = now()
				where hash = $1 and used_at is null and expires_at > now() returning account_id)
			select `+accountColumns+` from accounts where id = (select account_id from used) and removed_at is null`, hash)
		if err != nil {
			return err
		}
		ws, err = beginSession(ctx, tx, a, n)
		return err
	})
	return ws, err
}

// SignInFailed writes a refused attempt down.
func (s *Store) SignInFailed(ctx context.Context, text string) error {
	return s.inTx(ctx, func(tx pgx.Tx) error { return audit(ctx, tx, "", "signin.refused", text) })
}

// maxWebSessions is how many browsers an account is signed in with; those that
// were idle longest are signed out.
const maxWebSessions = 100

// beginSession signs an account in; every way in ends here. It forgets
// sessions that are over.
func beginSession(ctx context.Context, tx pgx.Tx, a server.Account, n server.NewWebSession) (server.WebSession, error) {
	_, err := tx.Exec(ctx, `delete from web_sessions where expires_at < now() or seen_at < now() - $2::interval or account_id = $1 and id in
		(select id from web_sessions where account_id = $1 order by seen_at desc, id offset $3)`, a.ID, server.WebIdle, maxWebSessions-1)
	if err != nil {
		return server.WebSession{}, fmt.Errorf("forget old sessions: %w", err)
	}
	id, err := one(ctx, tx, pgx.RowTo[string], "session", `insert into web_sessions (account_id, hash, how, remote, agent, expires_at)
		values ($1, $2, $3, $4, $5, now() + $6::interval) returning id::text`, a.ID, n.Hash, n.How, n.From, n.Agent, server.WebLife)
	if violates(err) == "account_is_there" {
		return server.WebSession{}, server.Errorf(server.ErrNotFound, "The account was just removed. Nobody was signed in.")
	}
	if err != nil {
		return server.WebSession{}, fmt.Errorf("write session: %w", err)
	}
	ws, err := one(ctx, tx, scanWebSession, "session", webSessionQuery+`where w.id = $2`, server.WebIdle, id)
	if err != nil {
		return ws, err
	}
	return ws, event(asSignedIn(ctx, a, id), tx, "", "", a.Email, "signin", fmt.Sprintf("by %s, session %s", n.How, id))
}

// asSignedIn is the context of whom a proof has just named.
func asSignedIn(ctx context.Context, a server.Account, session string) context.Context {
	actor, ok := server.ActorOf(ctx)
	if !ok {
		return ctx
	}
	actor.Account, actor.Session = a, session
	return server.WithActor(ctx, actor)
}

const webSessionQuery = `select w.id, w.account_id, a.email, w.remote, w.agent, w.how, w.created_at, w.seen_at,
	least(w.expires_at, w.seen_at + $1::interval) from web_sessions w join accounts a on a.id = w.account_id and a.removed_at is null `

// liveSession says of w that it is signed in; $1 is how long it may be idle.
const liveSession = `w.expires_at > now() and w.seen_at > now() - $1::interval `

func scanWebSession(row pgx.CollectableRow) (w server.WebSession, err error) {
	err = row.Scan(&w.ID, &w.AccountID, &w.Email, &w.From, &w.Agent, &w.How, &w.CreatedAt, &w.SeenAt, &w.ExpiresAt)
	return w, err
}

// WebSession finds a live session and notes its use, to the minute.
func (s *Store) WebSession(ctx context.Context, hash []byte, from string) (a server.Account, w server.WebSession, err error) {
	_, err = one(ctx, s.pool, func(row pgx.CollectableRow) (struct{}, error) {
		return struct{}{}, row.Scan(&a.ID, &a.Email, &a.Name, &a.Admin, &a.CreatedAt, &a.UpdatedAt,
			&w.ID, &w.From, &w.Agent, &w.How, &w.CreatedAt, &w.SeenAt, &w.ExpiresAt)
	}, "session", `with w as (select * from web_sessions w where hash = $2 and `+liveSession+`),
		seen as (update web_sessions u set seen_at = now(), remote = case when $3 = '' then u.remote else $3 end
			from w where u.id = w.id and u.seen_at < now() - interval '1 minute')
		select a.id, a.email, a.name, a.admin, a.created_at, a.updated_at, w.id, w.remote, w.agent, w.how, w.created_at, w.seen_at,
			least(w.expires_at, now() + $1::interval)
		from w join accounts a on a.id = w.account_id where a.removed_at is null`, server.WebIdle, hash, from)
	w.AccountID, w.Email = a.ID, a.Email
	return a, w, err
}

// WebSessions lists an account's live ones, the newest first.
func (s *Store) WebSessions(ctx context.Context, accountID string) ([]server.WebSession, error) {
	return many(ctx, s.pool, scanWebSession, webSessionQuery+`where w.account_id = $2 and `+liveSession+`order by w.created_at desc, w.id limit 1000`,
		server.WebIdle, uuidOf(accountID))
}

// EndWebSession signs a browser out, and tells who holds something open by it.
func (s *Store) EndWebSession(ctx context.Context, accountID, id string) (ws server.WebSession, err error) {
	err = s.inTx(ctx, func(tx pgx.Tx) error {
		ws, err = one(ctx, tx, scanWebSession, "session", webSessionQuery+`where w.account_id = $2 and w.id = $3 for update of w`,
			server.WebIdle, uuidOf(accountID), uuidOf(id))
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `delete from web_sessions where id = $1`, ws.ID); err != nil {
			return err
		}
		if err := event(ctx, tx, "", "", ws.Email, "signin.ended", "session "+ws.ID); err != nil {
			return err
		}
		return notify(ctx, tx, server.NoticeAll)
	})
	return ws, err
}

// WebSessionLives says whether a session is signed in still.
func (s *Store) WebSessionLives(ctx context.Context, id string) (bool, error) {
	n, err := one(ctx, s.pool, pgx.RowTo[int], "session", `select count(*)::int from web_sessions w where `+liveSession+`and w.id = $2`, server.WebIdle, uuidOf(id))
	return n > 0, err
}
