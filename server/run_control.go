package server

import (
	"maps"

	"paas/scheduler/agent"
)

// oneOff makes the assignment of a run one that happens once: with the run's
// command and limit, and its variables over the config.
func (c *Control) oneOff(a *agent.Assignment, pl Placed) error {
	if pl.Run == nil {
		return nil
	}
	a.OneOff, a.Attach, a.TTY, a.Limit = true, pl.Run.Attach, pl.Run.TTY, pl.Run.TimeLimit
	a.Command = nil
	if len(pl.Run.Argv) > 0 {
		a.Command = pl.Run.Argv
	}
	if pl.RunEnv == nil {
		return nil
	}
	env, err := c.keyring.OpenEnv(pl.DataKey, pl.Instance.AppID, pl.Run.ID, pl.RunEnv)
	maps.Copy(a.Env, env)
	return err
}
