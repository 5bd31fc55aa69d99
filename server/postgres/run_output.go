package postgres

import (
	"bytes"
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"paas/server"
)

// trimEach is how many writes there are between two looks at the bound.
const trimEach = 32

// AppendRunOutput adds lines and drops the oldest beyond the bound. Of a run
// that is gone with its app nothing is kept.
func (s *Store) AppendRunOutput(ctx context.Context, id string, at time.Time, lines []byte) error {
	return s.inTx(ctx, func(tx pgx.Tx) error {
		var seq int
		err := tx.QueryRow(ctx, `insert into run_output (run_id, seq, at, chunk)
			select id, coalesce((select max(seq) from run_output where run_id = $1), 0) + 1, $2, $3 from runs where id = $1 for update returning seq`,
			uuidOf(id), at.UnixNano(), lines).Scan(&seq)
		if errors.Is(err, pgx.ErrNoRows) || err == nil && seq%trimEach != 0 {
			return nil
		}
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `delete from run_output where run_id = $1 and seq in (select seq from
			(select seq, sum(length(chunk)) over (order by seq desc) total from run_output where run_id = $1) o
			where total > $2)`, uuidOf(id), server.MaxRunOutput)
		return err
	})
}

// RunOutput gives what is kept, and the time of its last line.
func (s *Store) RunOutput(ctx context.Context, id string) ([]byte, time.Time, error) {
	type part struct {
		Seq   int
		At    int64
		Chunk []byte
	}
	parts, err := many(ctx, s.pool, pgx.RowToStructByPos[part], `select seq, at, chunk from run_output where run_id = $1 order by seq`, uuidOf(id))
	if err != nil || len(parts) == 0 {
		return nil, time.Time{}, err
	}
	var all bytes.Buffer
	for _, p := range parts {
		all.Write(p.Chunk)
	}
	kept := all.Bytes()
	if cut := len(kept) - server.MaxRunOutput; cut > 0 {
		kept = kept[cut:]
		kept = kept[bytes.IndexByte(kept, '\n')+1:] // from a whole line on
	}
	if len(kept) < all.Len() || parts[0].Seq > 1 {
		kept = append([]byte(" !     The output is longer than 1 MB; its beginning is not kept.\n"), kept...)
	}
	return kept, time.Unix(0, parts[len(parts)-1].At), nil
}

// PostDeployed notes that app.json's postdeploy has had its turn.
func (s *Store) PostDeployed(ctx context.Context, appID string) error {
	_, err := s.pool.Exec(ctx, `update apps set post_deployed = true where id = $1`, uuidOf(appID))
	return known(err)
}
