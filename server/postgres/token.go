package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"paas/server"
)

// AccountByToken finds the owner of an unexpired token and notes its use, to
// the minute: a write for each request would cost more than it tells.
func (s *Store) AccountByToken(ctx context.Context, hash []byte) (a server.Account, t server.Token, err error) {
	_, err = one(ctx, s.pool, func(row pgx.CollectableRow) (struct{}, error) {
		return struct{}{}, row.Scan(&a.ID, &a.Email, &a.Name, &a.Admin, &a.CreatedAt, &a.UpdatedAt, &t.ID, &t.Description, &t.Kind, &t.Scope)
	}, "token", `with t as (select * from tokens where hash = $1 and expires_at > now()),
		used as (update tokens u set last_used_at = now() from t where u.id = t.id
			and (u.last_used_at is null or u.last_used_at < now() - interval '1 minute'))
		select a.id, a.email, a.name, a.admin, a.created_at, a.updated_at, t.id, t.description, t.kind, t.scopes
		from t join accounts a on a.id = t.account_id where a.removed_at is null`, hash)
	t.AccountID = a.ID
	return a, t, err
}

// The most tokens of an account: further API tokens are refused, of logins the
// oldest end.
const (
	maxAPITokens = 100
	maxLogins    = 100
)

// CreateToken stores a token's hash, and forgets the account's expired ones.
func (s *Store) CreateToken(ctx context.Context, t server.Token) (server.Token, error) {
	err := s.inTx(ctx, func(tx pgx.Tx) (err error) {
		t, err = createToken(ctx, tx, t)
		return err
	})
	return t, err
}

func createToken(ctx context.Context, tx pgx.Tx, t server.Token) (server.Token, error) {
	_, err := tx.Exec(ctx, `delete from tokens where account_id = $1 and (expires_at < now() or kind = 'login' and $2 = 'login' and id in
		(select id from tokens where account_id = $1 and kind = 'login' order by created_at desc, id offset $3))`, t.AccountID, t.Kind, maxLogins-1)
	if err != nil {
		return t, fmt.Errorf("forget old tokens: %w", err)
	}
	var email string
	var count int
	err = tx.QueryRow(ctx, `select email, (select count(*) from tokens where account_id = $1 and kind = $2)
		from accounts where id = $1 for no key update`, t.AccountID, t.Kind).Scan(&email, &count)
	if err != nil {
		return t, err
	}
	if t.Kind == server.TokenAPI && count >= maxAPITokens {
		return t, &server.Error{ID: server.ErrInvalid, Message: fmt.Sprintf("There are %d authorizations, the most an account may have. No token was made.", count),
			Next: "Revoke one: paas authorizations:revoke ID"}
	}
	err = tx.QueryRow(ctx, `insert into tokens (account_id, hash, description, kind, scopes, expires_at) values ($1, $2, $3, $4, coalesce($5::text[], '{}'), $6)
		returning id, created_at, updated_at`, t.AccountID, t.Hash, t.Description, t.Kind, t.Scope, t.ExpiresAt).Scan(&t.ID, &t.CreatedAt, &t.UpdatedAt)
	if err != nil || t.Kind == server.TokenSSH { // what is done with that one tells enough
		return t, err
	}
	if err := event(ctx, tx, "", "", email, "token.created", aboutToken(t)); err != nil {
		return t, err
	}
	return t, notify(ctx, tx, server.AccountTopic(t.AccountID))
}

// aboutToken names a token in the audit log.
func aboutToken(t server.Token) string { return fmt.Sprintf("%s %s %q", t.Kind, t.ID, t.Description) }

const tokenColumns = `id, account_id, description, kind, scopes, expires_at, last_used_at, created_at, updated_at`

func scanToken(row pgx.CollectableRow) (t server.Token, err error) {
	var used *time.Time
	err = row.Scan(&t.ID, &t.AccountID, &t.Description, &t.Kind, &t.Scope, &t.ExpiresAt, &used, &t.CreatedAt, &t.UpdatedAt)
	if used != nil {
		t.LastUsedAt = *used
	}
	return t, err
}

// Tokens lists an account's unexpired logins and API tokens, oldest first.
func (s *Store) Tokens(ctx context.Context, accountID string) ([]server.Token, error) {
	return many(ctx, s.pool, scanToken, `select `+tokenColumns+` from tokens
		where account_id = $1 and kind <> 'ssh' and expires_at > now() order by created_at, id limit 1000`, uuidOf(accountID))
}

// RevokeToken ends a token of an account.
func (s *Store) RevokeToken(ctx context.Context, accountID, id string) (t server.Token, err error) {
	err = s.inTx(ctx, func(tx pgx.Tx) error {
		t, err = one(ctx, tx, scanToken, "authorization", `delete from tokens where account_id = $1 and id = $2 returning `+tokenColumns,
			uuidOf(accountID), uuidOf(id))
		if err != nil || t.Kind == server.TokenSSH { // its command has ended, and told enough
			return err
		}
		return tokenChanged(ctx, tx, t, "token.revoked")
	})
	return t, err
}

// RotateToken replaces a token's secret and expiry.
func (s *Store) RotateToken(ctx context.Context, t server.Token) (out server.Token, err error) {
	err = s.inTx(ctx, func(tx pgx.Tx) error {
		out, err = one(ctx, tx, scanToken, "authorization", `update tokens set hash = $3, expires_at = $4, updated_at = now(), last_used_at = null
			where account_id = $1 and id = $2 returning `+tokenColumns, uuidOf(t.AccountID), uuidOf(t.ID), t.Hash, t.ExpiresAt)
		if err != nil {
			return err
		}
		return tokenChanged(ctx, tx, out, "token.rotated")
	})
	return out, err
}

// tokenChanged tells who holds sessions by a token: they look whether it is
// still good.
func tokenChanged(ctx context.Context, tx pgx.Tx, t server.Token, kind string) error {
	var email string
	if err := tx.QueryRow(ctx, `select email from accounts where id = $1`, t.AccountID).Scan(&email); err != nil {
		return err
	}
	if err := event(ctx, tx, "", "", email, kind, aboutToken(t)); err != nil {
		return err
	}
	return notify(ctx, tx, server.NoticeAll)
}

// TokenLives says whether a token may still be used.
func (s *Store) TokenLives(ctx context.Context, id string) (bool, error) {
	_, err := one(ctx, s.pool, pgx.RowTo[int], "token", `select 1 from tokens where id = $1 and expires_at > now()`, uuidOf(id))
	var told *server.Error
	if errors.As(err, &told) && told.ID == server.ErrNotFound {
		return false, nil
	}
	return err == nil, err
}
