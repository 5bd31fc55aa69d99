package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"paas/scheduler/agent"
	"paas/server"
)

// reported is what one host says, to a leader under an epoch; 0: whoever.
type reported struct {
	host  string
	epoch int64
	list  []agent.Status
}

// reportRound is how many statuses go into one transaction.
const reportRound = 1000

// Report stores what a host observed: the state table says which report may
// follow which state; anything else is an echo of the past and changes nothing.
// What hosts report at the same time is one transaction. An epoch that is not 0
// must be the leader's: what a former one was told, hosts tell the next.
func (s *Store) Report(ctx context.Context, hostID string, epoch int64, reports []agent.Status) ([]server.Transition, error) {
	if len(reports) == 0 {
		return nil, nil
	}
	return s.reports.ask(ctx, reported{hostID, epoch, reports})
}

func (s *Store) report(ctx context.Context, round []reported) (out [][]server.Transition, err error) {
	var rd *reportRun
	err = s.inTx(ctx, func(tx pgx.Tx) error {
		rd = &reportRun{addrs: map[string]string{}, instances: map[string]*server.Instance{}, written: map[string]*server.Instance{},
			apps: map[string]bool{}, hosts: map[string]bool{}, moved: map[string]bool{}, up: map[string]bool{}}
		if err := stillLead(ctx, tx, round); err != nil {
			return err
		}
		if err := rd.read(ctx, s, tx, round); err != nil {
			return err
		}
		out = make([][]server.Transition, len(round))
		for i, r := range round {
			for _, st := range r.list {
				if t := rd.take(i, r.host, rd.placed(r.host, st)); t != nil {
					out[i] = append(out[i], *t)
				}
			}
		}
		return rd.write(ctx, tx)
	})
	if err != nil {
		return nil, fmt.Errorf("store reports: %w", err)
	}
	for _, o := range rd.once {
		t, err := s.reportOnce(ctx, round[o.round].host, o.status)
		if err != nil {
			return nil, fmt.Errorf("report of %s: %w", o.status.ID, err)
		}
		if t != nil {
			out[o.round] = append(out[o.round], *t)
		}
	}
	return out, nil
}

// stillLead checks the epochs of a round, which are one but at a change of
// leader. It holds no lock on the lease: reports may follow one another without
// a gap, and the leader must get to renew it.
func stillLead(ctx context.Context, tx pgx.Tx, round []reported) error {
	var asked int64
	for _, r := range round {
		if r.epoch == 0 || r.epoch == asked {
			continue
		}
		if err := sameEpoch(ctx, tx, r.epoch, leaseEpoch); err != nil {
			return err
		}
		asked = r.epoch
	}
	return nil
}

// reportOnce is of a one-off, whose run goes with it: one transaction each.
func (s *Store) reportOnce(ctx context.Context, hostID string, r agent.Status) (t *server.Transition, err error) {
	err = s.inTx(ctx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `select 1 from apps where id = (select app_id from instances where id = $1) for update`, uuidOf(r.ID)); err != nil {
			return err
		}
		in, err := one(ctx, tx, scanInstance, "instance", instanceQuery+`where i.id = $1 and i.host_id = $2`, uuidOf(r.ID), uuidOf(hostID))
		if server.IsID(err, server.ErrNotFound) {
			return nil // forgotten meanwhile
		}
		if err != nil {
			return err
		}
		from := in.State
		in.Reason, in.ExitCode = r.Reason, r.ExitCode
		if in.State, err = advanceRun(ctx, tx, in, r); err != nil || in.State == "" {
			return err
		}
		if in.State != removed && (in.State != from || r.State == agent.Stopping) {
			t = &server.Transition{Instance: in, From: from, To: in.State, Notes: r.Notes, At: r.At}
			if err := event(ctx, tx, in.AppID, "", "paas", "instance."+in.State, saidOf(in, r.Reason)); err != nil {
				return err
			}
		}
		if err := notify(ctx, tx, server.HostTopic(hostID)); err != nil {
			return err
		}
		return touch(ctx, tx, in.AppID)
	})
	return t, err
}

// reportRun is the reports of one transaction. Instances follow them in
// memory, under their apps' locks, and are written once.
type reportRun struct {
	instances map[string]*server.Instance
	addrs     map[string]string           // of the hosts
	written   map[string]*server.Instance // by id: state as it is to be
	moved, up map[string]bool             // whose state is new; who came up
	gone      []string
	once      []onceReport
	layers    []writtenRow
	events    eventRows
	apps      map[string]bool
	hosts     map[string]bool // whose assignments change
}

// saidOf is the text of an event about an instance.
func saidOf(in server.Instance, reason string) string {
	text := fmt.Sprintf("%s.%d v%d", in.Type, in.Ordinal, in.Release)
	if in.Host != "" {
		text += " on " + in.Host
	}
	if reason != "" {
		text += ": " + reason
	}
	return text
}

