package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"paas/server"
)

// TakeLease takes a lease that is free, has run out or is the owner's own; each
// taking is a new epoch. It does not wait for a database that is away: how long
// an answer is worth waiting for only the caller knows. One that lasts longer than
// any can is of a clock that was set back since: nobody waits for its end.
func (s *Store) TakeLease(ctx context.Context, name, owner string, life time.Duration) (epoch int64, err error) {
	err = s.pool.QueryRow(ctx, `insert into leases (name, owner, epoch, until) values ($1, $2, 1, now() + $3::interval)
		on conflict (name) do update set owner = $2, epoch = leases.epoch + 1, until = now() + $3::interval
		where leases.until < now() or leases.until > now() + 2 * $3::interval or leases.owner = $2 returning epoch`, name, owner, life).Scan(&epoch)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, nil
	}
	return epoch, known(err)
}

// RenewLease extends a lease that nobody else has taken: whether it may be trusted
// still its owner knows by a clock that nobody sets.
func (s *Store) RenewLease(ctx context.Context, name, owner string, epoch int64, life time.Duration) error {
	tag, err := s.pool.Exec(ctx, `update leases set until = now() + $4::interval
		where name = $1 and owner = $2 and epoch = $3 and until > '-infinity'`, name, owner, epoch, life)
	if err == nil && tag.RowsAffected() == 0 {
		return server.ErrLost
	}
	return known(err)
}

// DropLease ends a lease, so that another need not wait for its end.
func (s *Store) DropLease(ctx context.Context, name, owner string, epoch int64) error {
	_, err := s.pool.Exec(ctx, `update leases set until = '-infinity' where name = $1 and owner = $2 and epoch = $3`, name, owner, epoch)
	return known(err)
}

// leads holds the leader's lease at an epoch until the transaction ends: who
// takes it meanwhile waits. Epoch 0 asks for none.
func leads(ctx context.Context, tx pgx.Tx, epoch int64) error {
	if epoch == 0 {
		return nil
	}
	return sameEpoch(ctx, tx, epoch, leaseEpoch+` for share`)
}

// leaseEpoch reads under which epoch the lease is held. A process that is
// stopped in the midst of the transaction, or cut off, keeps neither the lease
// nor what it has locked: the next leader is there within seconds.
const leaseEpoch = `select epoch, set_config('idle_in_transaction_session_timeout', '3000', true) from leases where name = $1`

func sameEpoch(ctx context.Context, tx pgx.Tx, epoch int64, sql string) error {
	var now int64
	var limit string
	err := tx.QueryRow(ctx, sql, server.LeaderLease).Scan(&now, &limit)
	if errors.Is(err, pgx.ErrNoRows) || err == nil && now != epoch {
		return fmt.Errorf("epoch %d: %w", epoch, server.ErrLost)
	}
	return err
}
