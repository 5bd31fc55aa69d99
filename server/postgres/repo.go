package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"paas/server"
)

const (
	chunkSize = 1 << 20 // bytes of a pack in one row
	readAhead = 8       // rows read at once
	noCommit  = "0000000000000000000000000000000000000000"
)

// Repo reads a repository at one moment.
func (s *Store) Repo(ctx context.Context, appID string, have int64) (server.RepoState, error) {
	scan := func(row pgx.CollectableRow) (st server.RepoState, err error) {
		err = row.Scan(&st.Version, &st.Head, &st.Refs, &st.Shallow, &st.Packs, &st.Bytes)
		return st, err
	}
	return one(ctx, s.repos, scan, "repository", `select version, head, refs, shallow,
			case when version <> $2 then array(select p.name from repo_packs p where p.app_id = r.app_id order by p.name) end,
			(select coalesce(sum(p.size), 0)::bigint from repo_packs p where p.app_id = r.app_id)
		from repositories r where r.app_id = $1`, uuidOf(appID), have)
}

// BeginRepo stores a repository that only a server's disk has.
func (s *Store) BeginRepo(ctx context.Context, appID, head string, c server.RepoChange) error {
	err := s.inRepoTx(ctx, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `insert into repositories (app_id, head) values ($1, $2) on conflict do nothing`, uuidOf(appID), head)
		if err == nil && tag.RowsAffected() == 0 {
			err = server.ErrStale
		}
		if err == nil {
			_, _, err = changeRepo(ctx, tx, appID, c)
		}
		return err
	})
	var pg *pgconn.PgError
	if errors.As(err, &pg) && pg.Code == pgerrcode.ForeignKeyViolation {
		return notFound("app")
	}
	return err
}

// ChangeRepo stores a change; when it returns, that is as safe as any commit.
func (s *Store) ChangeRepo(ctx context.Context, appID string, c server.RepoChange) (was, version int64, err error) {
	err = s.inRepoTx(ctx, func(tx pgx.Tx) (err error) {
		was, version, err = changeRepo(ctx, tx, appID, c)
		return err
	})
	var pg *pgconn.PgError
	if errors.As(err, &pg) && pg.Code == pgerrcode.ForeignKeyViolation {
		return 0, 0, notFound("repository")
	}
	return was, version, err
}

// changeRepo writes the packs first: while they come, others may read the
// repository and change it. Versions grow by chance: a copy must not take what
// followed on a lost one for what it has.
func changeRepo(ctx context.Context, tx pgx.Tx, appID string, c server.RepoChange) (was, version int64, err error) {
	for _, p := range c.Packs {
		if err := writePack(ctx, tx, appID, p); err != nil {
			return 0, 0, fmt.Errorf("store %s: %w", p.Name, err)
		}
	}
	refs := map[string]string{}
	err = tx.QueryRow(ctx, `select version, refs from repositories where app_id = $1 for no key update`, appID).Scan(&was, &refs)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, 0, notFound("repository")
	}
	if err != nil {
		return 0, 0, err
	}
	for name, move := range c.Refs {
		at, ok := refs[name]
		if !ok {
			at = noCommit
		}
		if move.From != "" && move.From != at {
			return 0, 0, fmt.Errorf("%s is at %.8s, not at %.8s: %w", name, at, move.From, server.ErrStale)
		}
		refs[name] = move.To
	}
	if len(c.Gone) > 0 {
		if _, err := tx.Exec(ctx, `delete from repo_packs where app_id = $1 and name = any($2)`, appID, c.Gone); err != nil {
			return 0, 0, err
		}
	}
	shallow := c.Shallow
	if shallow == nil {
		shallow = []string{}
	}
	err = tx.QueryRow(ctx, `update repositories set version = version + 1 + floor(random() * 1048576)::bigint, refs = $2, head = coalesce(nullif($3, ''), head),
			shallow = case when $4::text[] = '{}' then shallow else array(select distinct unnest(shallow || $4) order by 1) end
		where app_id = $1 returning version`, appID, refs, c.Head, shallow).Scan(&version)
	return was, version, err
}

func writePack(ctx context.Context, tx pgx.Tx, appID string, p server.RepoPack) error {
	tag, err := tx.Exec(ctx, `insert into repo_packs (app_id, name, size) values ($1, $2, $3) on conflict do nothing`, appID, p.Name, p.Size)
	if err != nil || tag.RowsAffected() == 0 {
		return err // its name is what is in it
	}
	from, err := p.Open()
	if err != nil {
		return err
	}
	defer from.Close() //nolint:errcheck // it was only read
	chunk := make([]byte, min(chunkSize, p.Size))
	for n, left := 0, p.Size; left > 0; n++ {
		chunk = chunk[:min(left, chunkSize)]
		if _, err := io.ReadFull(from, chunk); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `insert into repo_chunks (app_id, pack, n, data) values ($1, $2, $3, $4)`, appID, p.Name, n, chunk); err != nil {
			return err
		}
		left -= int64(len(chunk))
	}
	return nil
}

// ReadPack reads some rows at a time: a pack may be larger than what one
// statement has the time for.
func (s *Store) ReadPack(ctx context.Context, appID, pack string, to io.Writer) error {
	size, err := one(ctx, s.repos, pgx.RowTo[int64], "pack", `select size from repo_packs where app_id = $1 and name = $2`, uuidOf(appID), pack)
	if err != nil {
		return err
	}
	for n := 0; size > 0; n += readAhead {
		chunks, err := many(ctx, s.repos, pgx.RowTo[[]byte], `select data from repo_chunks where app_id = $1 and pack = $2 and n >= $3 and n < $4 order by n`,
			appID, pack, n, n+readAhead)
		if err != nil {
			return err
		}
		if len(chunks) == 0 {
			return notFound("pack") // it was joined with others meanwhile
		}
		for _, c := range chunks {
			if _, err := to.Write(c); err != nil {
				return err
			}
			size -= int64(len(c))
		}
	}
	return nil
}

// inRepoTx is inTx by the connections for repositories: a release asks for its
// repository in the middle of a transaction, and must not wait for its own kind.
//
// Half of the connections are left to those who read: a pack may be long in coming.
func (s *Store) inRepoTx(ctx context.Context, fn func(pgx.Tx) error) error {
	select {
	case s.repoWrites <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-s.repoWrites }()
	return inTx(ctx, s.repos, fn)
}
