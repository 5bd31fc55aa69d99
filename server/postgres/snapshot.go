package postgres

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"paas/builder"
	"paas/scheduler"
	"paas/server"
)

// Snapshot reads an app and all hosts at one moment.
func (s *Store) Snapshot(ctx context.Context, appID string) (snap server.Snapshot, err error) {
	err = s.readOnly(ctx, func(tx pgx.Tx) error {
		list, err := s.snapshots(ctx, tx, []string{uuidOf(appID)})
		if err != nil {
			return err
		}
		if len(list) == 0 {
			return notFound("app")
		}
		snap = list[0]
		hosts, err := hostEntries(ctx, tx, nil)
		for _, h := range hosts {
			snap.State.Hosts = append(snap.State.Hosts, h.Host)
			if h.Settled > 0 && (snap.Settled == 0 || h.Settled < snap.Settled) {
				snap.Settled = h.Settled
			}
		}
		return err
	})
	return snap, err
}

// AppSnapshots reads apps at one moment, without the hosts. Those that are no
// more are left out.
func (s *Store) AppSnapshots(ctx context.Context, appIDs []string) (list []server.Snapshot, err error) {
	err = s.readOnly(ctx, func(tx pgx.Tx) error {
		list, err = s.snapshots(ctx, tx, appIDs)
		return err
	})
	return list, err
}

// readOnly sees one moment.
func (s *Store) readOnly(ctx context.Context, fn func(pgx.Tx) error) error {
	opts := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	return known(pgx.BeginTxFunc(ctx, s.pool, opts, fn))
}

// snapshotRows are what the snapshots of a few apps are made of.
type snapshotRows struct {
	apps       []server.Snapshot
	releases   map[string]server.Release
	rolling    map[string]string // by app, the release that rolls
	coming     map[string]string // by app, the release whose command runs
	formations []formed
}

type formed struct {
	app, typ, size string
	n              int
}

// snapshots asks for everything in one exchange.
func (s *Store) snapshots(ctx context.Context, tx pgx.Tx, ids []string) ([]server.Snapshot, error) {
	rd := snapshotRows{releases: map[string]server.Release{}, rolling: map[string]string{}, coming: map[string]string{}}
	var placed []instanceRow
	var domains, links [][2]string
	var volumes []server.Volume
	b := &pgx.Batch{}
	queueMany(b, &rd.apps, scanSnapshotApp, appColumns+`, p.placement, now()`+appTables+`where p.id = any($1::uuid[]) order by p.id`, ids)
	var releases []server.Release
	queueMany(b, &releases, scanRelease, releaseQuery+`where r.id in (select current_release from apps where id = any($1::uuid[])
		union select release_id from deploys where app_id = any($1::uuid[]) and state in ('releasing', 'rolling'))`, ids)
	var rolling, coming [][2]string
	const ofState = `select app_id::text, release_id::text from deploys where app_id = any($1::uuid[]) and release_id is not null and state = `
	queueMany(b, &rolling, scanPair, ofState+`'rolling'`, ids)
	queueMany(b, &coming, scanPair, ofState+`'releasing'`, ids)
	queueMany(b, &rd.formations, scanFormed, `select app_id::text, type, size, quantity from formations where app_id = any($1::uuid[]) order by type`, ids)
	queueMany(b, &placed, scanInstanceRow, instanceRowQuery, ids)
	queueMany(b, &domains, scanPair, `select app_id::text, hostname from domains where app_id = any($1::uuid[]) order by hostname`, ids)
	queueMany(b, &links, scanPair, `select app_id::text, target_id::text from links where app_id = any($1::uuid[]) order by target_id`, ids)
	queueMany(b, &volumes, scanVolume, volumeQuery+`where v.app_id = any($1::uuid[]) and v.destroyed_at is null`, ids)
	if err := tx.SendBatch(ctx, b).Close(); err != nil {
		return nil, err
	}
	for _, r := range releases {
		rd.releases[r.ID] = r
	}
	for _, r := range rolling {
		rd.rolling[r[0]] = r[1]
	}
	for _, r := range coming {
		rd.coming[r[0]] = r[1]
	}
	// One without a release is being deleted: as good as gone.
	rd.apps = slices.DeleteFunc(rd.apps, func(snap server.Snapshot) bool { return rd.releases[snap.App.Current].ID == "" })
	byID := make(map[string]*server.Snapshot, len(rd.apps))
	for i := range rd.apps {
		snap := &rd.apps[i]
		byID[snap.App.ID] = snap
		snap.Formed, snap.Addrs, snap.Names, snap.Versions = map[string]int{}, map[string]string{}, map[string]string{}, map[string]int{}
		rd.target(snap)
	}
	s.wants(byID, rd.formations)
	fillInstances(byID, placed)
	fillVolumes(byID, volumes, placed)
	for _, d := range domains {
		if snap := byID[d[0]]; snap != nil {
			snap.Domains = append(snap.Domains, d[1])
		}
	}
	for _, l := range links {
		if snap := byID[l[0]]; snap != nil {
			snap.Links = append(snap.Links, l[1])
		}
	}
	return rd.apps, nil
}

// queueMany asks for rows within a batch.
func queueMany[T any](b *pgx.Batch, into *[]T, scan pgx.RowToFunc[T], sql string, args ...any) {
	b.Queue(sql, args...).Query(func(rows pgx.Rows) (err error) {
		*into, err = pgx.CollectRows(rows, scan)
		return err
	})
}

