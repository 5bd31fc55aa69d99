package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"paas/server"
)

const runQuery = `select o.id, o.app_id, p.name, o.release_id, r.version, o.type, o.ordinal, o.command, o.argv, o.size, o.attach, o.tty,
	coalesce(o.user_id::text, ''), coalesce(a.email, 'paas'), coalesce(o.cron_id::text, ''), coalesce(o.tick, '-infinity'),
	o.state, coalesce(i.host_id::text, ''), coalesce(o.exit_code, 0), case when o.state = 'pending' and o.reason = '' then coalesce(i.reason, '') else o.reason end,
	coalesce(o.time_limit, '0'), o.created_at, coalesce(o.started_at, '-infinity'), coalesce(o.ended_at, '-infinity')
	from runs o join apps p on p.id = o.app_id join releases r on r.id = o.release_id
	left join accounts a on a.id = o.user_id left join instances i on i.id = o.id `

func scanRun(row pgx.CollectableRow) (r server.Run, err error) {
	var tick, started, ended infTime
	err = row.Scan(&r.ID, &r.AppID, &r.App, &r.ReleaseID, &r.Release, &r.Type, &r.Ordinal, &r.Command, &r.Argv, &r.Size, &r.Attach, &r.TTY,
		&r.UserID, &r.User, &r.CronID, &tick, &r.State, &r.HostID, &r.ExitCode, &r.Reason, &r.TimeLimit, &r.CreatedAt, &started, &ended)
	r.Tick, r.StartedAt, r.EndedAt = tick.Time, started.Time, ended.Time
	return r, err
}

const (
	// firstHold is how long a client of an attached run may take to come.
	firstHold = time.Minute
	// keptRuns is how many ended runs of a type an app has as its history.
	keptRuns = 1000
)

// CreateRun writes a one-off and the instance that the planner places.
func (s *Store) CreateRun(ctx context.Context, n server.NewRun) (server.Run, error) {
	var r server.Run
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		var current string
		err := tx.QueryRow(ctx, `select coalesce(current_release::text, '') from apps where id = $1 for update`, uuidOf(n.AppID)).Scan(&current)
		if errors.Is(err, pgx.ErrNoRows) {
			return notFound("app")
		}
		if err != nil {
			return err
		}
		if n.ReleaseID == "" {
			n.ReleaseID = current
		}
		r, err = one(ctx, tx, scanRun, "run", runQuery+`where o.id = $1`, uuidOf(n.ID))
		if !server.IsID(err, server.ErrNotFound) {
			return err // asked again after a lost answer
		}
		if err := roomForRun(ctx, tx, n); err != nil {
			return err
		}
		r, err = s.insertRun(ctx, tx, n)
		return err
	})
	switch violates(err) {
	case "runs_one_release", "runs_one_postdeploy", "runs_one_tick":
		return server.Run{}, server.ErrStale
	}
	return r, err
}

// roomForRun bounds what people and crons let live at once, and the history.
func roomForRun(ctx context.Context, tx pgx.Tx, n server.NewRun) error {
	if n.Type != server.RunType && n.Type != server.SchedulerType {
		return nil
	}
	var live int
	err := tx.QueryRow(ctx, `select count(*) from runs where app_id = $1 and type in ('run', 'scheduler') and state in ('pending', 'running')`, n.AppID).Scan(&live)
	if err != nil {
		return err
	}
	if live >= server.MaxRuns {
		return &server.Error{ID: server.ErrConflict, Message: fmt.Sprintf("The app has %d one-off dynos, which is the limit. Nothing was started.", live),
			Next: "End one: paas ps:stop run.N"}
	}
	_, err = tx.Exec(ctx, `delete from runs where id in (select id from runs where app_id = $1 and type = $2
		and state in ('succeeded', 'failed', 'stopped') order by created_at desc offset $3)`, n.AppID, n.Type, keptRuns)
	return err
}

func (s *Store) insertRun(ctx context.Context, tx pgx.Tx, n server.NewRun) (server.Run, error) {
	if n.Argv == nil {
		n.Argv = []string{}
	}
	size := s.size(n.Size)
	if n.Actor == "" {
		n.Actor = "paas"
	}
	_, err := tx.Exec(ctx, `with named as (update apps set last_run = last_run + 1 where id = $2 returning last_run)
		insert into runs (id, app_id, release_id, type, ordinal, command, argv, env, size, attach, tty, user_id, cron_id, tick, time_limit, held_until)
		select $1, $2, $3, $4, last_run, $5, $6, $7, $8, $9, $10, nullif($11, '')::uuid, nullif($12, '')::uuid, $13, $14, case when $9 then now() + $15::interval end from named`,
		n.ID, n.AppID, n.ReleaseID, n.Type, n.Command, n.Argv, n.Env, size.Name, n.Attach, n.TTY, n.UserID, n.CronID, notZero(n.Tick), notNone(n.TimeLimit), firstHold)
	if err != nil {
		return server.Run{}, fmt.Errorf("write run: %w", err)
	}
	_, err = tx.Exec(ctx, `insert into instances (id, app_id, release_id, type, ordinal, size, memory, milli_cpu, state, one_off)
		select id, app_id, release_id, type, ordinal, size, $2, $3, 'pending', true from runs where id = $1`, n.ID, size.Memory, size.Reserved)
	if err != nil {
		return server.Run{}, fmt.Errorf("write instance of run: %w", err)
	}
	r, err := one(ctx, tx, scanRun, "run", runQuery+`where o.id = $1`, n.ID)
	if err != nil {
		return r, err
	}
	// Without the command: people type secrets into them, and this outlives the app.
	if err := event(ctx, tx, n.AppID, "", n.Actor, "run.created", fmt.Sprintf("%s v%d", r.Name(), r.Release)); err != nil {
		return r, err
	}
	return r, touch(ctx, tx, n.AppID)
}

