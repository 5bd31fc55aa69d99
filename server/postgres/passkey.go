package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"paas/server"
)

const passkeyColumns = `id, account_id, credential, record, sign_count, name, used_at, created_at`

func scanPasskey(row pgx.CollectableRow) (p server.Passkey, err error) {
	var used *time.Time
	err = row.Scan(&p.ID, &p.AccountID, &p.Credential, &p.Record, &p.SignCount, &p.Name, &used, &p.CreatedAt)
	if used != nil {
		p.UsedAt = *used
	}
	return p, err
}

// Passkeys lists an account's, oldest first.
func (s *Store) Passkeys(ctx context.Context, accountID string) ([]server.Passkey, error) {
	return many(ctx, s.pool, scanPasskey, `select `+passkeyColumns+` from passkeys where account_id = $1 order by created_at, id limit 1000`, uuidOf(accountID))
}

// maxPasskeys is how many an account may have.
const maxPasskeys = 50

// CreatePasskey keeps a passkey; a device's name for it belongs to one account.
func (s *Store) CreatePasskey(ctx context.Context, p server.Passkey) (made server.Passkey, err error) {
	err = s.inTx(ctx, func(tx pgx.Tx) error {
		var email string
		var have int
		err := tx.QueryRow(ctx, `select email, (select count(*) from passkeys where account_id = $1) from accounts
			where id = $1 for no key update`, uuidOf(p.AccountID)).Scan(&email, &have)
		if err != nil {
			return err
		}
		if have >= maxPasskeys {
			return server.Errorf(server.ErrInvalid, "There are %d passkeys, the most an account may have. No passkey was added.", have)
		}
		made, err = one(ctx, tx, scanPasskey, "passkey", `insert into passkeys (account_id, credential, record, sign_count, name)
			values ($1, $2, $3, $4, $5) returning `+passkeyColumns, p.AccountID, p.Credential, p.Record, p.SignCount, p.Name)
		if err != nil {
			return err
		}
		return event(ctx, tx, "", "", email, "passkey.added", fmt.Sprintf("%s %q", made.ID, made.Name))
	})
	if violates(err) == "passkeys_credential_key" {
		return made, server.Errorf(server.ErrInvalid, "This passkey is registered already. No passkey was added.")
	}
	return made, err
}

// RemovePasskey takes one away from its account.
func (s *Store) RemovePasskey(ctx context.Context, accountID, id string) (p server.Passkey, err error) {
	err = s.inTx(ctx, func(tx pgx.Tx) error {
		p, err = one(ctx, tx, scanPasskey, "passkey", `delete from passkeys where account_id = $1 and id = $2 returning `+passkeyColumns,
			uuidOf(accountID), uuidOf(id))
		if err != nil {
			return err
		}
		var email string
		if err := tx.QueryRow(ctx, `select email from accounts where id = $1`, p.AccountID).Scan(&email); err != nil {
			return err
		}
		return event(ctx, tx, "", "", email, "passkey.removed", fmt.Sprintf("%s %q", p.ID, p.Name))
	})
	return p, err
}

// Passkey finds one by the device's name for it.
func (s *Store) Passkey(ctx context.Context, credential []byte) (server.Account, server.Passkey, error) {
	p, err := one(ctx, s.pool, scanPasskey, "passkey", `select `+passkeyColumns+` from passkeys where credential = $1`, credential)
	if err != nil {
		return server.Account{}, p, err
	}
	a, err := s.Account(ctx, p.AccountID)
	return a, p, err
}

// UsePasskey signs in by a passkey that nobody has used since it was read.
func (s *Store) UsePasskey(ctx context.Context, p server.Passkey, before uint32, n server.NewWebSession) (ws server.WebSession, err error) {
	err = s.inTx(ctx, func(tx pgx.Tx) error {
		a, err := one(ctx, tx, scanAccount, "passkey", `with used as (update passkeys set sign_count = $3, record = $4, used_at = now()
				where id = $1 and sign_count = $2 returning account_id)
			select `+accountColumns+` from accounts where id = (select account_id from used) and removed_at is null`,
			uuidOf(p.ID), before, p.SignCount, p.Record)
		if err != nil {
			return err
		}
		ws, err = beginSession(ctx, tx, a, n)
		return err
	})
	return ws, err
}

// UseIdentity signs in whom an identity is linked to, or links it to the
// account with its verified e-mail.
func (s *Store) UseIdentity(ctx context.Context, i server.Identity, n server.NewWebSession) (ws server.WebSession, err error) {
	err = s.inTx(ctx, func(tx pgx.Tx) error {
		a, err := one(ctx, tx, scanAccount, "account", `select `+accountColumns+` from accounts
			where id = (select account_id from identities where issuer = $1 and subject = $2) and removed_at is null`, i.Issuer, i.Subject)
		if server.IsID(err, server.ErrNotFound) && i.Verified {
			a, err = linkIdentity(ctx, tx, i)
		}
		if err != nil {
			return err
		}
		ws, err = beginSession(ctx, tx, a, n)
		return err
	})
	return ws, err
}

// linkIdentity links who is new to the account with that e-mail, unless
// somebody else at the provider is that account already. The operator's is
// nobody's.
func linkIdentity(ctx context.Context, tx pgx.Tx, i server.Identity) (server.Account, error) {
	a, err := one(ctx, tx, scanAccount, "account", `select `+accountColumns+` from accounts where lower(email) = lower($1) and email <> $2
		and removed_at is null for no key update`, i.Email, server.OperatorEmail)
	if err != nil {
		return a, err
	}
	tag, err := tx.Exec(ctx, `insert into identities (issuer, subject, account_id) select $1, $2, $3
		where not exists (select from identities where issuer = $1 and account_id = $3) on conflict do nothing`, i.Issuer, i.Subject, a.ID)
	if err != nil {
		return a, fmt.Errorf("link identity: %w", err)
	}
	if tag.RowsAffected() == 0 {
		return a, server.Errorf(server.ErrForbidden, "Another identity of the provider is linked to %s. Nobody was signed in.", a.Email)
	}
	return a, event(asNew(ctx, a), tx, "", "", a.Email, "identity.linked", fmt.Sprintf("%s %q", i.Issuer, i.Subject))
}

// maxChallenges is how many sign-ins may wait for their answer.
const maxChallenges = 10000

// KeepChallenge keeps what a sign-in waits to be answered with, and forgets
// what nobody has answered in time.
func (s *Store) KeepChallenge(ctx context.Context, hash []byte, kind string, data []byte, life time.Duration) error {
	return s.inTx(ctx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `delete from sign_in_challenges where expires_at < now()`); err != nil {
			return fmt.Errorf("forget challenges: %w", err)
		}
		tag, err := tx.Exec(ctx, `insert into sign_in_challenges (hash, kind, data, expires_at) select $1, $2, $3, now() + $4::interval
			where (select count(*) from sign_in_challenges) < $5`, hash, kind, data, life, maxChallenges)
		if err == nil && tag.RowsAffected() == 0 {
			return server.Errorf(server.ErrUnavailable, "Too many people are signing in at this moment. Nobody was signed in; try again in some minutes.")
		}
		return err
	})
}

// TakeChallenge gives it once.
func (s *Store) TakeChallenge(ctx context.Context, hash []byte, kind string) (data []byte, err error) {
	err = s.inTx(ctx, func(tx pgx.Tx) error {
		data, err = one(ctx, tx, pgx.RowTo[[]byte], "challenge", `delete from sign_in_challenges where hash = $1 and kind = $2 and expires_at > now() returning data`, hash, kind)
		return err
	})
	return data, err
}
