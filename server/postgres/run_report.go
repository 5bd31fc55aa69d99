package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"paas/scheduler/agent"
	"paas/server"
)

// removed is the end of an instance of which everything was said before.
const removed = "removed"

// advanceRun is advance for a one-off: its end is its run's, and then its host
// is told to remove it.
func advanceRun(ctx context.Context, tx pgx.Tx, in server.Instance, r agent.Status) (string, error) {
	switch r.State {
	case agent.Exited, agent.Crashed:
		return exitRun(ctx, tx, in, r)
	case agent.Stopped:
		ended, err := endRun(ctx, tx, in, r, server.RunStopped)
		if err != nil {
			return "", err
		}
		if _, err := tx.Exec(ctx, `delete from instances where id = $1`, in.ID); err != nil {
			return "", err
		}
		if !ended {
			return removed, nil
		}
		return "down", nil
	}
	to, err := advance(ctx, tx, in, r)
	if err == nil && to == string(agent.Up) {
		_, err = tx.Exec(ctx, `update runs set state = 'running', started_at = now() where id = $1 and state = 'pending'`, in.ID)
	}
	return to, err
}

// exitRun is the end of a process by itself or by its limit.
func exitRun(ctx context.Context, tx pgx.Tx, in server.Instance, r agent.Status) (string, error) {
	state := server.RunFailed
	switch {
	case r.Halted:
		state = server.RunStopped
	case r.ExitCode == 0 && !r.Platform && r.State == agent.Exited:
		state, r.Reason = server.RunSucceeded, ""
	}
	ended, err := endRun(ctx, tx, in, r, state)
	if err != nil || !ended {
		return "", err
	}
	_, err = tx.Exec(ctx, `update instances set state = 'stopping', reason = $2, exit_code = $3, updated_at = now() where id = $1`, in.ID, r.Reason, r.ExitCode)
	return "complete", err
}

// endRun writes how a run ended; false: that was known. What somebody has
// ordered to stop was stopped, however its process took it.
func endRun(ctx context.Context, tx pgx.Tx, in server.Instance, r agent.Status, state server.RunState) (bool, error) {
	var began any // of one that ended before it counted as up
	if in.State == string(agent.Starting) {
		began = in.UpdatedAt.Truncate(time.Microsecond)
	}
	tag, err := tx.Exec(ctx, `update runs set state = case when reason <> '' then 'stopped' else $2 end, exit_code = $3,
		reason = case when reason <> '' then reason else $4 end, started_at = coalesce(started_at, $5), ended_at = now()
		where id = $1 and state in ('pending', 'running')`, in.ID, state, r.ExitCode, r.Reason, began)
	return tag.RowsAffected() > 0, err
}
