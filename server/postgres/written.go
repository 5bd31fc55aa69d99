package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"paas/scheduler/agent"
	"paas/server"
)

// Written is, by process type, what instances of a release have written outside
// volumes.
func (s *Store) Written(ctx context.Context, releaseID string) (map[string][]agent.Written, error) {
	rows, err := s.pool.Query(ctx, `select type, paths from written where release_id = $1`, uuidOf(releaseID))
	if err != nil {
		return nil, err
	}
	out := map[string][]agent.Written{}
	var typ string
	var paths []agent.Written
	_, err = pgx.ForEachRow(rows, []any{&typ, &paths}, func() error {
		out[typ], paths = paths, nil
		return nil
	})
	return out, err
}

// writtenRow is what one instance has told.
type writtenRow struct {
	release, typ string
	paths        []agent.Written
	bytes        int64
}

// wrote takes in what an instance has written.
func (rd *reportRun) wrote(in *server.Instance, l *agent.Layer) {
	row := writtenRow{release: in.ReleaseID, typ: in.Type, paths: server.CleanWritten(l)}
	for _, w := range row.paths {
		row.bytes += w.Bytes
	}
	if row.bytes > 0 && !in.OneOff {
		rd.layers = append(rd.layers, row)
	}
}

// writeLayers keeps of each type what the instance says that has written most.
func (rd *reportRun) writeLayers(b *pgx.Batch) {
	for _, r := range rd.layers {
		b.Queue(`insert into written (release_id, type, paths, bytes) values ($1, $2, $3, $4)
			on conflict (release_id, type) do update set paths = excluded.paths, bytes = excluded.bytes, seen_at = now()
			where excluded.bytes >= written.bytes`, r.release, r.typ, r.paths, r.bytes)
	}
}
