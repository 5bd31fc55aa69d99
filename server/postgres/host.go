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

// What a host reserves for itself is not there for instances. One that has
// joined and was not heard of yet takes nothing, like one that settles.
const hostQuery = `select h.id::text, h.name, h.arch, h.milli_cpu - h.kept_cpu, h.memory - h.kept_memory,
	coalesce(u.milli_cpu, 0)::bigint, coalesce(u.memory, 0)::bigint, coalesce(u.n, 0)::int,
	h.labels, h.state = 'lost', h.cordoned, h.draining, h.steady_at > now() or h.seen_at = '-infinity'
	from hosts h left join (select host_id, sum(milli_cpu) milli_cpu, sum(memory) memory, count(*) n from instances
		where state <> 'crashed' group by host_id) u on u.host_id = h.id `

func scanHost(row pgx.CollectableRow) (h scheduler.Host, err error) {
	err = row.Scan(&h.ID, &h.Name, &h.Arch, &h.MilliCPU, &h.Memory, &h.UsedMilliCPU, &h.UsedMemory, &h.Instances,
		&h.Labels, &h.Lost, &h.Cordoned, &h.Draining, &h.Settling)
	return h, err
}

// EnsureHost registers the machine of the control plane by name or notes its
// new capacity. One that it had under another name is a host like others from
// then on: when nothing is heard of it, it is lost.
func (s *Store) EnsureHost(ctx context.Context, h scheduler.Host) (scheduler.Host, error) {
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		err := tx.QueryRow(ctx, `insert into hosts (name, arch, milli_cpu, memory, local) values ($1, $2, $3, $4, true)
			on conflict (name) do update set arch = $2, milli_cpu = $3, memory = $4, seen_at = now(), local = true, state = 'ready',
				kept_cpu = least(hosts.kept_cpu, $3 - 1), kept_memory = least(hosts.kept_memory, $4 - 1)
			where hosts.key_hash is null returning id::text`, h.Name, h.Arch, h.MilliCPU, h.Memory).Scan(&h.ID)
		if errors.Is(err, pgx.ErrNoRows) {
			return server.Errorf(server.ErrConflict, "Another machine has joined as the host %s, which is the name of this one.", h.Name)
		}
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `update hosts set local = false where local and name <> $1`, h.Name)
		return err
	})
	return h, err
}

// Assigned lists the instances a host is to run or stop, with what it must
// know to do so.
func (s *Store) Assigned(ctx context.Context, hostID string) ([]server.Placed, error) {
	list, err := many(ctx, s.pool, func(row pgx.CollectableRow) (p server.Placed, err error) {
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
	}, `select i.id, i.app_id, p.name, i.release_id, r.version, i.type, i.ordinal, i.host_id::text, i.state,
		i.memory, i.size, p.slot, p.data_key, r.config, r.files, r.image, r.processes, r.commit, p.settings,
		i.one_off, coalesce(o.command, ''), coalesce(o.argv, '[]'), coalesce(o.attach, false), coalesce(o.tty, false), coalesce(o.time_limit, '0'), o.env
		from instances i join apps p on p.id = i.app_id join releases r on r.id = i.release_id left join runs o on o.id = i.id
		where i.host_id = $1 order by i.created_at, i.id`, uuidOf(hostID))
	return list, err
}

// Report stores what a host observed, one transaction an instance: the state
// table says which report may follow which state; anything else is an echo of
// the past and changes nothing.
func (s *Store) Report(ctx context.Context, hostID string, reports []agent.Status) ([]server.Transition, error) {
	at, err := one(ctx, s.pool, pgx.RowTo[string], "host", `select addr from hosts where id = $1`, uuidOf(hostID))
	if server.IsID(err, server.ErrNotFound) {
		return nil, nil // removed, and all that was on it
	}
	if err != nil {
		return nil, err
	}
	var out []server.Transition
	for _, r := range reports {
		if !server.PublishedOn(r.Addr, at) {
			r = misplaced(r, at)
		}
		t, err := s.report(ctx, hostID, r)
		if err != nil {
			return out, fmt.Errorf("report of %s: %w", r.ID, err)
		}
		if t != nil {
			out = append(out, *t)
		}
	}
	return out, nil
}

