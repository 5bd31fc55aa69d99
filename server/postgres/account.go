package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"

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
func (s *Store) EnsureAccount(ctx context.Context, email string, admin bool) (server.Account, error) {
	a, err := one(ctx, s.pool, scanAccount, "account", `select `+accountColumns+` from accounts
		where lower(email) = lower($1) and removed_at is null`, email)
	if err == nil && (a.Admin || !admin) {
		return a, nil
	}
	if err != nil && !server.IsID(err, server.ErrNotFound) {
		return a, err
	}
	return s.CreateAccount(ctx, email, admin, nil)
}

// CreateAccount makes an account, or gives the one with that e-mail, and gives
// it a key: all of it or nothing.
func (s *Store) CreateAccount(ctx context.Context, email string, admin bool, k *server.Key) (a server.Account, err error) {
	err = s.inTx(ctx, func(tx pgx.Tx) error {
		a, err = ensureAccount(ctx, tx, email, admin)
		if err != nil || k == nil {
			return err
		}
		k.AccountID, k.Email = a.ID, a.Email
		return addKey(ctx, tx, *k)
	})
	if taken := keyTaken(err, k); taken != nil {
		return server.Account{}, taken
	}
	return a, err
}

func ensureAccount(ctx context.Context, tx pgx.Tx, email string, admin bool) (server.Account, error) {
	have, err := one(ctx, tx, scanAccount, "account", `select `+accountColumns+` from accounts
		where lower(email) = lower($1) and removed_at is null for no key update`, email)
	if err == nil && (have.Admin || !admin) || err != nil && !server.IsID(err, server.ErrNotFound) {
		return have, err
	}
	a, err := one(ctx, tx, scanAccount, "account", `insert into accounts (email, admin) values ($1, $2)
		on conflict (lower(email)) where removed_at is null do update set admin = accounts.admin or excluded.admin, updated_at = now()
		returning `+accountColumns, email, admin)
	if err != nil {
		return a, fmt.Errorf("write account: %w", err)
	}
	if have.ID != "" {
		return a, event(ctx, tx, "", "", email, "account.admin", email+" on")
	}
	return a, event(ctx, tx, "", "", email, "account.created", fmt.Sprintf("%s, admin %v", email, a.Admin))
}

// Account finds by id or e-mail.
func (s *Store) Account(ctx context.Context, ident string) (server.Account, error) {
	return one(ctx, s.pool, scanAccount, "account",
		`select `+accountColumns+` from accounts where (id = $1 or lower(email) = lower($2)) and removed_at is null`, uuidOf(ident), ident)
}

// Accounts lists by e-mail.
func (s *Store) Accounts(ctx context.Context) ([]server.Account, error) {
	return many(ctx, s.pool, scanAccount, `select `+accountColumns+` from accounts where removed_at is null order by lower(email) limit 10000`)
}

// SetAdmin makes an account an admin or takes that away, but not from the last
// one that a person logs in to.
func (s *Store) SetAdmin(ctx context.Context, id string, admin bool) (a server.Account, err error) {
	err = s.inTx(ctx, func(tx pgx.Tx) error {
		if a, err = lockAccount(ctx, tx, id); err != nil || a.Admin == admin {
			return err
		}
		if err := anotherAdmin(ctx, tx, a); !admin && err != nil {
			return err
		}
		a, err = one(ctx, tx, scanAccount, "account", `update accounts set admin = $2, updated_at = now() where id = $1
			returning `+accountColumns, a.ID, admin)
		if err != nil {
			return err
		}
		if err := event(ctx, tx, "", "", a.Email, "account.admin", a.Email+map[bool]string{true: " on", false: " off"}[admin]); err != nil {
			return err
		}
		return notify(ctx, tx, server.NoticeAll) // sessions with anybody's app
	})
	return a, err
}

// lockAccount finds an account for a change; one at a time, so that two admins
// do not take each other's rights away together.
func lockAccount(ctx context.Context, tx pgx.Tx, id string) (server.Account, error) {
	if _, err := tx.Exec(ctx, `select pg_advisory_xact_lock(hashtext('paas.accounts'))`); err != nil {
		return server.Account{}, err
	}
	return one(ctx, tx, scanAccount, "account", `select `+accountColumns+` from accounts where id = $1 and removed_at is null for update`, uuidOf(id))
}

// anotherAdmin says that a is not the last admin; nobody logs in as the
// operator's account.
func anotherAdmin(ctx context.Context, tx pgx.Tx, a server.Account) error {
	var others int
	err := tx.QueryRow(ctx, `select count(*) from accounts where admin and removed_at is null and id <> $1 and email <> $2`,
		a.ID, server.OperatorEmail).Scan(&others)
	if err == nil && others == 0 {
		return &server.Error{ID: server.ErrInvalid, Message: a.Email + " is the last admin besides the operator. Nothing was changed.",
			Next: "Make another one first: paas accounts:admin EMAIL --on"}
	}
	return err
}

