package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"paas/server"
)

// Activity is the app's events, newest first. Origin adds from where people
// did it: the audit log's row of the same transaction.
func (s *Store) Activity(ctx context.Context, appID string, q server.ActivityQuery, origin bool) ([]server.Activity, error) {
	return many(ctx, s.pool, func(row pgx.CollectableRow) (a server.Activity, err error) {
		err = row.Scan(&a.ID, &a.AppID, &a.Actor, &a.Kind, &a.Text, &a.At, &a.Deploy, &a.Via, &a.From)
		return a, err
	}, `select e.id, e.app_id::text, e.actor, e.kind, e.text, e.at, coalesce(e.deploy_id::text, ''), coalesce(o.via, ''), coalesce(o.remote, '')
		from events e left join lateral (
			select via, remote from audit a where a.app_id = e.app_id and a.at = e.at and a.kind = e.kind and a.text = e.text limit 1) o on $6
		where e.app_id = $1 and ($2 = '' or e.actor = $2) and (cardinality($3::text[]) = 0 or split_part(e.kind, '.', 1) = any($3))
			and ($4 = 0 or e.id < $4) order by e.id desc limit $5`,
		appID, q.Person, notNull(q.Kinds), q.Before, q.Max, origin)
}

// SearchAudit lists entries of all apps and of none, newest first.
func (s *Store) SearchAudit(ctx context.Context, q server.ActivityQuery) ([]server.AuditEntry, error) {
	return many(ctx, s.pool, scanAudit, auditQuery+`
		where ($1 = '' or app = $1 or app_id::text = $1) and ($2 = '' or actor = $2)
			and (cardinality($3::text[]) = 0 or split_part(kind, '.', 1) = any($3)) and ($4 = 0 or id < $4) order by id desc limit $5`,
		q.App, q.Person, notNull(q.Kinds), q.Before, q.Max)
}

// notNull is never SQL null.
func notNull(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}