func notZero(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t
}

func notNone(d time.Duration) any {
	if d == 0 {
		return nil
	}
	return d
}

// Run finds by id or name.
func (s *Store) Run(ctx context.Context, appID, ident string) (server.Run, error) {
	typ, number, _ := strings.Cut(ident, ".")
	ordinal, err := strconv.ParseInt(number, 10, 32)
	if err != nil || !runType(typ) {
		typ, ordinal = "", 0
	}
	return one(ctx, s.pool, scanRun, "run", runQuery+`where o.app_id = $1 and (o.id = $2 or o.type = $3 and o.ordinal = $4)`,
		uuidOf(appID), uuidOf(ident), typ, ordinal)
}

func runType(t string) bool {
	return slices.Contains([]string{server.RunType, server.ReleaseType, server.PostdeployType, server.SchedulerType}, t)
}

// Runs lists newest first.
func (s *Store) Runs(ctx context.Context, appID string, f server.RunFilter) ([]server.Run, error) {
	if f.Type != "" && !runType(f.Type) {
		return nil, nil
	}
	either := func(id string) string { // bytes that are no id match nothing
		if id == "" {
			return ""
		}
		return uuidOf(id)
	}
	f.ReleaseID, f.CronID = either(f.ReleaseID), either(f.CronID)
	return many(ctx, s.pool, scanRun, runQuery+`where o.app_id = $1 and ($2 = '' or o.release_id::text = $2) and ($3 = '' or o.type = $3)
		and ($4 = '' or o.cron_id::text = $4) and (not $5 or o.state in ('pending', 'running')) order by o.ordinal desc limit $6`,
		uuidOf(appID), f.ReleaseID, f.Type, f.CronID, f.Live, limit(server.Page{Max: f.Max}))
}

// StopRun has a run ended: at once when no host has anything of it, else when
// its host says so.
func (s *Store) StopRun(ctx context.Context, appID, id, actor, reason string) error {
	return s.inTx(ctx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `select 1 from apps where id = $1 for update`, uuidOf(appID)); err != nil {
			return err
		}
		return stopRun(ctx, tx, appID, id, actor, reason)
	})
}

// stopRun is StopRun under the app's lock.
func stopRun(ctx context.Context, tx pgx.Tx, appID, id, actor, reason string) error {
	r, err := one(ctx, tx, scanRun, "run", runQuery+`where o.app_id = $1 and o.id = $2`, uuidOf(appID), uuidOf(id))
	if err != nil || r.State.Final() {
		return err
	}
	// The first reason stays.
	_, err = tx.Exec(ctx, `update runs set reason = $2 where id = $1 and reason = ''`, r.ID, reason)
	if err != nil {
		return err
	}
	tag, err := tx.Exec(ctx, `update instances set state = 'stopping', updated_at = now() where id = $1 and state in ('assigned', 'starting', 'up')`, r.ID)
	if err != nil {
		return err
	}
	if tag.RowsAffected() > 0 {
		err = notify(ctx, tx, server.HostTopic(r.HostID))
	} else if r.HostID == "" {
		if _, err = tx.Exec(ctx, `update runs set state = 'stopped', ended_at = now() where id = $1 and state in ('pending', 'running')`, r.ID); err == nil {
			_, err = tx.Exec(ctx, `delete from instances where id = $1`, r.ID)
		}
	} else {
		return nil // it is stopping already
	}
	if err != nil {
		return err
	}
	if err := event(ctx, tx, appID, "", actor, "run.stop", r.Name()+" "+reason); err != nil {
		return err
	}
	return touch(ctx, tx, appID)
}

// HoldRun extends the lease of an attached run's client.
func (s *Store) HoldRun(ctx context.Context, id string, d time.Duration) error {
	_, err := s.pool.Exec(ctx, `update runs set held_until = greatest(held_until, now() + $2::interval)
		where id = $1 and attach and state in ('pending', 'running')`, uuidOf(id), d)
	return known(err)
}

// StopLapsed has attached runs ended whose client has gone.
func (s *Store) StopLapsed(ctx context.Context) (int, error) {
	type lapsed struct{ App, ID string }
	list, err := many(ctx, s.pool, pgx.RowToStructByPos[lapsed], `select o.app_id::text, o.id::text from runs o join instances i on i.id = o.id
		where o.state in ('pending', 'running') and o.held_until < now() and i.state <> 'stopping' limit 1000`)
	if err != nil {
		return 0, err
	}
	for _, l := range list {
		if err := s.StopRun(ctx, l.App, l.ID, "paas", "its client went away"); err != nil && !server.IsID(err, server.ErrNotFound) {
			return 0, err
		}
	}
	return len(list), nil
}
