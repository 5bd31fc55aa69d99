package gitd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// A push from a shallow clone brings commits without their parents. Such
// commits are recorded in the repository's `shallow` file, where git looks for
// them: it takes them for the beginning of history.

// readShallow lists the commits that a repository has without their parents.
func readShallow(repo string) ([]string, error) {
	data, err := os.ReadFile(filepath.Join(repo, "shallow"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the shallow file: %w", err)
	}
	return strings.Fields(string(data)), nil
}

// bounds prepares for a pack from a clone that is shallow at ids. Commits that
// are in the repository already do not count: here they have their parents.
func (in *incoming) bounds(ctx context.Context, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	here, err := in.kinds(ctx, nil, ids)
	if err != nil {
		return err
	}
	for _, id := range ids {
		if here[id] == "" {
			in.boundary = append(in.boundary, id)
		}
	}
	in.env = append(in.env, "GIT_SHALLOW_FILE="+filepath.Join(in.dir, "shallow"))
	return in.writeBounds()
}

// settleBounds leaves of the boundary what the pack really brought.
func (in *incoming) settleBounds(ctx context.Context) error {
	if len(in.boundary) == 0 {
		return nil
	}
	kinds, err := in.kinds(ctx, in.env, in.boundary)
	if err != nil {
		return err
	}
	in.boundary = slices.DeleteFunc(in.boundary, func(id string) bool { return kinds[id] != "commit" })
	return in.writeBounds()
}

func (in *incoming) writeBounds() error {
	all, err := in.allBounds()
	if err != nil {
		return err
	}
	file := filepath.Join(in.dir, "shallow")
	if err := os.WriteFile(file, []byte(all), 0o600); err != nil {
		return fmt.Errorf("note where the clone is shallow: %w", err)
	}
	return nil
}

func (in *incoming) allBounds() (string, error) {
	ids, err := readShallow(in.repo)
	if err != nil {
		return "", err
	}
	ids = append(ids, in.boundary...)
	slices.Sort(ids)
	if ids = slices.Compact(ids); len(ids) == 0 {
		return "", nil
	}
	return strings.Join(ids, "\n") + "\n", nil
}

// keepBoundary records the boundary for good, before the pack moves in: a
// shallow line for a commit that is not there yet harms nobody. The caller
// holds the app's lock.
func (in *incoming) keepBoundary() error {
	if len(in.boundary) == 0 {
		return nil
	}
	all, err := in.allBounds()
	if err != nil {
		return err
	}
	return replaceFile(filepath.Join(in.repo, "shallow"), all)
}
