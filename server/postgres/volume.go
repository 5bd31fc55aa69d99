package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"paas/scheduler"
	"paas/scheduler/agent"
	"paas/server"
)

const volumeQuery = `select v.id::text, coalesce(v.app_id::text, ''), v.name, v.driver, coalesce(v.host_id::text, ''), coalesce((select name from hosts h where h.id = v.host_id), v.host),
	v.size, v.used, coalesce(v.used_at, '-infinity'), v.made, v.created_at, v.updated_at from volumes v `

func scanVolume(row pgx.CollectableRow) (v server.Volume, err error) {
	var used infTime
	err = row.Scan(&v.ID, &v.AppID, &v.Name, &v.Driver, &v.HostID, &v.Host, &v.Size, &v.Used, &used, &v.Made, &v.CreatedAt, &v.UpdatedAt)
	v.UsedAt = used.Time
	return v, err
}

// CreateVolume writes the row; the disk is made by the first instance that has it.
func (s *Store) CreateVolume(ctx context.Context, v server.Volume, actor string) (out server.Volume, err error) {
	err = s.inTx(ctx, func(tx pgx.Tx) error {
		app, err := one(ctx, tx, pgx.RowTo[string], "app", `select name from apps where id = $1 for update`, uuidOf(v.AppID))
		if err != nil {
			return err
		}
		var n int
		if err := tx.QueryRow(ctx, `select count(*) from volumes where app_id = $1 and destroyed_at is null`, v.AppID).Scan(&n); err != nil {
			return err
		}
		if n >= server.MaxVolumes {
			return server.Errorf(server.ErrConflict, "%s has %d volumes, which is the most an app may have. Nothing was changed.", app, n)
		}
		var id string
		err = tx.QueryRow(ctx, `insert into volumes (app_id, name, driver, host_id, host, size) values ($1, $2, $3, nullif($4, '')::uuid, $5, $6) returning id::text`,
			v.AppID, v.Name, v.Driver, v.HostID, v.Host, v.Size).Scan(&id)
		switch violates(err) {
		case "volumes_name":
			return server.Errorf(server.ErrConflict, "%s has a volume %s already. Nothing was changed.", app, v.Name)
		case "volumes_host_id_fkey":
			return server.Errorf(server.ErrConflict, "Host %s was removed meanwhile. Nothing was changed; try again.", v.Host)
		}
		if err != nil {
			return fmt.Errorf("write volume %s: %w", v.Name, err)
		}
		at := " on " + v.Host
		if v.Driver != "" {
			at = " by driver " + v.Driver
		}
		if err := event(ctx, tx, v.AppID, "", actor, "volume.created", v.Name+at); err != nil {
			return err
		}
		if err := touch(ctx, tx, v.AppID); err != nil {
			return err
		}
		out, err = one(ctx, tx, scanVolume, "volume", volumeQuery+`where v.id = $1`, id)
		out.App = app
		return err
	})
	return out, err
}

// Volumes lists an app's by name.
func (s *Store) Volumes(ctx context.Context, appID string) (list []server.Volume, err error) {
	err = s.readOnly(ctx, func(tx pgx.Tx) error {
		if list, err = many(ctx, tx, scanVolume, volumeQuery+`where v.app_id = $1 and v.destroyed_at is null order by v.name`, uuidOf(appID)); err != nil {
			return err
		}
		type current struct {
			App    string
			Mounts []server.Mount
		}
		c, err := one(ctx, tx, pgx.RowToStructByPos[current], "app", `select p.name, coalesce(r.mounts, '[]') from apps p left join releases r on r.id = p.current_release where p.id = $1`, uuidOf(appID))
		for i := range list {
			list[i].App = c.App
			for _, m := range c.Mounts {
				if m.Volume == list[i].ID {
					list[i].Mount = &m
				}
			}
		}
		return err
	})
	return list, err
}

