package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"paas/server"
)

// assignedRound is how many hosts one statement reads the assignments of.
const assignedRound = 100

// Assigned lists the instances a host is to run or stop, with what it must
// know to do so. Hosts that ask at the same time are read together.
func (s *Store) Assigned(ctx context.Context, hostID string) ([]server.Placed, error) {
	return s.assigned.ask(ctx, uuidOf(hostID))
}

func (s *Store) assignedTo(ctx context.Context, hosts []string) ([][]server.Placed, error) {
	list, err := many(ctx, s.pool, s.scanPlaced, `select i.id, i.app_id, p.name, i.release_id, r.version, i.type, i.ordinal, i.host_id::text, i.state,
		i.memory, i.size, p.slot, p.data_key, r.config, r.files, r.image, r.processes, r.commit, p.settings,
		i.one_off, coalesce(o.command, ''), coalesce(o.argv, '[]'), coalesce(o.attach, false), coalesce(o.tty, false), coalesce(o.time_limit, '0'), o.env
		from instances i join apps p on p.id = i.app_id join releases r on r.id = i.release_id left join runs o on i.one_off and o.id = i.id
		where i.host_id = any($1::uuid[]) order by i.created_at, i.id`, hosts)
	if err != nil {
		return nil, err
	}
	byHost := make(map[string][]server.Placed, len(hosts))
	for _, p := range list {
		byHost[p.Instance.HostID] = append(byHost[p.Instance.HostID], p)
	}
	out := make([][]server.Placed, len(hosts))
	for i, h := range hosts {
		out[i] = byHost[h]
	}
	return out, nil
}

func (s *Store) scanPlaced(row pgx.CollectableRow) (p server.Placed, err error) {
	in, run := &p.Instance, server.Run{}
	err = row.Scan(&in.ID, &in.AppID, &in.App, &in.ReleaseID, &in.Release, &in.Type, &in.Ordinal, &in.HostID, &in.State,
		&p.Memory, &in.Size, &p.Slot, &p.DataKey, &p.Config, &p.Files, &p.Release.Image, &p.Release.Processes, &p.Release.Commit, &p.Settings,
		&in.OneOff, &run.Command, &run.Argv, &run.Attach, &run.TTY, &run.TimeLimit, &p.RunEnv)
	p.Release.ID, p.Release.Version = in.ReleaseID, in.Release
	p.MilliCPU = s.size(in.Size).MilliCPU
	if in.OneOff {
		run.ID, run.AppID, run.App, run.Type, run.Ordinal = in.ID, in.AppID, in.App, in.Type, in.Ordinal
		p.Run = &run
	}
	return p, err
}
