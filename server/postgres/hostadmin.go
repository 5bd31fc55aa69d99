package postgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"paas/scheduler"
	"paas/server"
)

// InviteHost stores a token; one that was made for that name before and not
// used is void.
func (s *Store) InviteHost(ctx context.Context, t server.HostToken) (expires time.Time, err error) {
	err = s.inTx(ctx, func(tx pgx.Tx) error {
		var there bool
		// One without a key was a control plane's own: its machine may join as what it was.
		if err := tx.QueryRow(ctx, `select exists (select 1 from hosts where name = $1 and (local or key_hash is not null))`, t.Host).Scan(&there); err != nil {
			return err
		}
		if there {
			return &server.Error{ID: server.ErrConflict, Message: fmt.Sprintf("There is a host %s already. Nothing was changed.", t.Host),
				Next: "Remove it first: paas hosts:remove " + t.Host}
		}
		if _, err := tx.Exec(ctx, `delete from host_tokens where host = $1 and used_at is null or expires_at < now() - interval '30 days'`, t.Host); err != nil {
			return err
		}
		err := tx.QueryRow(ctx, `insert into host_tokens (hash, host, labels, actor, expires_at) values ($1, $2, $3, $4, now() + $5::interval) returning expires_at`,
			t.Hash, t.Host, orEmpty(t.Labels), t.Actor, t.Life).Scan(&expires)
		if err != nil {
			return err
		}
		return event(ctx, tx, "", "", t.Actor, "host.invited", t.Host)
	})
	return expires, err
}

// InvitedHosts lists the invitations that can be used.
func (s *Store) InvitedHosts(ctx context.Context) ([]server.HostToken, error) {
	return many(ctx, s.pool, func(row pgx.CollectableRow) (t server.HostToken, err error) {
		var until infTime
		var now time.Time
		err = row.Scan(&t.Host, &t.Labels, &t.Actor, &until, &now)
		t.Until = until.less(clockAhead(now))
		return t, err
	}, `select host, labels, actor, expires_at, now() from host_tokens t where used_at is null and expires_at > now()
		and not exists (select 1 from hosts where name = t.host) order by host limit 1000`)
}

// UninviteHost voids an invitation that was not used.
func (s *Store) UninviteHost(ctx context.Context, host, actor string) error {
	return s.inTx(ctx, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `delete from host_tokens where host = $1 and used_at is null`, host)
		if err != nil {
			return err
		}
		if tag.RowsAffected() == 0 {
			return notFound("invitation")
		}
		return event(ctx, tx, "", "", actor, "host.uninvited", host)
	})
}

// heldHost is a host under its lock.
type heldHost struct {
	ID, Name  string
	Local     bool
	Instances int
	MilliCPU  int64
	Memory    int64
	Labels    map[string]string
}

func holdHost(ctx context.Context, tx pgx.Tx, ident string) (heldHost, error) {
	list, err := many(ctx, tx, pgx.RowToStructByPos[heldHost], `select h.id::text, h.name, h.local, (select count(*) from instances where host_id = h.id)::int,
		h.milli_cpu, h.memory, h.labels from hosts h where h.id = $1 or h.name = $2 for no key update`, uuidOf(ident), ident)
	if err != nil {
		return heldHost{}, err
	}
	if len(list) != 1 {
		return heldHost{}, &server.Error{ID: server.ErrNotFound, Message: "Couldn't find that host. Nothing was changed.", Next: "See which there are: paas hosts"}
	}
	return list[0], nil
}

// ChangeHost changes what an operator says of a host.
func (s *Store) ChangeHost(ctx context.Context, ident, actor string, c server.HostChange) error {
	return s.inTx(ctx, func(tx pgx.Tx) error {
		h, err := holdHost(ctx, tx, ident)
		if err != nil {
			return err
		}
		labels := orEmpty(h.Labels)
		for _, l := range c.Unset {
			delete(labels, l)
		}
		for k, v := range c.Labels {
			labels[k] = v
		}
		if len(labels) > server.MaxLabels {
			return server.Errorf(server.ErrInvalid, "A host has at most %d labels. Nothing was changed.", server.MaxLabels)
		}
		if c.KeptCPU != nil && *c.KeptCPU >= h.MilliCPU || c.KeptMemory != nil && *c.KeptMemory >= h.Memory {
			return server.Errorf(server.ErrInvalid, "Host %s has %.2f CPU and %d MB of memory; what is kept must be less. Nothing was changed.", h.Name, float64(h.MilliCPU)/1000, h.Memory>>20)
		}
		if _, err := tx.Exec(ctx, `update hosts set labels = $2, kept_cpu = coalesce($3, kept_cpu), kept_memory = coalesce($4, kept_memory) where id = $1`,
			h.ID, labels, c.KeptCPU, c.KeptMemory); err != nil {
			return err
		}
		if err := steer(ctx, tx, h.ID, c); err != nil {
			return err
		}
		if err := event(ctx, tx, "", "", actor, "host.changed", h.Name+" "+spellChange(c)); err != nil {
			return err
		}
		return notify(ctx, tx, server.NoticeAll) // any app may gain or lose a place
	})
}

