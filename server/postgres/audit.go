package postgres

import (
	"context"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"paas/server"
)

const auditQuery = `select id, at, actor, account_id::text, coalesce(token_id::text, ''), via, remote, coalesce(app_id::text, ''), app, kind, text from audit `

func scanAudit(row pgx.CollectableRow) (e server.AuditEntry, err error) {
	err = row.Scan(&e.ID, &e.At, &e.Actor, &e.AccountID, &e.TokenID, &e.Via, &e.From, &e.AppID, &e.App, &e.Kind, &e.Text)
	return e, err
}

// Audit lists the newest entries, newest first; an empty app is all.
func (s *Store) Audit(ctx context.Context, appID string, max int) ([]server.AuditEntry, error) {
	return many(ctx, s.pool, scanAudit, auditQuery+`where $1 = '' or app_id = nullif($1, '')::uuid order by id desc limit $2`, appID, max)
}

// SessionOpened writes down that somebody went into an instance, but not again
// within quiet.
func (s *Store) SessionOpened(ctx context.Context, appID, actor, what string, quiet time.Duration) error {
	const kind, among = "session.opened", 500 // how many of the newest events are looked at
	return s.inTx(ctx, func(tx pgx.Tx) error {
		var told bool
		err := tx.QueryRow(ctx, `select exists (select from (select * from events where app_id = $1 order by id desc limit $5) e
			where kind = $2 and actor = $3 and text = $4 and at > now() - $6::interval)`, appID, kind, actor, what, among, quiet).Scan(&told)
		if err != nil || told {
			return err
		}
		return event(ctx, tx, appID, "", actor, kind, what)
	})
}

// VerifyAudit walks the chain in one snapshot. The row that does not fit first
// is told: one that was altered, one before which another was taken out, one
// that was put in beside the chain, or one that was taken out itself.
func (s *Store) VerifyAudit(ctx context.Context, head string) (state server.AuditState, err error) {
	tx, err := s.pool.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err != nil {
		return state, known(err)
	}
	defer tx.Rollback(context.WithoutCancel(ctx)) //nolint:errcheck // it only read
	// A long log takes longer than a statement usually may.
	if _, err := tx.Exec(ctx, `set local statement_timeout = '10min'`); err != nil {
		return state, known(err)
	}
	var newest []byte
	err = tx.QueryRow(ctx, `select (select count(*) from audit), (select hash from audit_chain order by seq desc limit 1)`).Scan(&state.Rows, &newest)
	if err != nil {
		return state, fmt.Errorf("read audit log: %w", known(err))
	}
	state.Head = hex.EncodeToString(newest)
	state.Broken, state.Why, err = firstBroken(ctx, tx)
	if err != nil || state.Broken != 0 || head == "" {
		return state, err
	}
	return state, holdsHead(ctx, tx, head, &state)
}

// firstBroken finds the first row that does not fit, 0 when all do.
func firstBroken(ctx context.Context, tx pgx.Tx) (id int64, why string, err error) {
	type found struct {
		ID  int64
		Why string
	}
	list, err := many(ctx, tx, pgx.RowToStructByPos[found], `
		with walked as (
			select c.seq, c.audit_id, a.id, c.hash, audit_row_hash(coalesce(lag(c.hash) over (order by c.seq), ''), a) as want
			from audit_chain c left join audit a on a.id = c.audit_id),
		broken as (
			select audit_id, case when id is null then 'it was taken out'
				else 'it was altered, or a row before it was taken out' end as why, seq
			from walked where id is null or hash is distinct from want
			union all
			select a.id, 'it has no link in the chain: it was put in past the log', a.id from audit a
			where not exists (select from audit_chain c where c.audit_id = a.id))
		select audit_id, why from broken order by audit_id limit 1`)
	if err != nil || len(list) == 0 {
		return 0, "", err
	}
	return list[0].ID, list[0].Why, nil
}

// holdsHead looks for a hash that was noted earlier. Rows cut off at the end
// leave a chain that fits, but not that hash.
func holdsHead(ctx context.Context, tx pgx.Tx, head string, state *server.AuditState) error {
	noted, err := hex.DecodeString(head)
	if err != nil {
		return fmt.Errorf("head: %w", err)
	}
	var holds bool
	var last int64
	err = tx.QueryRow(ctx, `select exists (select from audit_chain where hash = $1), coalesce((select max(id) from audit), 0)`, noted).Scan(&holds, &last)
	if err != nil {
		return fmt.Errorf("look for the head: %w", known(err))
	}
	if !holds {
		state.Broken, state.Why = last+1, "the newest rows were cut off: the head that was noted is not in the chain"
	}
	return nil
}