// RemoveAccount takes an account's keys, tokens and access away. Its row stays
// for what it did; its e-mail may be used anew.
func (s *Store) RemoveAccount(ctx context.Context, id string) (a server.Account, err error) {
	err = s.inTx(ctx, func(tx pgx.Tx) error {
		if a, err = lockAccount(ctx, tx, id); err != nil {
			return err
		}
		if err := removable(ctx, tx, a); err != nil {
			return err
		}
		for _, sql := range []string{
			`delete from keys where account_id = $1`,
			`delete from tokens where account_id = $1`,
			`delete from sign_in_links where account_id = $1`,
			`delete from web_sessions where account_id = $1`,
			`delete from passkeys where account_id = $1`,
			`delete from identities where account_id = $1`,
			`delete from collaborators where account_id = $1`,
			`delete from invitations where invited_by = $1`,
			`update accounts set removed_at = now(), updated_at = now(), admin = false where id = $1`,
		} {
			if _, err := tx.Exec(ctx, sql, a.ID); err != nil {
				return fmt.Errorf("remove account: %w", err)
			}
		}
		if err := event(ctx, tx, "", "", a.Email, "account.removed", a.Email); err != nil {
			return err
		}
		return notify(ctx, tx, server.NoticeAll) // its sessions end
	})
	return a, err
}

func removable(ctx context.Context, tx pgx.Tx, a server.Account) error {
	names, err := many(ctx, tx, pgx.RowTo[string], `select name from apps where owner_id = $1 order by name limit 6`, a.ID)
	if err != nil {
		return err
	}
	if len(names) > 0 {
		if len(names) > 5 {
			names[5] = "more"
		}
		return &server.Error{ID: server.ErrConflict, Message: fmt.Sprintf("%s owns apps (%s). Nothing was changed.", a.Email, strings.Join(names, ", ")),
			Next: "Give them to somebody first: paas apps:transfer EMAIL -a " + names[0]}
	}
	if !a.Admin {
		return nil
	}
	return anotherAdmin(ctx, tx, a)
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
	err := s.inTx(ctx, func(tx pgx.Tx) error { return addKey(ctx, tx, k) })
	if taken := keyTaken(err, &k); taken != nil {
		return k, taken
	}
	if err != nil {
		return k, err
	}
	return s.KeyByFingerprint(ctx, k.Fingerprint)
}

// maxKeys is how many keys an account may have.
const maxKeys = 100

// addKey gives an account a key; one it has already stays as it is.
func addKey(ctx context.Context, tx pgx.Tx, k server.Key) error {
	var own, others, all int
	err := tx.QueryRow(ctx, `select count(*) filter (where fingerprint = $2 and account_id = $1),
		count(*) filter (where fingerprint = $2 and account_id <> $1), count(*) filter (where account_id = $1)
		from keys where account_id = $1 or fingerprint = $2`, k.AccountID, k.Fingerprint).Scan(&own, &others, &all)
	switch {
	case err != nil || own > 0:
		return err
	case others > 0:
		return takenKey(k)
	case all >= maxKeys:
		return server.Errorf(server.ErrInvalid, "%s has %d SSH keys, the most there may be. Nothing was changed.", k.Email, all)
	}
	_, err = tx.Exec(ctx, `insert into keys (account_id, fingerprint, public_key, comment) values ($1, $2, $3, $4)`,
		k.AccountID, k.Fingerprint, k.PublicKey, k.Comment)
	if err != nil {
		return err
	}
	if err := event(ctx, tx, "", "", k.Email, "key.added", k.Fingerprint); err != nil {
		return err
	}
	return notify(ctx, tx, server.AccountTopic(k.AccountID))
}

// keyTaken is what to say when a key was registered in the meantime.
func keyTaken(err error, k *server.Key) error {
	if k == nil || violates(err) != "keys_fingerprint_key" {
		return nil
	}
	return takenKey(*k)
}

func takenKey(k server.Key) error {
	return server.Errorf(server.ErrInvalid, "The key %s is registered by another account. Nothing was changed.", k.Fingerprint)
}

// DeleteKey removes a key.
func (s *Store) DeleteKey(ctx context.Context, id string) error {
	return s.inTx(ctx, func(tx pgx.Tx) error {
		var fp, email string
		err := tx.QueryRow(ctx, `delete from keys k using accounts a where a.id = k.account_id and k.id = $1
			returning k.fingerprint, a.email`, uuidOf(id)).Scan(&fp, &email)
		if errors.Is(err, pgx.ErrNoRows) {
			return notFound("key")
		}
		if err != nil {
			return err
		}
		return event(ctx, tx, "", "", email, "key.removed", fp)
	})
}

// KeyByFingerprint finds a key.
func (s *Store) KeyByFingerprint(ctx context.Context, fp string) (server.Key, error) {
	return one(ctx, s.pool, scanKey, "key",
		`select `+keyColumns+` from keys k join accounts a on a.id = k.account_id where k.fingerprint = $1 and a.removed_at is null`, fp)
}
