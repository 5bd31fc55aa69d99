package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"paas/scheduler"
	"paas/scheduler/agent"
	"paas/server"
)

// lose ends a one-off whose host is lost. Nobody knows how far it came.
func (s *Store) lose(ctx context.Context, tx pgx.Tx, id string) (host string, err error) {
	in, err := one(ctx, tx, scanInstance, "instance", instanceQuery+`where i.id = $1 and i.one_off and `+onLostHost, uuidOf(id))
	if server.IsID(err, server.ErrNotFound) {
		return "", nil // it is back
	}
	if err != nil {
		return "", err
	}
	return in.HostID, loseRun(ctx, tx, in, "its host was lost")
}

// loseRun ends a run of which no host will say any more how it ended.
func loseRun(ctx context.Context, tx pgx.Tx, in server.Instance, reason string) error {
	if _, err := endRun(ctx, tx, in, agent.Status{ID: in.ID, ExitCode: 1, Reason: reason, Platform: true}, server.RunStopped); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `delete from instances where id = $1`, in.ID); err != nil {
		return err
	}
	return event(ctx, tx, in.AppID, "", "paas", "instance.lost", saidOf(in, reason))
}

// endDrains stops what is left on hosts whose drain has met its deadline, an app
// at a time, and gives the names of the hosts.
func (s *Store) endDrains(ctx context.Context) (names []string, err error) {
	type left struct{ App, ID, Host string }
	var due bool // asked for first: mostly there is none, and instances need not be read
	if err := s.pool.QueryRow(ctx, `select exists (select 1 from hosts where draining and drain_until < now())`).Scan(&due); err != nil || !due {
		return nil, known(err)
	}
	list, err := many(ctx, s.pool, pgx.RowToStructByPos[left], `select i.app_id::text, i.id::text, h.name from hosts h join instances i on i.host_id = h.id
		where h.draining and h.drain_until < now() and i.state in ('assigned', 'starting', 'up') order by i.app_id, i.id limit 1000`)
	if err != nil {
		return nil, err
	}
	told := map[string]bool{}
	for _, l := range list {
		if err := s.endDrain(ctx, l.App, l.ID); err != nil && !server.IsID(err, server.ErrNotFound) {
			return names, fmt.Errorf("end the drain of %s: %w", l.Host, err)
		}
		if !told[l.Host] {
			told[l.Host], names = true, append(names, l.Host)
		}
	}
	return names, nil
}

func (s *Store) endDrain(ctx context.Context, appID, id string) error {
	const reason = "its host is drained"
	var run bool
	err := s.pool.QueryRow(ctx, `select one_off from instances where id = $1`, uuidOf(id)).Scan(&run)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil // it has gone by itself
	}
	if err != nil {
		return known(err)
	}
	if run {
		return s.StopRun(ctx, appID, id, "paas", reason)
	}
	return s.inTx(ctx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `select 1 from apps where id = $1 for update`, uuidOf(appID)); err != nil {
			return err
		}
		return s.stopInstance(ctx, tx, appID, id, "paas", reason)
	})
}

// stopInstance takes one of the formation out, under the app's lock: a web
// instance that serves answers what it has begun, everything else is told to
// stop at once.
func (s *Store) stopInstance(ctx context.Context, tx pgx.Tx, appID, id, actor, reason string) error {
	in, err := one(ctx, tx, scanInstance, "instance", instanceQuery+`where i.app_id = $1 and i.id = $2 and not i.one_off`, uuidOf(appID), uuidOf(id))
	if err != nil {
		return err
	}
	op := scheduler.Op{Kind: scheduler.OpStop, Instance: in.ID}
	switch {
	case in.State == string(scheduler.Pending) || in.State == string(scheduler.Crashed):
		op.Kind = scheduler.OpDrop
	case in.State == string(scheduler.Up) && in.Type == "web":
		op.Kind = scheduler.OpDrain
	}
	topics, err := s.apply(ctx, tx, []server.AppPlan{{AppID: appID, Ops: []scheduler.Op{op}}})
	if err != nil {
		return err
	}
	if err := notify(ctx, tx, topics...); err != nil {
		return err
	}
	text := fmt.Sprintf("%s.%d", in.Type, in.Ordinal)
	if reason != "" {
		text += " " + reason
	}
	if err := event(ctx, tx, appID, "", actor, "instance.stop", text); err != nil {
		return err
	}
	return touch(ctx, tx, appID)
}