// onceReport is of a one-off, by its caller's place in the round.
type onceReport struct {
	round  int
	status agent.Status
}

// placed is a status as it is believed: see misplaced.
func (rd *reportRun) placed(host string, r agent.Status) agent.Status {
	if at := rd.addrs[host]; !server.PublishedOn(r.Addr, at) {
		return misplaced(r, at)
	}
	return r
}

// take takes one status in; nil: it changes nothing that anybody must hear of.
func (rd *reportRun) take(round int, host string, r agent.Status) *server.Transition {
	in := rd.instances[r.ID]
	if in == nil || in.HostID != host {
		return nil // forgotten meanwhile, or another's
	}
	switch {
	case r.State == agent.Wrote:
		rd.wrote(in, r.Layer)
		return nil
	case in.OneOff:
		rd.once = append(rd.once, onceReport{round, r})
		return nil
	}
	from, to := in.State, next(*in, r)
	if to == "" {
		return nil
	}
	rd.follow(in, to, r)
	rd.apps[in.AppID] = true
	if to != "starting" && to != "up" {
		rd.hosts[host] = true // it is to remove what it had; what starts changes no assignment
	}
	if to == from && r.State != agent.Stopping {
		return nil
	}
	now := *in
	now.State, now.Reason, now.ExitCode = to, r.Reason, r.ExitCode
	rd.events.add(in.AppID, "paas", "instance."+to, saidOf(*in, r.Reason))
	return &server.Transition{Instance: now, From: from, To: to, Notes: r.Notes, At: r.At}
}

// follow moves an instance to its next state, in memory.
func (rd *reportRun) follow(in *server.Instance, to string, r agent.Status) {
	switch to {
	case "stopping": // known, and told for the log
		return
	case "down":
		rd.gone = append(rd.gone, in.ID)
		delete(rd.instances, in.ID)
		delete(rd.written, in.ID)
		return
	case "up":
		rd.up[in.ID] = true
	}
	if to != "starting" || in.State != "starting" {
		rd.moved[in.ID] = true
	}
	in.State, in.Addr, in.Reason, in.ExitCode = to, r.Addr, r.Reason, r.ExitCode
	rd.written[in.ID] = in
}

// write stores what has become of the instances, in as many statements however
// many there are.
func (rd *reportRun) write(ctx context.Context, tx pgx.Tx) error {
	if len(rd.apps)+len(rd.layers) == 0 {
		return nil
	}
	b := &pgx.Batch{}
	rd.writeLayers(b)
	rd.writeStates(b)
	if len(rd.gone) > 0 {
		b.Queue(`delete from instances where id = any($1::uuid[])`, rd.gone)
	}
	rd.events.queue(b)
	topics := make([]string, 0, len(rd.hosts))
	for h := range rd.hosts {
		topics = append(topics, server.HostTopic(h))
	}
	queueTouch(b, keys(rd.apps), topics)
	return tx.SendBatch(ctx, b).Close()
}

func (rd *reportRun) writeStates(b *pgx.Batch) {
	if len(rd.written) == 0 {
		return
	}
	var ids, states, reasons, addrs []string
	var codes []int
	var moved, up []bool
	for id, in := range rd.written {
		ids, states, reasons = append(ids, id), append(states, in.State), append(reasons, in.Reason)
		addrs, codes = append(addrs, in.Addr), append(codes, in.ExitCode)
		moved, up = append(moved, rd.moved[id]), append(up, rd.up[id])
	}
	b.Queue(`update instances i set state = r.state, reason = r.reason, addr = r.addr, exit_code = r.code,
			up_at = case when r.up then coalesce(i.up_at, now()) else i.up_at end,
			updated_at = case when r.moved then now() else i.updated_at end
		from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::int[], $6::bool[], $7::bool[]) r (id, state, reason, addr, code, moved, up)
		where i.id = r.id`, ids, states, reasons, addrs, codes, moved, up)
}

// next is the state that follows from a report; "" means that nothing does,
// "down" that the instance ended as it was told and is forgotten.
func next(in server.Instance, r agent.Status) string {
	going := in.State == "draining" || in.State == "stopping"
	running := in.State == "assigned" || in.State == "starting" || in.State == "up"
	switch {
	case r.State == agent.Starting && (in.State == "assigned" || in.State == "starting"):
		return "starting"
	case r.State == agent.Up && (in.State == "assigned" || in.State == "starting"),
		r.State == agent.Up && in.State == "up" && in.Addr != r.Addr:
		return "up"
	case (r.State == agent.Crashed || r.State == agent.Stopped) && running:
		return "crashed"
	case (r.State == agent.Crashed || r.State == agent.Stopped) && going:
		return "down"
	case r.State == agent.Stopping && in.State == "stopping":
		return in.State
	}
	return ""
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