func scanSnapshotApp(row pgx.CollectableRow) (snap server.Snapshot, err error) {
	snap.App, err = scanAppAnd(row, &snap.State.Placement, &snap.State.Now)
	return snap, err
}

func scanPair(row pgx.CollectableRow) (p [2]string, err error) {
	err = row.Scan(&p[0], &p[1])
	return p, err
}

func scanFormed(row pgx.CollectableRow) (f formed, err error) {
	err = row.Scan(&f.app, &f.typ, &f.size, &f.n)
	return f, err
}

// target finds what shall run: the release of the rolling deploy, else the
// current one if it has an image.
func (rd *snapshotRows) target(snap *server.Snapshot) {
	snap.Current = rd.releases[snap.App.Current]
	snap.Target = snap.Current
	if id := rd.rolling[snap.App.ID]; id != "" {
		snap.Target, snap.State.Rolling = rd.releases[id], true
	}
	snap.Next = rd.releases[rd.coming[snap.App.ID]]
	if snap.Target.Image.Digest != "" {
		snap.State.Release, snap.State.Arch, snap.State.Image = snap.Target.ID, snap.Target.Image.Arch, snap.Target.Image.Digest
	}
}

func (s *Store) wants(byID map[string]*server.Snapshot, list []formed) {
	for _, f := range list {
		snap := byID[f.app]
		if snap == nil {
			continue
		}
		if w, ok := s.want(&snap.Target, f); ok {
			snap.Formed[f.typ] = w.Quantity
			snap.State.Wants = append(snap.State.Wants, w)
		}
		if w, ok := s.want(&snap.Next, f); ok {
			snap.NextIs = append(snap.NextIs, w)
		}
	}
}

// want is what is wanted of a type of a release; false for one that the release
// does not have, or does not keep running.
func (s *Store) want(r *server.Release, f formed) (w scheduler.Want, ok bool) {
	if _, ok := r.Processes[f.typ]; !ok || f.typ == builder.ReleaseType {
		return w, false
	}
	if r.Mounted(f.typ) {
		f.n = min(f.n, 1) // also where a rollback brings a volume back
	}
	z := s.size(f.size)
	return scheduler.Want{Type: f.typ, Quantity: f.n, MilliCPU: z.Reserved, Memory: z.Memory, Routed: f.typ == "web"}, true
}

func (s *Store) size(name string) server.Size {
	for _, z := range s.sizes {
		if z.Name == name {
			return z
		}
	}
	return s.sizes[0]
}

// instanceRow is an instance of one of the apps.
type instanceRow struct {
	scheduler.Instance
	app, addr string
	version   int
	mounts    string // of its release, as JSON; "[]": none
}

const instanceRowQuery = `select i.app_id::text, i.id::text, i.release_id::text, i.type, i.ordinal, coalesce(i.host_id::text, ''), i.state, i.replace, i.reason,
	i.crashes, coalesce(i.up_at, '-infinity'), i.updated_at, i.milli_cpu, i.memory, i.addr, i.one_off,
	coalesce(r.image->>'arch', ''), coalesce(r.image->>'digest', ''), r.version, r.mounts::text from instances i join releases r on r.id = i.release_id
	where i.app_id = any($1::uuid[]) order by i.created_at`

func scanInstanceRow(row pgx.CollectableRow) (in instanceRow, err error) {
	var up infTime
	err = row.Scan(&in.app, &in.ID, &in.Release, &in.Type, &in.Ordinal, &in.Host, &in.State, &in.Replace, &in.Reason,
		&in.Crashes, &up, &in.Since, &in.MilliCPU, &in.Memory, &in.addr, &in.OneOff, &in.Arch, &in.Image, &in.version, &in.mounts)
	in.UpAt = up.Time
	return in, err
}

func fillInstances(byID map[string]*server.Snapshot, list []instanceRow) {
	serving, crashed := map[string]int{}, map[string]int{}
	for i := range list {
		in := &list[i]
		snap := byID[in.app]
		if snap == nil {
			continue
		}
		snap.State.Instances = append(snap.State.Instances, in.Instance)
		snap.Addrs[in.ID] = in.addr
		snap.Names[in.ID] = fmt.Sprintf("%s.%d", in.Type, in.Ordinal)
		snap.Versions[in.ID] = in.version
		switch {
		case in.Type != "web":
		case in.State == scheduler.Up:
			serving[in.app]++
		case in.State == scheduler.Crashed || in.Crashes > 0:
			crashed[in.app]++
		}
	}
	for id, snap := range byID {
		snap.Crashing = serving[id] == 0 && crashed[id] > 0
	}
}

// infTime reads a timestamp whose -infinity means never.
type infTime struct{ time.Time }

// less is the time by this process's clock, when the database's is ahead by that.
func (t infTime) less(ahead time.Duration) time.Time {
	if t.IsZero() {
		return t.Time
	}
	return t.Add(-ahead)
}

// clockAhead is how far the database's clock, which said now, is ahead of this
// process's; less than a second is as good as nothing, and may be the way.
func clockAhead(now time.Time) time.Duration {
	if d := time.Until(now); d.Abs() >= time.Second {
		return d
	}
	return 0
}

// ScanTimestamptz implements pgtype.TimestamptzScanner.
func (t *infTime) ScanTimestamptz(v pgtype.Timestamptz) error {
	if v.Valid && v.InfinityModifier == 0 {
		t.Time = v.Time
	}
	return nil
}