// DestroyVolume has the volume's host delete its data. No release that serves
// or rolls out may have it.
func (s *Store) DestroyVolume(ctx context.Context, appID, id, actor string) error {
	return s.inTx(ctx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `select 1 from apps where id = $1 for update`, uuidOf(appID)); err != nil {
			return err
		}
		v, err := one(ctx, tx, scanVolume, "volume", volumeQuery+`where v.id = $1 and v.app_id = $2 and v.destroyed_at is null`, uuidOf(id), uuidOf(appID))
		if err != nil {
			return err
		}
		var used bool
		err = tx.QueryRow(ctx, `select exists (select from releases r where r.app_id = $1 and r.mounts @> jsonb_build_array(jsonb_build_object('volume', $2::text))
			and (r.id = (select current_release from apps where id = $1)
				or exists (select from deploys d where d.release_id = r.id and d.state in ('releasing', 'rolling'))))`, uuidOf(appID), v.ID).Scan(&used)
		if err != nil {
			return err
		}
		if used {
			return server.Errorf(server.ErrConflict, "Volume %s is attached in the release that serves, or in one that is rolling out. Nothing was destroyed.", v.Name)
		}
		if err := event(ctx, tx, appID, "", actor, "volume.destroyed", strings.TrimSpace(v.Name+" "+v.Host)); err != nil {
			return err
		}
		unused, err := tx.Exec(ctx, `delete from volumes v where v.id = $1 and `+neverUsed, v.ID)
		if err != nil || unused.RowsAffected() > 0 {
			return errors.Join(err, touch(ctx, tx, appID))
		}
		if _, err := tx.Exec(ctx, `update volumes set destroyed_at = now(), updated_at = now() where id = $1`, v.ID); err != nil {
			return err
		}
		if v.HostID == "" {
			return touch(ctx, tx, appID)
		}
		if err := notify(ctx, tx, server.HostTopic(v.HostID)); err != nil {
			return err
		}
		return touch(ctx, tx, appID)
	})
}

// neverUsed: no release has ever had the volume, so no host has anything of it to
// delete. Who makes and destroys volumes all day leaves hosts alone.
const neverUsed = `not v.made and not exists (select from releases r where r.app_id = v.app_id and r.mounts @> jsonb_build_array(jsonb_build_object('volume', v.id::text)))`

// destroyVolumes gives up all volumes of an app that is destroyed, and the
// hosts that are to delete them.
func destroyVolumes(ctx context.Context, tx pgx.Tx, appID string) ([]string, error) {
	if _, err := tx.Exec(ctx, `delete from volumes v where v.app_id = $1 and v.destroyed_at is null and `+neverUsed, appID); err != nil {
		return nil, err
	}
	return many(ctx, tx, pgx.RowTo[string], `with gone as (update volumes set destroyed_at = now(), updated_at = now()
		where app_id = $1 and destroyed_at is null returning host_id) select distinct host_id::text from gone where host_id is not null`, appID)
}

// volumesOn refuses to let a host go that has data, unless it is forced; then it
// says what is lost.
func volumesOn(ctx context.Context, tx pgx.Tx, h heldHost, force bool) (loss string, err error) {
	names, err := many(ctx, tx, pgx.RowTo[string], `select p.name || '/' || v.name from volumes v join apps p on p.id = v.app_id
		where v.host_id = $1 and v.destroyed_at is null order by 1`, h.ID)
	if err != nil || len(names) == 0 {
		return "", err
	}
	list := strings.Join(names, ", ")
	if !force {
		return "", &server.Error{ID: server.ErrConflict, Message: fmt.Sprintf("Host %s has the data of volumes that are nowhere else: %s. Nothing was changed.", h.Name, list),
			Next: fmt.Sprintf("Give that data up: paas hosts:remove %s --force", h.Name)}
	}
	_, err = tx.Exec(ctx, `update volumes set host = $2, updated_at = now() where host_id = $1`, h.ID, h.Name)
	return ", and with it the data of " + list, err
}

// addVolumes adds the volumes of those that have some.
func (s *Store) addVolumes(ctx context.Context, placed []server.Placed) error {
	ids := map[string]bool{}
	for i := range placed {
		for _, m := range placed[i].Release.MountsOf(placed[i].Instance) {
			ids[m.Volume] = true
		}
	}
	if len(ids) == 0 {
		return nil
	}
	list, err := many(ctx, s.pool, scanVolume, volumeQuery+`where v.id = any($1::uuid[]) and v.destroyed_at is null`, keys(ids))
	if err != nil {
		return err
	}
	for i := range placed {
		for _, m := range placed[i].Release.MountsOf(placed[i].Instance) {
			if at := slices.IndexFunc(list, func(v server.Volume) bool { return v.ID == m.Volume }); at >= 0 {
				placed[i].Volumes = append(placed[i].Volumes, list[at])
			}
		}
	}
	return nil
}