// misplaced is the report of an instance that is at an address of another
// machine: the router must not go there in its name. One of ours is there after
// its host was given another address, and is started again.
func misplaced(r agent.Status, host string) agent.Status {
	if r.State == agent.Up {
		r.State, r.ExitCode, r.Platform = agent.Crashed, 0, true
		r.Reason = fmt.Sprintf("it is published on %.60q, which is not at its host's address %s", r.Addr, host)
		r.Notes = r.Reason
	}
	r.Addr = ""
	return r
}

func (s *Store) report(ctx context.Context, hostID string, r agent.Status) (*server.Transition, error) {
	var t *server.Transition
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		t = nil
		var appID string
		err := tx.QueryRow(ctx, `select p.id::text from apps p where p.id = (select app_id from instances where id = $1) for update`, uuidOf(r.ID)).Scan(&appID)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil // forgotten meanwhile
		}
		if err != nil {
			return err
		}
		in, err := one(ctx, tx, scanInstance, "instance", instanceQuery+`where i.id = $1 and i.host_id = $2`, uuidOf(r.ID), uuidOf(hostID))
		if server.IsID(err, server.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		from := in.State
		in.Reason, in.ExitCode = r.Reason, r.ExitCode
		follow := advance
		if in.OneOff {
			follow = advanceRun
		}
		if in.State, err = follow(ctx, tx, in, r); err != nil {
			return err
		}
		if in.State == "" {
			return nil
		}
		if in.State != removed && (in.State != from || r.State == agent.Stopping) {
			t = &server.Transition{Instance: in, From: from, To: in.State, Notes: r.Notes, At: r.At}
			if err := event(ctx, tx, appID, "", "paas", "instance."+in.State, fmt.Sprintf("%s.%d v%d %s", in.Type, in.Ordinal, in.Release, r.Reason)); err != nil {
				return err
			}
		}
		if err := notify(ctx, tx, server.HostTopic(hostID)); err != nil {
			return err
		}
		return touch(ctx, tx, appID)
	})
	return t, err
}

// advance writes the state that follows from a report; "" means that nothing
// does, "down" that the instance ended as it was told and is forgotten.
func advance(ctx context.Context, tx pgx.Tx, in server.Instance, r agent.Status) (string, error) {
	going := in.State == "draining" || in.State == "stopping"
	running := in.State == "assigned" || in.State == "starting" || in.State == "up"
	var to, sql string
	switch {
	case r.State == agent.Starting && (in.State == "assigned" || in.State == "starting"):
		to, sql = "starting", `update instances set state = 'starting', reason = $2, addr = $3, exit_code = $4,
			updated_at = case when state = 'starting' then updated_at else now() end where id = $1`
	case r.State == agent.Up && (in.State == "assigned" || in.State == "starting"),
		r.State == agent.Up && in.State == "up" && in.Addr != r.Addr:
		to, sql = "up", `update instances set state = 'up', reason = $2, addr = $3, exit_code = $4,
			up_at = coalesce(up_at, now()), updated_at = now() where id = $1`
	case (r.State == agent.Crashed || r.State == agent.Stopped) && running:
		to, sql = "crashed", `update instances set state = 'crashed', reason = $2, addr = $3, exit_code = $4, updated_at = now() where id = $1`
	case (r.State == agent.Crashed || r.State == agent.Stopped) && going:
		_, err := tx.Exec(ctx, `delete from instances where id = $1`, in.ID)
		return "down", err
	case r.State == agent.Stopping && in.State == "stopping":
		return in.State, nil // known: told for the log
	default:
		return "", nil
	}
	_, err := tx.Exec(ctx, sql, in.ID, r.Reason, r.Addr, r.ExitCode)
	return to, err
}
