package postgres

import (
	"context"
	"encoding/json"
	"slices"

	"github.com/jackc/pgx/v5"

	"paas/server"
)

// assignedRound is how many hosts one statement reads the assignments of.
const assignedRound = 250

// Assigned lists the instances a host is to run or stop, with what it must
// know to do so. Hosts that ask at the same time are read together.
func (s *Store) Assigned(ctx context.Context, hostID string) ([]server.Placed, error) {
	return s.assigned.ask(ctx, uuidOf(hostID))
}

// AssignedNews is Assigned for who has read it before: what a host has already
// costs a name and a state.
func (s *Store) AssignedNews(ctx context.Context, hostID string, known func(instance string) bool) (server.AssignedNews, error) {
	return s.news.ask(ctx, newsOf{uuidOf(hostID), known})
}

// newsOf is what one host asks for.
type newsOf struct {
	host  string
	known func(instance string) bool
}

func (s *Store) assignedTo(ctx context.Context, hosts []string) ([][]server.Placed, error) {
	list, err := s.placed(ctx, `i.host_id = any($1::uuid[])`, hosts)
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

func (s *Store) assignedNews(ctx context.Context, round []newsOf) ([]server.AssignedNews, error) {
	hosts := make([]string, len(round))
	for i := range round {
		hosts[i] = round[i].host
	}
	out := make([]server.AssignedNews, len(round))
	var fresh []string
	err := s.states(ctx, hosts, func(i int, in server.AssignedState) {
		out[i].All = append(out[i].All, in)
		if !round[i].known(in.ID) {
			fresh = append(fresh, in.ID)
		}
	})
	if err != nil || len(fresh) == 0 {
		return out, err
	}
	list, err := s.placed(ctx, `i.id = any($1::uuid[])`, fresh)
	if err != nil {
		return nil, err
	}
	gone := make(map[string]bool, len(fresh)) // between the two statements, unless they were read
	for _, id := range fresh {
		gone[id] = true
	}
	read := make(map[string]server.Placed, len(list))
	for _, p := range list {
		read[p.Instance.ID] = p
		delete(gone, p.Instance.ID)
	}
	for i := range out {
		out[i].Fresh = read
		if len(gone) > 0 {
			out[i].All = slices.DeleteFunc(out[i].All, func(in server.AssignedState) bool { return gone[in.ID] })
		}
	}
	return out, nil
}

// states calls take for each instance of the hosts, with the host's place in the list.
func (s *Store) states(ctx context.Context, hosts []string, take func(host int, in server.AssignedState)) error {
	type state struct {
		Host int
		server.AssignedState
	}
	list, err := many(ctx, s.pool, func(row pgx.CollectableRow) (st state, err error) {
		err = row.Scan(&st.Host, &st.ID, &st.State)
		return st, err
	}, `select h.n::int - 1, i.id::text, i.state from unnest($1::uuid[]) with ordinality h (id, n) join instances i on i.host_id = h.id
		order by i.created_at, i.id`, hosts)
	for _, st := range list {
		take(st.Host, st.AssignedState)
	}
	return err
}

// placed reads instances with all that their hosts must know of them. Those whose
// release is gone are being deleted.
func (s *Store) placed(ctx context.Context, which string, ids []string) ([]server.Placed, error) {
	list, err := many(ctx, s.pool, s.scanPlaced, `select i.id::text, i.app_id::text, p.name, i.release_id::text, i.type, i.ordinal, i.host_id::text, i.state,
		i.memory, i.size, p.slot, p.data_key, p.settings::text,
		i.one_off, coalesce(o.command, ''), coalesce(o.argv::text, '[]'), coalesce(o.attach, false), coalesce(o.tty, false), coalesce(o.time_limit, '0'), o.env
		from instances i join apps p on p.id = i.app_id left join runs o on i.one_off and o.id = i.id
		where `+which+` order by i.created_at, i.id`, ids)
	if err == nil {
		err = s.addReleases(ctx, list)
	}
	if err == nil {
		err = s.addVolumes(ctx, list)
	}
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(list, func(p server.Placed) bool { return p.Release.ID == "" }), nil
}

func (s *Store) scanPlaced(row pgx.CollectableRow) (p server.Placed, err error) {
	in, run := &p.Instance, server.Run{}
	var settings, argv string
	err = row.Scan(&in.ID, &in.AppID, &in.App, &in.ReleaseID, &in.Type, &in.Ordinal, &in.HostID, &in.State,
		&p.Memory, &in.Size, &p.Slot, &p.DataKey, &settings,
		&in.OneOff, &run.Command, &argv, &run.Attach, &run.TTY, &run.TimeLimit, &p.RunEnv)
	p.MilliCPU = s.size(in.Size).MilliCPU
	if settings != "{}" && err == nil {
		err = json.Unmarshal([]byte(settings), &p.Settings)
	}
	if in.OneOff && err == nil {
		err = json.Unmarshal([]byte(argv), &run.Argv)
		run.ID, run.AppID, run.App, run.Type, run.Ordinal = in.ID, in.AppID, in.App, in.Type, in.Ordinal
		p.Run = &run
	}
	return p, err
}

// held is what hosts must know of a release. It never changes, so it is read once.
type held struct {
	release       server.Release
	config, files []byte
}

// mostHeld bounds what is kept of releases; the one to go is any.
const mostHeld = 20000

// addReleases adds the releases, which are read when they are not known.
func (s *Store) addReleases(ctx context.Context, list []server.Placed) error {
	ids := map[string]bool{}
	for i := range list {
		ids[list[i].Instance.ReleaseID] = true
	}
	all, err := s.releases(ctx, s.pool, ids)
	if err != nil {
		return err
	}
	for i := range list {
		p := &list[i]
		h := all[p.Instance.ReleaseID]
		p.Release, p.Config, p.Files, p.Instance.Release = h.release, h.config, h.files, h.release.Version
	}
	return nil
}

// releases gives those that are there. Who is in a transaction asks within it,
// so as not to wait for a second connection with the first in hand.
func (s *Store) releases(ctx context.Context, q querier, ids map[string]bool) (map[string]held, error) {
	out := make(map[string]held, len(ids))
	missing := s.recall(ids, out)
	if len(missing) == 0 {
		return out, nil
	}
	list, err := many(ctx, q, func(row pgx.CollectableRow) (h held, err error) {
		r := &h.release
		err = row.Scan(&r.ID, &r.Version, &h.config, &h.files, &r.Image, &r.Processes, &r.Mounts, &r.Commit)
		return h, err
	}, `select id::text, version, config, files, image, processes, mounts, commit from releases where id = any($1::uuid[])`, missing)
	s.heldMu.Lock()
	defer s.heldMu.Unlock()
	for _, h := range list {
		s.held[h.release.ID], out[h.release.ID] = h, h
	}
	for id := range s.held {
		if len(s.held) <= mostHeld {
			break
		}
		delete(s.held, id)
	}
	return out, err
}

// recall enters those that are known, and gives the others.
func (s *Store) recall(ids map[string]bool, into map[string]held) (missing []string) {
	s.heldMu.Lock()
	defer s.heldMu.Unlock()
	for id := range ids {
		if h, ok := s.held[id]; ok {
			into[id] = h
		} else {
			missing = append(missing, id)
		}
	}
	return missing
}
