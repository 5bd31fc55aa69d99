package gitd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"paas/server"
)

// ready gives the directory of an app's repository, as it is for all servers.
func (r *Repos) ready(ctx context.Context, appID string) (string, error) {
	path, err := r.path(appID)
	if err != nil {
		return "", err
	}
	unlock, err := r.locks.take(ctx, appID)
	if err != nil {
		return "", fmt.Errorf("open the repository of app %s: %w", appID, err)
	}
	defer unlock()
	const tries = 3 // another server may join packs while they are read
	for range tries {
		if err = r.update(ctx, appID, path); !server.IsID(err, server.ErrNotFound) {
			break
		}
	}
	if err != nil {
		return "", fmt.Errorf("open the repository of app %s: %w", appID, err)
	}
	return path, nil
}

// update brings the copy to where the store is; what was acknowledged is there.
// The caller holds the app's lock.
func (r *Repos) update(ctx context.Context, appID, path string) error {
	have := r.version(appID)
	st, err := r.store.Repo(ctx, appID, have)
	if server.IsID(err, server.ErrNotFound) {
		err = r.tryAdopt(ctx, appID, path)
		if errors.Is(err, errNoRoom) {
			return nil // it is read from here, as it always was
		}
		if err == nil || errors.Is(err, server.ErrStale) {
			st, err = r.store.Repo(ctx, appID, 0)
		}
	}
	if err == nil {
		r.setRoom(appID, true)
	}
	if err != nil || st.Version == have {
		return err
	}
	if _, err := os.Stat(filepath.Join(path, "HEAD")); err != nil {
		if err := r.create(path); err != nil {
			return err
		}
	}
	if err := r.fetch(ctx, appID, path, st); err != nil {
		return err
	}
	if err := setRefs(path, st); err != nil {
		return err
	}
	if r.arrived(appID, st.Version) {
		return nil // what a repack has just joined is not stored yet
	}
	return prune(path, st.Packs)
}

// fetch gets the packs that are missing.
func (r *Repos) fetch(ctx context.Context, appID, path string, st server.RepoState) error {
	here, err := packNames(path)
	if err != nil {
		return err
	}
	for _, name := range st.Packs {
		if slices.Contains(here, name) {
			continue
		}
		if err := r.fetchPack(ctx, appID, path, name); err != nil {
			return fmt.Errorf("get %s: %w", name, err)
		}
	}
	return nil
}

// fetchPack reads a pack into a quarantine, where git checks and indexes it.
func (r *Repos) fetchPack(ctx context.Context, appID, path, name string) error {
	in, err := r.quarantine(appID)
	if err != nil {
		return err
	}
	defer in.close()
	args := []string{"index-pack", "--stdin"}
	cmd := r.git.command(ctx, path, in.env, args...)
	errs := &tail{max: maxGitStderr}
	cmd.Stderr = errs
	stdin, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return fmt.Errorf("start git index-pack: %w", err)
	}
	err = errors.Join(r.git.limit(cmd), r.store.ReadPack(ctx, appID, name, stdin), stdin.Close())
	if werr := cmd.Wait(); werr != nil {
		return errors.Join(err, newGitError(ctx, args, werr, errs))
	}
	if err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(in.dir, "pack", name+".idx")); err != nil {
		return fmt.Errorf("what is stored under that name is another pack: %w", err)
	}
	return in.migrate()
}

// setRefs makes the refs, the boundary and HEAD as they are stored.
func setRefs(path string, st server.RepoState) error {
	if len(st.Shallow) > 0 {
		if err := replaceFile(filepath.Join(path, "shallow"), strings.Join(st.Shallow, "\n")+"\n"); err != nil {
			return err
		}
	}
	for _, ref := range []string{refMain, refMaster, refPushed} {
		commit, ok := st.Refs[ref]
		if !ok {
			continue // none is ever removed
		}
		if at, err := readRef(path, ref); err == nil && at == commit {
			continue
		}
		if err := replaceFile(filepath.Join(path, filepath.FromSlash(ref)), commit+"\n"); err != nil {
			return err
		}
	}
	if head, err := os.ReadFile(filepath.Join(path, "HEAD")); err == nil && string(head) == "ref: "+st.Head+"\n" {
		return nil
	}
	return pointHead(path, st.Head)
}

