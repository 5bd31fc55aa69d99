package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"paas/server"
)

// Permissions of an account on an app of another.
func (s *Store) Permissions(ctx context.Context, appID, accountID string) ([]server.Permission, error) {
	list, err := many(ctx, s.pool, pgx.RowTo[[]server.Permission],
		`select permissions from collaborators where app_id = $1 and account_id = $2`, uuidOf(appID), uuidOf(accountID))
	if err != nil || len(list) == 0 {
		return nil, err
	}
	return list[0], nil
}

const collaboratorQuery = `select c.id, c.app_id, p.name, c.account_id, a.email, c.permissions, c.created_at, c.updated_at
	from collaborators c join apps p on p.id = c.app_id join accounts a on a.id = c.account_id `

func scanCollaborator(row pgx.CollectableRow) (c server.Collaborator, err error) {
	err = row.Scan(&c.ID, &c.AppID, &c.App, &c.AccountID, &c.Email, &c.Permissions, &c.CreatedAt, &c.UpdatedAt)
	return c, err
}

// Collaborators lists by e-mail.
func (s *Store) Collaborators(ctx context.Context, appID string) ([]server.Collaborator, error) {
	return many(ctx, s.pool, scanCollaborator, collaboratorQuery+`where c.app_id = $1 order by lower(a.email) limit 10000`, uuidOf(appID))
}

// maxCollaborators is how many an app may have; open invitations count.
const maxCollaborators = 500

func roomForOne(ctx context.Context, tx pgx.Tx, appID string) error {
	var n int
	err := tx.QueryRow(ctx, `select (select count(*) from collaborators where app_id = p.id)
		+ (select count(*) from invitations where app_id = p.id and accepted_at is null and expires_at > now())
		from apps p where p.id = $1 for update`, uuidOf(appID)).Scan(&n)
	if errors.Is(err, pgx.ErrNoRows) {
		return notFound("app")
	}
	if err == nil && n >= maxCollaborators {
		return server.Errorf(server.ErrInvalid, "An app has at most %d collaborators and invitations. Nothing was changed.", maxCollaborators)
	}
	return err
}

// AddCollaborator gives an account access; ErrStale when it has some already.
func (s *Store) AddCollaborator(ctx context.Context, c server.Collaborator, actor string) (server.Collaborator, error) {
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		if err := roomForOne(ctx, tx, c.AppID); err != nil {
			return err
		}
		return addCollaborator(ctx, tx, &c, actor)
	})
	switch violates(err) {
	case "collaborators_pkey":
		return c, server.ErrStale
	case "account_is_there":
		return c, server.Errorf(server.ErrConflict, "The account %s was just removed. Nothing was changed.", c.Email)
	}
	return c, err
}

func addCollaborator(ctx context.Context, tx pgx.Tx, c *server.Collaborator, actor string) error {
	err := tx.QueryRow(ctx, `insert into collaborators (app_id, account_id, permissions) values ($1, $2, $3)
		returning id, created_at, updated_at`, c.AppID, c.AccountID, c.Permissions).Scan(&c.ID, &c.CreatedAt, &c.UpdatedAt)
	if err != nil {
		return err
	}
	// An invitation of the e-mail has nothing left to give.
	_, err = tx.Exec(ctx, `delete from invitations where app_id = $1 and lower(email) = lower($2) and accepted_at is null`, c.AppID, c.Email)
	if err != nil {
		return fmt.Errorf("withdraw invitation: %w", err)
	}
	return accessEvent(ctx, tx, *c, actor, "access.added")
}

// accessEvent writes down a change of access and wakes who holds sessions.
func accessEvent(ctx context.Context, tx pgx.Tx, c server.Collaborator, actor, kind string) error {
	if err := event(ctx, tx, c.AppID, "", actor, kind, c.Email+" "+spell(c.Permissions)); err != nil {
		return err
	}
	return notify(ctx, tx, server.AppTopic(c.AppID))
}

func spell(list []server.Permission) string {
	names := make([]string, len(list))
	for i, p := range list {
		names[i] = string(p)
	}
	return strings.Join(names, ",")
}

// UpdateCollaborator replaces an account's permissions.
func (s *Store) UpdateCollaborator(ctx context.Context, c server.Collaborator, actor string) (server.Collaborator, error) {
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		err := tx.QueryRow(ctx, `update collaborators set permissions = $3, updated_at = now() where app_id = $1 and account_id = $2
			returning updated_at`, c.AppID, c.AccountID, c.Permissions).Scan(&c.UpdatedAt)
		if errors.Is(err, pgx.ErrNoRows) {
			return notFound("collaborator")
		}
		if err != nil {
			return err
		}
		return accessEvent(ctx, tx, c, actor, "access.updated")
	})
	return c, err
}

// RemoveCollaborator takes an account's access away, and withdraws the
// invitations it made.
func (s *Store) RemoveCollaborator(ctx context.Context, c server.Collaborator, actor string) error {
	return s.inTx(ctx, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `delete from collaborators where app_id = $1 and account_id = $2`, c.AppID, c.AccountID)
		if err != nil {
			return err
		}
		if tag.RowsAffected() == 0 {
			return notFound("collaborator")
		}
		if _, err := tx.Exec(ctx, `delete from invitations where app_id = $1 and invited_by = $2 and accepted_at is null`, c.AppID, c.AccountID); err != nil {
			return fmt.Errorf("withdraw invitations: %w", err)
		}
		return accessEvent(ctx, tx, c, actor, "access.removed")
	})
}
