package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"paas/server"
)

const accountColumns = `id, email, name, admin, created_at, updated_at`

func scanAccount(row pgx.CollectableRow) (a server.Account, err error) {
	err = row.Scan(&a.ID, &a.Email, &a.Name, &a.Admin, &a.CreatedAt, &a.UpdatedAt)
	return a, err
}

// EnsureAccount makes an account, or gives the one with that e-mail; an admin
// is never made less by it.
func (s *Store) EnsureAccount(ctx context.Context, email string, admin bool) (a server.Account, err error) {
	a, err = one(ctx, s.pool, scanAccount, "account", `select `+accountColumns+` from accounts where lower(email) = lower($1)`, email)
	if err == nil && (a.Admin || !admin) {
		return a, nil
	}
	if err != nil && !server.IsID(err, server.ErrNotFound) {
		return a, err
	}
	err = s.inTx(ctx, func(tx pgx.Tx) error {
		a, err = one(ctx, tx, scanAccount, "account", `insert into accounts (email, admin) values ($1, $2)
			on conflict (lower(email)) do update set admin = accounts.admin or excluded.admin, updated_at = now()
			returning `+accountColumns, email, admin)
		if err != nil {
			return fmt.Errorf("write account: %w", err)
		}
		return event(ctx, tx, "", "", email, "account.created", fmt.Sprintf("%s, admin %v", email, a.Admin))
	})
	return a, err
}

// Account finds by id or e-mail.
func (s *Store) Account(ctx context.Context, ident string) (server.Account, error) {
	return one(ctx, s.pool, scanAccount, "account",
		`select `+accountColumns+` from accounts where id = $1 or lower(email) = lower($2)`, uuidOf(ident), ident)
}

// AccountByToken finds the owner of an unexpired token and notes its use, to
// the minute: a write for each request would cost more than it tells.
func (s *Store) AccountByToken(ctx context.Context, hash []byte) (a server.Account, t server.Token, err error) {
	_, err = one(ctx, s.pool, func(row pgx.CollectableRow) (struct{}, error) {
		return struct{}{}, row.Scan(&a.ID, &a.Email, &a.Name, &a.Admin, &a.CreatedAt, &a.UpdatedAt, &t.ID, &t.Kind, &t.Scope)
	}, "token", `with t as (select * from tokens where hash = $1 and expires_at > now()),
		used as (update tokens u set last_used_at = now() from t where u.id = t.id
			and (u.last_used_at is null or u.last_used_at < now() - interval '1 minute'))
		select a.id, a.email, a.name, a.admin, a.created_at, a.updated_at, t.id, t.kind, t.scopes
		from t join accounts a on a.id = t.account_id`, hash)
	return a, t, err
}

// CreateToken stores a token's hash, and forgets the account's expired ones.
func (s *Store) CreateToken(ctx context.Context, t server.Token) (server.Token, error) {
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `delete from tokens where account_id = $1 and expires_at < now()`, t.AccountID); err != nil {
			return err
		}
		return tx.QueryRow(ctx, `insert into tokens (account_id, hash, description, kind, scopes, expires_at) values ($1, $2, $3, $4, coalesce($5, '{}'), $6)
			returning id, created_at`, t.AccountID, t.Hash, t.Description, t.Kind, t.Scope, t.ExpiresAt).Scan(&t.ID, &t.CreatedAt)
	})
	return t, err
}

const keyColumns = `k.id, k.account_id, a.email, k.fingerprint, k.public_key, k.comment, k.created_at`

func scanKey(row pgx.CollectableRow) (k server.Key, err error) {
	err = row.Scan(&k.ID, &k.AccountID, &k.Email, &k.Fingerprint, &k.PublicKey, &k.Comment, &k.CreatedAt)
	return k, err
}

// Keys lists an account's keys, oldest first.
func (s *Store) Keys(ctx context.Context, accountID string) ([]server.Key, error) {
	return many(ctx, s.pool, scanKey, `select `+keyColumns+` from keys k join accounts a on a.id = k.account_id
		where k.account_id = $1 order by k.created_at, k.id limit 1000`, accountID)
}

// CreateKey stores a key; its fingerprint belongs to one account only.
func (s *Store) CreateKey(ctx context.Context, k server.Key) (server.Key, error) {
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		err := tx.QueryRow(ctx, `insert into keys (account_id, fingerprint, public_key, comment) values ($1, $2, $3, $4)
			returning id, created_at`, k.AccountID, k.Fingerprint, k.PublicKey, k.Comment).Scan(&k.ID, &k.CreatedAt)
		if err != nil {
			return err
		}
		return event(ctx, tx, "", "", k.Email, "key.added", k.Fingerprint)
	})
	if violates(err) == "keys_fingerprint_key" {
		return k, server.Errorf(server.ErrInvalid, "The key %s is registered already. Nothing was changed.", k.Fingerprint)
	}
	return k, err
}

// DeleteKey removes a key.
func (s *Store) DeleteKey(ctx context.Context, id string) error {
	return s.inTx(ctx, func(tx pgx.Tx) error {
		var fp, email string
		err := tx.QueryRow(ctx, `delete from keys k using accounts a where a.id = k.account_id and k.id = $1
			returning k.fingerprint, a.email`, uuidOf(id)).Scan(&fp, &email)
		if err != nil {
			return err
		}
		return event(ctx, tx, "", "", email, "key.removed", fp)
	})
}

// KeyByFingerprint finds a key.
func (s *Store) KeyByFingerprint(ctx context.Context, fp string) (server.Key, error) {
	return one(ctx, s.pool, scanKey, "key",
		`select `+keyColumns+` from keys k join accounts a on a.id = k.account_id where k.fingerprint = $1`, fp)
}