// steer cordons and drains. A host that is drained stays cordoned when the
// drain is ended, until it is uncordoned.
func steer(ctx context.Context, tx pgx.Tx, id string, c server.HostChange) error {
	if c.Drain != nil {
		_, err := tx.Exec(ctx, `update hosts set draining = $2, cordoned = cordoned or $2,
			drain_until = case when $2 and $3::interval > '0' then now() + $3::interval else 'infinity' end where id = $1`, id, *c.Drain, c.Deadline)
		if err != nil {
			return err
		}
	}
	if c.Cordon == nil {
		return nil
	}
	_, err := tx.Exec(ctx, `update hosts set cordoned = $2, draining = draining and $2,
		drain_until = case when $2 then drain_until else 'infinity' end where id = $1`, id, *c.Cordon)
	return err
}

// spellChange is a change for the audit log.
func spellChange(c server.HostChange) string {
	var words []string
	for k, v := range c.Labels {
		words = append(words, k+"="+v)
	}
	for _, k := range c.Unset {
		words = append(words, k+"-")
	}
	flag := func(v *bool, yes, no string) {
		if v != nil {
			words = append(words, map[bool]string{true: yes, false: no}[*v])
		}
	}
	flag(c.Cordon, "cordoned", "uncordoned")
	flag(c.Drain, "drained", "not drained")
	if c.KeptCPU != nil {
		words = append(words, fmt.Sprintf("keeps %.2f CPU", float64(*c.KeptCPU)/1000))
	}
	if c.KeptMemory != nil {
		words = append(words, fmt.Sprintf("keeps %d MB", *c.KeptMemory>>20))
	}
	return strings.Join(words, ", ")
}

// RemoveHost forgets a host. An agent that listens is given an empty set before
// it is let go; one that comes later is told nothing and goes on with what it has.
func (s *Store) RemoveHost(ctx context.Context, ident, actor string, force bool) error {
	return s.inTx(ctx, func(tx pgx.Tx) error {
		h, err := holdHost(ctx, tx, ident)
		if err != nil {
			return err
		}
		if h.Local {
			return server.Errorf(server.ErrConflict, "Host %s is the control plane's own machine and cannot be removed. Nothing was changed.", h.Name)
		}
		loss, err := volumesOn(ctx, tx, h, force) // before dynos: what --force costs is said before it is named
		if err != nil {
			return err
		}
		if h.Instances > 0 && !force {
			return &server.Error{ID: server.ErrConflict, Message: fmt.Sprintf("Dynos on host %s: %d. Nothing was changed.", h.Name, h.Instances),
				Next: fmt.Sprintf("Move them away first: paas hosts:drain %s, or leave them behind: paas hosts:remove %s --force", h.Name, h.Name)}
		}
		if err := s.clearHost(ctx, tx, h); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `delete from hosts where id = $1`, h.ID); err != nil {
			if violates(err) != "" { // a plan that was made before has put something there
				return server.Errorf(server.ErrConflict, "Host %s was given a dyno meanwhile. Nothing was changed; try again.", h.Name)
			}
			return fmt.Errorf("remove host %s: %w", h.Name, err)
		}
		return cmp.Or(event(ctx, tx, "", "", actor, "host.removed", h.Name+loss), notify(ctx, tx, server.HostTopic(h.ID)))
	})
}

// clearHost forgets what is on a host; what was of a formation starts elsewhere.
func (s *Store) clearHost(ctx context.Context, tx pgx.Tx, h heldHost) error {
	apps, err := many(ctx, tx, pgx.RowTo[string], `select id::text from apps where id in (select app_id from instances where host_id = $1) order by id for update`, h.ID)
	if err != nil {
		return err
	}
	list, err := many(ctx, tx, scanInstance, instanceQuery+`where i.host_id = $1`, h.ID)
	if err != nil {
		return err
	}
	for _, in := range list {
		if !in.OneOff {
			continue
		}
		if err := loseRun(ctx, tx, in, "its host was removed"); err != nil {
			return err
		}
	}
	if _, err := tx.Exec(ctx, `delete from instances where host_id = $1`, h.ID); err != nil {
		return err
	}
	for _, id := range apps {
		if err := touch(ctx, tx, id); err != nil {
			return err
		}
	}
	return nil
}

// Placement is where an app's instances may be.
func (s *Store) Placement(ctx context.Context, appID string) (scheduler.Placement, error) {
	return one(ctx, s.pool, pgx.RowTo[scheduler.Placement], "app", `select placement from apps where id = $1`, uuidOf(appID))
}

// SetPlacement stores it; the next plan moves what is in the wrong place.
func (s *Store) SetPlacement(ctx context.Context, appID, actor string, c server.PlacementChange) error {
	p := c.Placement
	return s.inTx(ctx, func(tx pgx.Tx) error {
		if c.Had != nil {
			var same bool
			err := tx.QueryRow(ctx, `select placement = $2::jsonb from apps where id = $1 for update`, uuidOf(appID), *c.Had).Scan(&same)
			if errors.Is(err, pgx.ErrNoRows) {
				return notFound("app")
			}
			if err != nil {
				return err
			}
			if !same {
				return &server.Error{ID: server.ErrConflict, Message: "Somebody else has changed the constraints meanwhile. Nothing was changed.", Next: "See what they are now: paas constraints"}
			}
		}
		tag, err := tx.Exec(ctx, `update apps set placement = $2, updated_at = now() where id = $1 and placement is distinct from $2::jsonb`, uuidOf(appID), p)
		if err != nil || tag.RowsAffected() == 0 {
			return err
		}
		if err := event(ctx, tx, appID, "", actor, "placement.set", server.SpellPlacement(p)); err != nil {
			return err
		}
		return touch(ctx, tx, appID)
	})
}
