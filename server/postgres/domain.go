package postgres

import (
	"context"
	"errors"
	"strings"

	"github.com/jackc/pgx/v5"

	"paas/server"
)

const domainQuery = `select d.id, d.app_id, p.name, d.hostname, d.created_at from domains d join apps p on p.id = d.app_id `

func scanDomain(row pgx.CollectableRow) (d server.Domain, err error) {
	err = row.Scan(&d.ID, &d.AppID, &d.App, &d.Hostname, &d.CreatedAt)
	return d, err
}

// Domains lists the names that people gave an app.
func (s *Store) Domains(ctx context.Context, appID string) ([]server.Domain, error) {
	return many(ctx, s.pool, scanDomain, domainQuery+`where d.app_id = $1 order by d.hostname`, uuidOf(appID))
}

// AddDomain writes one. A name below a wildcard is the wildcard owner's to
// give away, and the other way round: else an app could take over a part of
// another's traffic.
func (s *Store) AddDomain(ctx context.Context, appID, hostname, actor string) (server.Domain, error) {
	taken := server.Errorf(server.ErrInvalid, "%s is added to an app already, or is covered by a name of an app of somebody else. Nothing was changed.", hostname)
	var d server.Domain
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		// One at a time, so that two cannot each miss the other's wildcard.
		if _, err := tx.Exec(ctx, `select pg_advisory_xact_lock(hashtext('paas.domains'))`); err != nil {
			return err
		}
		owner, err := lockApp(ctx, tx, appID)
		if err != nil {
			return err
		}
		have, err := one(ctx, tx, pgx.RowTo[int], "app", `select count(*)::int from domains where app_id = $1`, appID)
		if err != nil {
			return err
		}
		if have >= server.MaxDomains {
			return server.Errorf(server.ErrInvalid, "The app has %d domains, which is as many as an app may have. Nothing was changed.", have)
		}
		var clash bool
		covers, covered := wildcards(hostname)
		err = tx.QueryRow(ctx, `select exists (select from domains d join apps p on p.id = d.app_id where p.owner_id <> $1
			and (d.hostname = $2 or substr(d.hostname, position('.' in d.hostname)) = $3))`, owner, covered, covers).Scan(&clash)
		if err != nil {
			return err
		}
		if clash {
			return taken
		}
		var id string
		if err := tx.QueryRow(ctx, `insert into domains (app_id, hostname) values ($1, $2) returning id::text`, appID, hostname).Scan(&id); err != nil {
			return err
		}
		if d, err = one(ctx, tx, scanDomain, "domain", domainQuery+`where d.id = $1`, id); err != nil {
			return err
		}
		if err := event(ctx, tx, appID, "", actor, "domain.added", hostname); err != nil {
			return err
		}
		return touch(ctx, tx, appID)
	})
	if violates(err) == "domains_hostname_key" {
		return d, taken
	}
	return d, err
}

// wildcards gives what a wildcard covers, all names with that end
// (".example.com"), and the wildcard that a plain name is covered by.
func wildcards(hostname string) (covers, covered string) {
	_, rest, _ := strings.Cut(hostname, ".")
	if strings.HasPrefix(hostname, "*.") {
		return "." + rest, ""
	}
	return "", "*." + rest
}

// lockApp takes the lock that everything that changes an app takes first, and
// gives its owner.
func lockApp(ctx context.Context, tx pgx.Tx, appID string) (owner string, err error) {
	err = tx.QueryRow(ctx, `select owner_id::text from apps where id = $1 for update`, uuidOf(appID)).Scan(&owner)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", notFound("app")
	}
	return owner, err
}

// RemoveDomains removes one by name or id, or with "" all.
func (s *Store) RemoveDomains(ctx context.Context, appID, ident, actor string) ([]server.Domain, error) {
	var gone []server.Domain
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		if _, err := lockApp(ctx, tx, appID); err != nil {
			return err
		}
		var err error
		gone, err = many(ctx, tx, scanDomain, `with gone as (delete from domains where app_id = $1 and ($2 = '' or hostname = $2 or id = $3) returning *)
			select d.id, d.app_id, p.name, d.hostname, d.created_at from gone d join apps p on p.id = d.app_id order by d.hostname`, appID, ident, uuidOf(ident))
		if err != nil || len(gone) == 0 {
			return err
		}
		for _, d := range gone {
			if err := event(ctx, tx, appID, "", actor, "domain.removed", d.Hostname); err != nil {
				return err
			}
		}
		return touch(ctx, tx, appID)
	})
	return gone, err
}
