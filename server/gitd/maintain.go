package gitd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const (
	prefixNew     = ".new-"
	prefixTrash   = ".trash-"
	quarantineDir = "quarantine"

	repackTimeout = 30 * time.Minute
	tidyEvery     = time.Hour
)

// Run repacks repositories that gathered many packs, one at a time, until ctx
// ends. It gives nil.
func (r *Repos) Run(ctx context.Context) error {
	tidy := time.NewTimer(0)
	defer tidy.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tidy.C:
			r.tidy(ctx)
			tidy.Reset(tidyEvery)
		case appID := <-r.crowds:
			began := time.Now()
			err := r.repack(ctx, appID)
			switch {
			case ctx.Err() != nil:
				return nil
			case err != nil:
				r.log.Warn("repack", "app", appID, "err", err)
			default:
				r.log.Info("repacked", "app", appID, "took", time.Since(began))
			}
		}
	}
}

// crowded hands a repository with too many packs to Run. When Run is far
// behind it is dropped: the next push asks again.
func (r *Repos) crowded(appID, path string) {
	if r.packs(path) < r.opts.RepackAt {
		return
	}
	select {
	case r.crowds <- appID:
	default:
	}
}

func (r *Repos) packs(path string) int {
	names, err := filepath.Glob(filepath.Join(path, "objects", "pack", "*.pack"))
	if err != nil {
		return 0
	}
	return len(names)
}

// repack joins the smaller packs. A geometric repack takes over every object
// of the packs it joins, reachable or not: what a queued deploy needs and no
// branch holds yet is never lost.
func (r *Repos) repack(ctx context.Context, appID string) error {
	ctx, cancel := context.WithTimeout(ctx, repackTimeout)
	defer cancel()
	// What another server has joined goes first: it is not to be stored again.
	path, err := r.ready(ctx, appID)
	if err != nil {
		return err
	}
	if r.packs(path) < r.opts.RepackAt || r.onlyHere(appID) { // asked for twice, or not stored
		return nil
	}
	r.setRepacking(appID)
	defer r.endRepacking(appID)
	if path, err = r.ready(ctx, appID); err != nil {
		return err
	}
	before, err := packNames(path)
	if err != nil {
		return err
	}
	args := []string{"-c", "pack.threads=1", "repack", "-d", "-q", "--geometric=2"}
	cmd := r.git.command(ctx, path, nil, args...)
	errs := &tail{max: maxGitStderr}
	cmd.Stderr = errs
	if err := cmd.Run(); err != nil {
		return newGitError(ctx, args[2:], err, errs)
	}
	return r.joined(ctx, appID, path, before)
}

// sweep clears what a process that was killed left behind, and brings every
// repository's config to the present form. Nothing else may use the directory
// yet, so a lock older than started has no owner.
func (r *Repos) sweep(started time.Time) error {
	entries, err := os.ReadDir(r.dir)
	if err != nil {
		return fmt.Errorf("sweep repositories: %w", err)
	}
	for _, e := range entries {
		name := e.Name()
		path := filepath.Join(r.dir, name)
		if strings.HasPrefix(name, prefixNew) || strings.HasPrefix(name, prefixTrash) {
			if err := os.RemoveAll(path); err != nil {
				return fmt.Errorf("sweep repositories: %w", err)
			}
			continue
		}
		appID, isRepo := strings.CutSuffix(name, ".git")
		if !isRepo || !appIDForm.MatchString(appID) {
			continue
		}
		if err := sweepRepo(path, started); err != nil {
			return fmt.Errorf("sweep the repository of app %s: %w", appID, err)
		}
		r.crowded(appID, path)
	}
	return nil
}

func sweepRepo(path string, started time.Time) error {
	patterns := []string{
		quarantineDir + "/*", "*.lock", "refs/*/*.lock",
		"objects/pack/tmp_*", "objects/pack/.tmp-*", "objects/tmp_*",
	}
	for _, p := range patterns {
		names, err := filepath.Glob(filepath.Join(path, p))
		if err != nil {
			return err
		}
		for _, name := range names {
			info, err := os.Lstat(name)
			if err != nil || info.ModTime().After(started) {
				continue
			}
			if err := os.RemoveAll(name); err != nil {
				return err
			}
		}
	}
	if err := sweepPacks(path, started); err != nil {
		return err
	}
	return renewConfig(path)
}

// sweepPacks removes packs that were cut off on their way in: without an index
// git does not know them.
func sweepPacks(path string, started time.Time) error {
	packs, err := filepath.Glob(filepath.Join(path, "objects", "pack", "pack-*.pack"))
	if err != nil {
		return err
	}
	for _, pack := range packs {
		base := strings.TrimSuffix(pack, ".pack")
		info, err := os.Stat(pack)
		if err != nil || info.ModTime().After(started) {
			continue
		}
		if _, err := os.Stat(base + ".idx"); !errors.Is(err, fs.ErrNotExist) {
			continue
		}
		os.Remove(base + ".rev") //nolint:errcheck // there may be none
		if err := os.Remove(pack); err != nil {
			return err
		}
	}
	return nil
}

func renewConfig(path string) error {
	file := filepath.Join(path, "config")
	if have, err := os.ReadFile(file); err == nil && string(have) == repoConfig {
		return nil
	}
	if err := writeSynced(file+".lock", repoConfig); err != nil {
		return err
	}
	return os.Rename(file+".lock", file)
}
