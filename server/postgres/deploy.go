package postgres

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"paas/server"
)

const deployQuery = `select d.id, d.app_id, p.name, d.kind, d.state, d.stage, d.reason, d.user_id, a.email, d.description,
	coalesce(d.build_id::text, ''), coalesce(d.release_id::text, ''), coalesce(r.version, 0), coalesce(d.source_id::text, ''),
	d.ref, d.old_commit, d.commit, d.subject, d.ref_moved, d.attempts, d.created_at, d.updated_at, d.deadline_at,
	coalesce(b.status = 'succeeded', false), d.lease_until > now()
	from deploys d join apps p on p.id = d.app_id join accounts a on a.id = d.user_id left join releases r on r.id = d.release_id
	left join builds b on b.id = d.build_id `

func scanDeploy(row pgx.CollectableRow) (d server.Deploy, err error) {
	var deadline pgtype.Timestamptz
	err = row.Scan(&d.ID, &d.AppID, &d.App, &d.Kind, &d.State, &d.Stage, &d.Reason, &d.UserID, &d.User, &d.Description,
		&d.BuildID, &d.ReleaseID, &d.Version, &d.Source, &d.Ref, &d.Old, &d.Commit, &d.Subject, &d.RefMoved, &d.Attempts,
		&d.CreatedAt, &d.UpdatedAt, &deadline, &d.Built, &d.Held)
	d.DeadlineAt = deadline.Time
	if deadline.InfinityModifier == pgtype.Infinity {
		d.DeadlineAt = time.Unix(math.MaxInt32, 0)
	}
	return d, err
}

func deployByID(ctx context.Context, q querier, id string) (server.Deploy, error) {
	return one(ctx, q, scanDeploy, "deploy", deployQuery+`where d.id = $1`, uuidOf(id))
}

// Deploy finds by id.
func (s *Store) Deploy(ctx context.Context, appID, id string) (server.Deploy, error) {
	return one(ctx, s.pool, scanDeploy, "deploy", deployQuery+`where d.app_id = $1 and d.id = $2`, uuidOf(appID), uuidOf(id))
}

// Deploys lists newest first, those before p.After (an id) if it is set.
func (s *Store) Deploys(ctx context.Context, appID string, p server.Page) ([]server.Deploy, error) {
	return many(ctx, s.pool, scanDeploy, deployQuery+`where d.app_id = $1
		and ($2 = '' or d.seq < (select seq from deploys where app_id = $1 and id::text = $2)) order by d.seq desc limit $3`, appID, p.After, limit(p))
}

// CreateDeploy queues a deploy; a push takes the place of a queued push. One
// with the same id is the same: a caller whose answer got lost may ask again.
func (s *Store) CreateDeploy(ctx context.Context, d server.Deploy, patch []byte) (server.Deploy, error) {
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		var name string
		if err := tx.QueryRow(ctx, `select name from apps where id = $1 for update`, d.AppID).Scan(&name); err != nil {
			if errors.Is(err, pgx.ErrNoRows) {
				return notFound("app")
			}
			return err
		}
		if d.Kind == server.KindPush {
			if err := supersede(ctx, tx, d); err != nil {
				return err
			}
		}
		_, err := tx.Exec(ctx, `insert into deploys (id, app_id, kind, user_id, description, source_id, patch, ref, old_commit, commit, subject, home)
			values ($1, $2, $3, $4, $5, nullif($6, '')::uuid, $7, $8, $9, $10, $11, $12) on conflict (id) do nothing`,
			d.ID, d.AppID, d.Kind, d.UserID, d.Description, d.Source, patch, d.Ref, d.Old, d.Commit, d.Subject, s.server)
		if err != nil {
			return fmt.Errorf("queue deploy: %w", err)
		}
		if d, err = deployByID(ctx, tx, d.ID); err != nil {
			return err
		}
		if err := event(ctx, tx, d.AppID, d.ID, d.User, "deploy.queued", d.Description); err != nil {
			return err
		}
		return notify(ctx, tx, server.NoticeQueue, server.AppTopic(d.AppID))
	})
	return d, err
}

func supersede(ctx context.Context, tx pgx.Tx, d server.Deploy) error {
	ids, err := many(ctx, tx, pgx.RowTo[string], `update deploys set state = 'superseded', updated_at = now()
		where app_id = $1 and kind = 'push' and state = 'queued' and id <> $2 returning id::text`, d.AppID, d.ID)
	if err != nil {
		return err
	}
	for _, id := range ids {
		if err := event(ctx, tx, d.AppID, id, "paas", "deploy.superseded", "by "+d.Description); err != nil {
			return err
		}
		if err := notify(ctx, tx, server.DeployTopic(id)); err != nil {
			return err
		}
	}
	return nil
}

// Ahead counts what waits or builds before a queued push.
func (s *Store) Ahead(ctx context.Context, id string) (int, error) {
	return one(ctx, s.pool, pgx.RowTo[int], "deploy", `select count(*)::int from deploys o, deploys d
		where d.id = $1 and d.state = 'queued' and o.id <> d.id and o.kind = 'push' and o.seq < d.seq and o.state in ('queued', 'building')`, id)
}

// Output gives what a deploy has said so far.
func (s *Store) Output(ctx context.Context, id string) ([]byte, error) {
	chunks, err := many(ctx, s.pool, pgx.RowTo[[]byte], `select chunk from deploy_output where deploy_id = $1 order by seq`, uuidOf(id))
	return bytes.Join(chunks, nil), err
}

// OutputSince is what it has said behind its first bytes.
func (s *Store) OutputSince(ctx context.Context, id string, from int) ([]byte, error) {
	type part struct {
		Chunk []byte
		At    int
	}
	// Lengths are known without reading the chunks, of which few are new.
	parts, err := many(ctx, s.pool, pgx.RowToStructByPos[part], `select chunk, upto - octet_length(chunk) from (
			select seq, chunk, sum(octet_length(chunk)) over (order by seq) as upto from deploy_output where deploy_id = $1) as c
		where upto > $2 order by seq`, uuidOf(id), from)
	var text []byte
	for _, p := range parts {
		text = append(text, p.Chunk[max(0, from-p.At):]...)
	}
	return text, err
}

// AppendOutput adds to it. A deploy that is gone with its app keeps nothing.
func (s *Store) AppendOutput(ctx context.Context, id string, chunk []byte) error {
	_, err := s.pool.Exec(ctx, `insert into deploy_output (deploy_id, chunk) select id, $2 from deploys where id = $1`, id, chunk)
	return known(err)
}

// DeployEvents lists what happened to a deploy, oldest first.
func (s *Store) DeployEvents(ctx context.Context, appID, deployID string) ([]server.Event, error) {
	return many(ctx, s.pool, scanEvent, eventQuery+`where app_id = $1 and deploy_id = $2 order by id`, uuidOf(appID), uuidOf(deployID))
}

// LetGo ends the lease of one deploy. That it was interrupted was ours: it is no
// attempt.
func (s *Store) LetGo(ctx context.Context, id, owner string) error {
	return s.inTx(ctx, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `update deploys set lease_until = '-infinity', owner = '', attempts = greatest(attempts - 1, 0) where id = $1 and owner = $2`, id, owner)
		if err != nil || tag.RowsAffected() == 0 {
			return err
		}
		return notify(ctx, tx, server.NoticeQueue, server.DeployTopic(id))
	})
}
