package postgres

import (
	"context"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"paas/server"
)

const releaseQuery = `select r.id, r.app_id, p.name, r.version, r.status, r.description, r.reason, r.user_id, a.email,
	coalesce(r.build_id::text, ''), r.commit,
	coalesce((select subject from deploys where build_id = r.build_id limit 1), ''), coalesce(r.image, '{}'), r.processes, r.crons, r.mounts, r.id = p.current_release, r.created_at, r.updated_at
	from releases r join apps p on p.id = r.app_id join accounts a on a.id = r.user_id `

func scanRelease(row pgx.CollectableRow) (r server.Release, err error) {
	err = row.Scan(&r.ID, &r.AppID, &r.App, &r.Version, &r.Status, &r.Description, &r.Reason, &r.UserID, &r.User,
		&r.BuildID, &r.Commit, &r.Subject, &r.Image, &r.Processes, &r.Crons, &r.Mounts, &r.Current, &r.CreatedAt, &r.UpdatedAt)
	return r, err
}

// Releases lists by version.
func (s *Store) Releases(ctx context.Context, appID string, p server.Page) ([]server.Release, error) {
	after, _ := strconv.Atoi(p.After)
	if p.Desc {
		return many(ctx, s.pool, scanRelease, releaseQuery+`where r.app_id = $1 and ($2 = 0 or r.version < $2)
			order by r.version desc limit $3`, appID, after, limit(p))
	}
	return many(ctx, s.pool, scanRelease, releaseQuery+`where r.app_id = $1 and r.version > $2 order by r.version limit $3`,
		appID, after, limit(p))
}

// Release finds by id, "v3" or "3".
func (s *Store) Release(ctx context.Context, appID, ident string) (server.Release, error) {
	version, err := strconv.ParseInt(strings.TrimPrefix(ident, "v"), 10, 32)
	if err != nil {
		version = 0
	}
	return one(ctx, s.pool, scanRelease, "release",
		releaseQuery+`where r.app_id = $1 and (r.id = $2 or r.version = $3)`, appID, uuidOf(ident), version)
}

// ReleaseConfig gives a release's sealed config.
func (s *Store) ReleaseConfig(ctx context.Context, id string) ([]byte, error) {
	return one(ctx, s.pool, pgx.RowTo[[]byte], "release", `select config from releases where id = $1`, uuidOf(id))
}

// keptReleases is how many releases with an image of an app a host keeps for
// rollbacks, the newest ones.
const keptReleases = 10

// KeptImages lists the images that may still be asked for: of an app's newest
// releases, of the current one, and of instances that exist.
func (s *Store) KeptImages(ctx context.Context) ([]server.KeptImage, error) {
	return many(ctx, s.pool, pgx.RowToStructByPos[server.KeptImage], `select distinct app_id::text, image->>'digest' from (
		select r.app_id, r.image, r.id, row_number() over (partition by r.app_id order by r.version desc) n
		from releases r where r.image is not null) r
		where n <= $1 or exists (select from instances i where i.release_id = r.id)
			or exists (select from apps p where p.current_release = r.id)`, keptReleases)
}

const buildQuery = `select b.id, b.app_id, p.name, b.user_id, a.email, b.commit, coalesce(d.subject, ''), b.status, coalesce(b.image, '{}'), b.manifest,
	coalesce(d.id::text, ''), coalesce(d.release_id::text, ''), b.created_at, b.updated_at
	from builds b join apps p on p.id = b.app_id join accounts a on a.id = b.user_id left join deploys d on d.build_id = b.id `

func scanBuild(row pgx.CollectableRow) (b server.Build, err error) {
	err = row.Scan(&b.ID, &b.AppID, &b.App, &b.UserID, &b.User, &b.Commit, &b.Subject, &b.Status, &b.Image, &b.Manifest,
		&b.DeployID, &b.ReleaseID, &b.CreatedAt, &b.UpdatedAt)
	return b, err
}

// Builds lists newest first, those before p.After (an id) if it is set.
func (s *Store) Builds(ctx context.Context, appID string, p server.Page) ([]server.Build, error) {
	return many(ctx, s.pool, scanBuild, buildQuery+`where b.app_id = $1
		and ($2 = '' or (b.created_at, b.id::text) < (select created_at, id::text from builds where app_id = $1 and id::text = $2))
		order by b.created_at desc, b.id desc limit $3`, appID, p.After, limit(p))
}

// Build finds by id.
func (s *Store) Build(ctx context.Context, appID, id string) (server.Build, error) {
	return one(ctx, s.pool, scanBuild, "build", buildQuery+`where b.app_id = $1 and b.id = $2`, appID, uuidOf(id))
}
