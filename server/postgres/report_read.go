package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"paas/server"
)

// read locks the apps, always in the same order, and then reads the instances.
func (rd *reportRun) read(ctx context.Context, s *Store, tx pgx.Tx, round []reported) error {
	var ids, hosts []string
	for _, r := range round {
		hosts = append(hosts, uuidOf(r.host))
		for _, st := range r.list {
			ids = append(ids, uuidOf(st.ID))
		}
	}
	if _, err := tx.Exec(ctx, `select 1 from apps where id in (select app_id from instances where id = any($1::uuid[])) order by id for update`, ids); err != nil {
		return err
	}
	list, err := s.reportedOn(ctx, tx, ids)
	if err != nil {
		return err
	}
	names, err := rd.readHosts(ctx, tx, hosts)
	if err != nil {
		return err
	}
	for i := range list {
		list[i].Host = names[list[i].HostID]
		rd.instances[list[i].ID] = &list[i]
	}
	return nil
}

// reportedOn reads instances with what is known of their releases already.
func (s *Store) reportedOn(ctx context.Context, tx pgx.Tx, ids []string) ([]server.Instance, error) {
	list, err := many(ctx, tx, func(row pgx.CollectableRow) (in server.Instance, err error) {
		err = row.Scan(&in.ID, &in.AppID, &in.App, &in.ReleaseID, &in.Type, &in.Ordinal, &in.HostID, &in.State,
			&in.Replace, &in.OneOff, &in.Addr, &in.Reason, &in.ExitCode, &in.Crashes, &in.Size, &in.CreatedAt, &in.UpdatedAt)
		return in, err
	}, `select i.id::text, i.app_id::text, p.name, i.release_id::text, i.type, i.ordinal, coalesce(i.host_id::text, ''), i.state,
		i.replace, i.one_off, i.addr, i.reason, i.exit_code, i.crashes, i.size, i.created_at, i.updated_at
		from instances i join apps p on p.id = i.app_id where i.id = any($1::uuid[])`, ids)
	if err != nil {
		return nil, err
	}
	of := map[string]bool{}
	for i := range list {
		of[list[i].ReleaseID] = true
	}
	releases, err := s.releases(ctx, tx, of)
	for i := range list {
		r := releases[list[i].ReleaseID].release
		list[i].Release, list[i].Command = r.Version, server.CommandLine(r, list[i].Type)
	}
	return list, err
}

// readHosts notes the hosts' addresses and gives their names, which are empty
// where there is one host only.
func (rd *reportRun) readHosts(ctx context.Context, tx pgx.Tx, hosts []string) (names map[string]string, err error) {
	rows, err := tx.Query(ctx, `select id::text, addr, case when exists (select 1 from hosts offset 1) then name else '' end
		from hosts where id = any($1::uuid[])`, hosts)
	if err != nil {
		return nil, err
	}
	names = make(map[string]string, len(hosts))
	var id, addr, name string
	_, err = pgx.ForEachRow(rows, []any{&id, &addr, &name}, func() error {
		rd.addrs[id], names[id] = addr, name
		return nil
	})
	return names, err
}