// DestroyedVolumes are those whose data hosts are still to delete.
func (s *Store) DestroyedVolumes(ctx context.Context) ([]server.Volume, error) {
	return many(ctx, s.pool, scanVolume, volumeQuery+`where v.destroyed_at is not null order by v.destroyed_at limit 10000`)
}

// forgetAfter is how long a destroyed volume is remembered beyond what its host
// says: an order to start from before may still be under way.
const forgetAfter = "1 hour"

// TakeStock notes what hosts have, in a few statements however many there are.
// A host speaks of its own volumes only.
func (s *Store) TakeStock(ctx context.Context, stocks map[string]agent.Stock) error {
	var hosts, whole, volumeHosts, volumes []string // whole: have told all their volumes
	var free, total, used []int64
	for _, h := range sortedKeys(stocks) {
		st := stocks[h]
		hosts, free, total = append(hosts, uuidOf(h)), append(free, st.DiskFree), append(total, st.DiskTotal)
		if !st.More {
			whole = append(whole, uuidOf(h))
		}
		for _, v := range st.Volumes {
			volumeHosts, volumes, used = append(volumeHosts, uuidOf(h)), append(volumes, uuidOf(v.ID)), append(used, v.Used)
		}
	}
	return s.inTx(ctx, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `update hosts h set disk_free = s.free, disk_total = s.total, stocked_at = now()
			from unnest($1::uuid[], $2::bigint[], $3::bigint[]) s (id, free, total) where h.id = s.id`, hosts, free, total)
		if err != nil {
			return fmt.Errorf("note disks of hosts: %w", err)
		}
		if len(volumes) > 0 {
			_, err = tx.Exec(ctx, `update volumes v set made = true, used = case when s.used < 0 then v.used else s.used end, used_at = case when s.used < 0 then v.used_at else now() end
				from unnest($1::uuid[], $2::uuid[], $3::bigint[]) s (host, id, used) where v.id = s.id and v.host_id = s.host and v.destroyed_at is null`, volumeHosts, volumes, used)
			if err != nil {
				return fmt.Errorf("note volumes of hosts: %w", err)
			}
		}
		_, err = tx.Exec(ctx, `delete from volumes where destroyed_at < now() - $3::interval and (host_id is null
			or host_id = any($1::uuid[]) and not coalesce(id = any($2::uuid[]), false))`, whole, volumes, forgetAfter)
		return err
	})
}

// fillVolumes says of each kind of instance which volumes it has.
func fillVolumes(byID map[string]*server.Snapshot, list []server.Volume, placed []instanceRow) {
	if len(list) == 0 {
		return
	}
	volumes := map[string]scheduler.Volume{}
	for _, v := range list {
		volumes[v.ID] = scheduler.Volume{ID: v.ID, Name: v.Name, Driver: v.Driver != "", Host: v.HostID, HostName: v.Host}
	}
	add := func(snap *server.Snapshot, release string, mounts []server.Mount) {
		if snap.State.Volumes == nil {
			snap.State.Volumes = map[scheduler.Kind][]scheduler.Volume{}
		}
		byType := map[string][]scheduler.Volume{}
		for _, m := range mounts {
			if v, ok := volumes[m.Volume]; ok {
				byType[m.Type] = append(byType[m.Type], v)
			}
		}
		for typ, vols := range byType {
			snap.State.Volumes[scheduler.Kind{Release: release, Type: typ}] = vols
		}
	}
	for _, snap := range byID {
		if snap.State.Release != "" && len(snap.Target.Mounts) > 0 {
			add(snap, snap.State.Release, snap.Target.Mounts)
		}
	}
	for i := range placed {
		in := &placed[i]
		snap := byID[in.app]
		if snap == nil || in.mounts == "[]" {
			continue
		}
		if _, known := snap.State.Volumes[scheduler.Kind{Release: in.Release, Type: in.Type}]; known {
			continue
		}
		var mounts []server.Mount
		if json.Unmarshal([]byte(in.mounts), &mounts) == nil {
			add(snap, in.Release, mounts)
		}
	}
}

func sortedKeys[V any](m map[string]V) []string {
	set := make([]string, 0, len(m))
	for k := range m {
		set = append(set, k)
	}
	slices.Sort(set)
	return set
}