// prune removes the packs that are not stored any more: others hold what they held.
func prune(path string, keep []string) error {
	here, err := packNames(path)
	if err != nil {
		return err
	}
	for _, name := range here {
		if slices.Contains(keep, name) {
			continue
		}
		for _, ext := range []string{".idx", ".rev", ".pack"} { // the index first: git knows a pack by it
			if err := os.Remove(filepath.Join(path, "objects", "pack", name+ext)); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
	}
	return nil
}

// adopt stores a repository that only this disk has: it was made before
// repositories were kept for all servers.
func (r *Repos) adopt(ctx context.Context, appID, path string) error {
	if _, err := os.Stat(filepath.Join(path, "HEAD")); err != nil {
		e := server.Errorf(server.ErrUnavailable, "The repository is on the disk of another server, which has to start with this version of paas once. Nothing was changed.")
		return errors.Join(e, err)
	}
	// Packs are what is stored.
	if _, err := r.git.run(ctx, path, nil, nil, "repack", "-d", "-q"); err != nil {
		return err
	}
	packs, err := packFiles(filepath.Join(path, "objects", "pack"))
	if err == nil {
		err = r.room(path, packs)
	}
	if err != nil {
		return err
	}
	c := server.RepoChange{Packs: packs, Refs: map[string]server.RefMove{}}
	for _, ref := range []string{refMain, refMaster, refPushed} {
		at, err := readRef(path, ref)
		if err != nil {
			return err
		}
		if at != zeroID {
			c.Refs[ref] = server.RefMove{To: at}
		}
	}
	if c.Shallow, err = readShallow(path); err != nil {
		return err
	}
	head, err := os.ReadFile(filepath.Join(path, "HEAD"))
	if err != nil {
		return err
	}
	return r.store.BeginRepo(ctx, appID, strings.TrimSpace(strings.TrimPrefix(string(head), "ref: ")), c)
}

// joined stores what a repack has made of packs. Others use the repository
// meanwhile: a pack is minutes on its way when it is large.
func (r *Repos) joined(ctx context.Context, appID, path string, before []string) error {
	st, err := r.store.Repo(ctx, appID, 0)
	if err != nil {
		return err
	}
	packs, err := packFiles(filepath.Join(path, "objects", "pack"))
	if err != nil {
		return err
	}
	c := server.RepoChange{Gone: slices.DeleteFunc(slices.Clone(before), func(name string) bool {
		return slices.ContainsFunc(packs, func(p server.RepoPack) bool { return p.Name == name })
	})}
	c.Packs = slices.DeleteFunc(packs, func(p server.RepoPack) bool { return slices.Contains(st.Packs, p.Name) })
	_, _, err = r.store.ChangeRepo(ctx, appID, c)
	return err
}

// tidy stores the repositories that only this disk has, and removes copies of
// those whose app was destroyed. One whose app is merely not known stays: the
// database may be another one, or an older one restored.
func (r *Repos) tidy(ctx context.Context) {
	entries, err := os.ReadDir(r.dir)
	if err != nil {
		r.log.Warn("tidy repositories", "err", err)
		return
	}
	for _, e := range entries {
		appID, isRepo := strings.CutSuffix(e.Name(), ".git")
		if !isRepo || !appIDForm.MatchString(appID) || ctx.Err() != nil {
			continue
		}
		_, err := r.ready(ctx, appID)
		if server.IsID(err, server.ErrNotFound) {
			err = r.destroyed(ctx, appID)
		}
		if err != nil && ctx.Err() == nil {
			r.log.Warn("tidy repositories", "app", appID, "err", err)
		}
	}
}

func (r *Repos) destroyed(ctx context.Context, appID string) error {
	gone, err := r.store.DestroyedApps(ctx, []string{appID})
	if err != nil {
		return err
	}
	if len(gone) == 0 {
		return errors.New("the database knows no such app; its repository is left alone")
	}
	return r.Destroy(appID)
}

// packNames lists the packs of a repository that git knows.
func packNames(path string) ([]string, error) {
	files, err := filepath.Glob(filepath.Join(path, "objects", "pack", "pack-*.idx"))
	for i, f := range files {
		files[i] = strings.TrimSuffix(filepath.Base(f), ".idx")
	}
	return files, err
}

// packFiles are the packs in a directory, for the store.
func packFiles(dir string) ([]server.RepoPack, error) {
	files, err := filepath.Glob(filepath.Join(dir, "pack-*.pack"))
	if err != nil {
		return nil, err
	}
	var packs []server.RepoPack
	for _, f := range files {
		info, err := os.Stat(f)
		if err != nil {
			return nil, err
		}
		packs = append(packs, server.RepoPack{Name: strings.TrimSuffix(filepath.Base(f), ".pack"), Size: info.Size(),
			Open: func() (io.ReadCloser, error) { return os.Open(f) }})
	}
	return packs, nil
}

func (r *Repos) version(appID string) int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.at[appID]
}

// reached notes that the copy is at a version, if it has all that was before.
func (r *Repos) reached(appID string, was, version int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.at[appID] == was {
		r.at[appID] = version
	}
}

// arrived notes that the copy is at a version, and says whether its packs are
// being joined.
func (r *Repos) arrived(appID string, version int64) (repacking bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.at[appID] = version
	return r.repacking == appID
}

// forget makes the next use look at everything.
func (r *Repos) forget(appID string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.at, appID)
}

func (r *Repos) setRepacking(appID string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.repacking = appID
}

// endRepacking makes the next use look at everything: until now nothing was
// removed here, and what had just been joined may have been fetched again.
func (r *Repos) endRepacking(appID string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.repacking = ""
	delete(r.at, appID)
}
