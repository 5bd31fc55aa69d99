package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"paas/server"
)

// openInvitation is an invitation that can be accepted: in time, once, and
// only as long as who made it may still give access to that app.
const openInvitation = `i.accepted_at is null and i.expires_at > now() and a.removed_at is null
	and (a.admin or p.owner_id = a.id or exists (select from collaborators c
		where c.app_id = p.id and c.account_id = a.id and 'manage' = any (c.permissions)))`

const invitationQuery = `select i.id, i.hash, i.email, i.app_id, p.name, i.permissions, i.invited_by, a.email, i.expires_at, i.created_at
	from invitations i join apps p on p.id = i.app_id join accounts a on a.id = i.invited_by where ` + openInvitation + ` `

func scanInvitation(row pgx.CollectableRow) (i server.Invitation, err error) {
	err = row.Scan(&i.ID, &i.Hash, &i.Email, &i.AppID, &i.App, &i.Permissions, &i.InvitedBy, &i.Inviter, &i.ExpiresAt, &i.CreatedAt)
	return i, err
}

// Invitations lists an app's open ones, oldest first.
func (s *Store) Invitations(ctx context.Context, appID string) ([]server.Invitation, error) {
	return many(ctx, s.pool, scanInvitation, invitationQuery+`and i.app_id = $1 order by i.created_at, i.id limit 1000`, uuidOf(appID))
}

// InvitationByHash finds an open one.
func (s *Store) InvitationByHash(ctx context.Context, hash []byte) (server.Invitation, error) {
	return one(ctx, s.pool, scanInvitation, "invitation", invitationQuery+`and i.hash = $1`, hash)
}

// Invite makes an invitation in the place of an open one of the same e-mail.
func (s *Store) Invite(ctx context.Context, i server.Invitation, actor string) (server.Invitation, error) {
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `delete from invitations where app_id = $1 and (lower(email) = lower($2) or expires_at < now()) and accepted_at is null`, i.AppID, i.Email)
		if err != nil {
			return fmt.Errorf("withdraw invitation: %w", err)
		}
		if err := roomForOne(ctx, tx, i.AppID); err != nil {
			return err
		}
		err = tx.QueryRow(ctx, `insert into invitations (hash, email, app_id, permissions, invited_by, expires_at)
			values ($1, $2, $3, $4, $5, $6) returning id, created_at`, i.Hash, i.Email, i.AppID, i.Permissions, i.InvitedBy, i.ExpiresAt).Scan(&i.ID, &i.CreatedAt)
		if err != nil {
			return fmt.Errorf("write invitation: %w", err)
		}
		return event(ctx, tx, i.AppID, "", actor, "invitation.created", i.Email+" "+spell(i.Permissions))
	})
	return i, err
}

// RevokeInvitation withdraws one that nobody has accepted.
func (s *Store) RevokeInvitation(ctx context.Context, appID, id, actor string) (i server.Invitation, err error) {
	err = s.inTx(ctx, func(tx pgx.Tx) error {
		i, err = one(ctx, tx, scanInvitation, "invitation", invitationQuery+`and i.app_id = $1 and i.id = $2 for update of i`, uuidOf(appID), uuidOf(id))
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `delete from invitations where id = $1`, i.ID); err != nil {
			return err
		}
		return event(ctx, tx, appID, "", actor, "invitation.revoked", i.Email)
	})
	return i, err
}

// Join accepts an invitation by a new account with its first key and token. An
// e-mail that has an account is ErrConflict.
func (s *Store) Join(ctx context.Context, i server.Invitation, k server.Key, t server.Token) (a server.Account, made server.Token, err error) {
	err = s.inTx(ctx, func(tx pgx.Tx) error {
		if err := accept(ctx, tx, i); err != nil {
			return err
		}
		a, err = one(ctx, tx, scanAccount, "account", `insert into accounts (email) values ($1)
			on conflict (lower(email)) where removed_at is null do nothing returning `+accountColumns, i.Email)
		if server.IsID(err, server.ErrNotFound) {
			return server.Errorf(server.ErrConflict, "%s has an account.", i.Email)
		}
		if err != nil {
			return fmt.Errorf("write account: %w", err)
		}
		ctx := asNew(ctx, a)
		if err := event(ctx, tx, "", "", a.Email, "account.created", fmt.Sprintf("%s, invited by %s", a.Email, i.Inviter)); err != nil {
			return err
		}
		k.AccountID, k.Email, t.AccountID = a.ID, a.Email, a.ID
		if err := addKey(ctx, tx, k); err != nil {
			return err
		}
		if err := addInvited(ctx, tx, i, a); err != nil {
			return err
		}
		made, err = createToken(ctx, tx, t)
		return err
	})
	if taken := keyTaken(err, &k); taken != nil {
		err = taken
	}
	return a, made, err
}

// asNew is the context of an actor whose account was only just made.
func asNew(ctx context.Context, a server.Account) context.Context {
	actor, ok := server.ActorOf(ctx)
	if !ok {
		return ctx
	}
	actor.Account = a
	return server.WithActor(ctx, actor)
}

// JoinAs accepts an invitation by an account that exists. Who has access
// already keeps it and gains what the invitation gives beyond.
func (s *Store) JoinAs(ctx context.Context, i server.Invitation, a server.Account) error {
	return s.inTx(ctx, func(tx pgx.Tx) error {
		if err := accept(ctx, tx, i); err != nil {
			return err
		}
		return addInvited(ctx, tx, i, a)
	})
}

// accept marks an open invitation, of which there may be one acceptance only.
func accept(ctx context.Context, tx pgx.Tx, i server.Invitation) error {
	_, err := one(ctx, tx, pgx.RowTo[string], "invitation", `update invitations i set accepted_at = now() from apps p, accounts a
		where i.id = $1 and p.id = i.app_id and a.id = i.invited_by and `+openInvitation+` returning i.id::text`, i.ID)
	return err
}

func addInvited(ctx context.Context, tx pgx.Tx, i server.Invitation, a server.Account) error {
	var owner bool
	if err := tx.QueryRow(ctx, `select owner_id = $2 from apps where id = $1`, i.AppID, a.ID).Scan(&owner); err != nil || owner {
		return err
	}
	if err := event(ctx, tx, i.AppID, "", a.Email, "invitation.accepted", a.Email+", invited by "+i.Inviter); err != nil {
		return err
	}
	c := server.Collaborator{AppID: i.AppID, AccountID: a.ID, Email: a.Email, Permissions: i.Permissions}
	tag, err := tx.Exec(ctx, `update collaborators set updated_at = now(), permissions =
			array(select p from unnest(array['view', 'deploy', 'operate', 'manage']) with ordinality o(p, n) where p = any (permissions || $3::text[]) order by n)
		where app_id = $1 and account_id = $2`, i.AppID, a.ID, i.Permissions)
	if err != nil {
		return err
	}
	if tag.RowsAffected() > 0 {
		return accessEvent(ctx, tx, c, a.Email, "access.updated")
	}
	return addCollaborator(ctx, tx, &c, a.Email)
}
