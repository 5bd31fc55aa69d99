package gitd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"paas/server"
)

// incoming is a pack on its way into a repository. Until migrate its objects
// are visible to nobody; close removes what did not migrate.
type incoming struct {
	repos *Repos
	appID string
	repo  string
	dir   string   // takes the place of the repository's objects directory
	env   []string // makes git look there first, then in the repository

	boundary []string // commits that will be recorded as shallow
}

// quarantine opens an empty place for a pack.
func (r *Repos) quarantine(appID string) (*incoming, error) {
	repo, err := r.repo(appID)
	if err != nil {
		return nil, err
	}
	parent := filepath.Join(repo, quarantineDir)
	if err := os.MkdirAll(parent, 0o700); err != nil {
		return nil, fmt.Errorf("open a quarantine: %w", err)
	}
	dir, err := os.MkdirTemp(parent, "push-")
	if err != nil {
		return nil, fmt.Errorf("open a quarantine: %w", err)
	}
	in := &incoming{repos: r, appID: appID, repo: repo, dir: dir}
	in.env = []string{
		"GIT_OBJECT_DIRECTORY=" + dir,
		"GIT_ALTERNATE_OBJECT_DIRECTORIES=" + filepath.Join(repo, "objects"),
		"GIT_QUARANTINE_PATH=" + dir, // git refuses to move refs meanwhile
	}
	if err := os.Mkdir(filepath.Join(dir, "pack"), 0o700); err != nil {
		in.close()
		return nil, fmt.Errorf("open a quarantine: %w", err)
	}
	return in, nil
}

func (in *incoming) close() {
	if err := os.RemoveAll(in.dir); err != nil {
		in.repos.log.Warn("remove a quarantine", "app", in.appID, "err", err)
	}
}

// check makes sure that id is a commit and that everything it needs is here.
func (in *incoming) check(ctx context.Context, id string) error {
	kind := make(chan error, 1)
	go func() { kind <- in.isCommit(ctx, id) }()
	_, err := in.repos.git.run(ctx, in.repo, in.env, nil,
		"rev-list", "--objects", "--quiet", id, "--not", "--all")
	var failed *gitError
	if errors.As(err, &failed) && failed.code > 0 {
		err = server.Errorf(server.ErrInvalid, "the pack does not hold everything that %.8s needs: %s", id, oneLine(firstError(failed.stderr)))
	}
	if err2 := <-kind; err == nil {
		err = err2
	}
	return err
}

func (in *incoming) isCommit(ctx context.Context, id string) error {
	kinds, err := in.kinds(ctx, in.env, []string{id})
	if err != nil {
		return err
	}
	if kinds[id] != "commit" {
		return server.Errorf(server.ErrInvalid, "%.8s is a %s, and only a commit can be deployed", id, kinds[id])
	}
	return nil
}

// kinds gives the types of objects; those that are not there are left out.
func (in *incoming) kinds(ctx context.Context, env, ids []string) (map[string]string, error) {
	out, err := in.repos.git.run(ctx, in.repo, env, strings.NewReader(strings.Join(ids, "\n")+"\n"),
		"cat-file", "--batch-check=%(objectname) %(objecttype)")
	if err != nil {
		return nil, err
	}
	kinds := map[string]string{}
	for line := range strings.Lines(string(out)) {
		id, kind, ok := strings.Cut(strings.TrimSpace(line), " ")
		if ok && kind != "missing" {
			kinds[id] = kind
		}
	}
	return kinds, nil
}

// keep stores the pack and notes its commit for all servers; when that is done,
// here.
func (in *incoming) keep(ctx context.Context, commit string) error {
	packs, err := packFiles(filepath.Join(in.dir, "pack"))
	if err != nil {
		return fmt.Errorf("store the pack: %w", err)
	}
	was, version, err := in.repos.store.ChangeRepo(ctx, in.appID, server.RepoChange{Packs: packs, Shallow: in.boundary,
		Refs: map[string]server.RefMove{refPushed: {To: commit}}})
	if err != nil {
		return fmt.Errorf("store the pack: %w", err)
	}
	unlock, err := in.repos.locks.take(ctx, in.appID)
	if err != nil {
		in.repos.forget(in.appID)
		return fmt.Errorf("store the pack: %w", err)
	}
	defer unlock()
	if err := errors.Join(in.migrate(), markPushed(in.repo, commit)); err != nil {
		in.repos.forget(in.appID)
		return err
	}
	in.repos.reached(in.appID, was, version)
	in.repos.crowded(in.appID, in.repo)
	return nil
}

// migrate moves the pack into the repository for good. The caller holds the
// app's lock.
func (in *incoming) migrate() error {
	if err := in.keepBoundary(); err != nil {
		return fmt.Errorf("store the pack: %w", err)
	}
	from, to := filepath.Join(in.dir, "pack"), filepath.Join(in.repo, "objects", "pack")
	// The index last: git knows a pack by it.
	for _, ext := range []string{".pack", ".rev", ".idx"} {
		names, err := filepath.Glob(filepath.Join(from, "pack-*"+ext))
		if err != nil {
			return fmt.Errorf("store the pack: %w", err)
		}
		for _, name := range names {
			if err := os.Rename(name, filepath.Join(to, filepath.Base(name))); err != nil {
				return fmt.Errorf("store the pack: %w", err)
			}
		}
	}
	if err := syncDir(to); err != nil {
		return fmt.Errorf("store the pack: %w", err)
	}
	return nil
}
