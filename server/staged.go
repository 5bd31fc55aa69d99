package server

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// openStaged merges what waits for a release, in order.
func openStaged(k *Keyring, key []byte, appID string, rows []StagedRow) (ConfigPatch, error) {
	var all ConfigPatch
	for _, r := range rows {
		patch, err := k.OpenStaged(key, appID, r.Patch)
		if err != nil {
			return all, fmt.Errorf("open staged config: %w", err)
		}
		all = patch.over(all)
	}
	return all, nil
}

// Staged is what waits for an app's next release.
func (s *Service) Staged(ctx context.Context, actor Actor, app string) (StagedConfig, error) {
	a, err := s.appToRead(ctx, actor, app, PermDeploy)
	if err != nil {
		return StagedConfig{}, err
	}
	return s.staged(ctx, a)
}

func (s *Service) staged(ctx context.Context, a App) (st StagedConfig, err error) {
	rows, err := s.store.Staged(ctx, a.ID)
	if err != nil || len(rows) == 0 {
		return st, err
	}
	key, err := s.store.DataKey(ctx, a.ID)
	if err != nil {
		return st, err
	}
	last := rows[len(rows)-1]
	st.Actor, st.UpdatedAt = last.Actor, last.UpdatedAt
	st.Patch, err = openStaged(s.keyring, key, a.ID, rows)
	return st, err
}

// StageConfig keeps a change for the app's next release, whatever makes it
// (but a rollback), and restarts nothing.
func (s *Service) StageConfig(ctx context.Context, actor Actor, app string, r ConfigRequest) (StagedConfig, error) {
	a, err := s.app(ctx, actor, app, PermOperate)
	if err != nil {
		return StagedConfig{}, err
	}
	patch, err := r.patch()
	if err != nil {
		return StagedConfig{}, err
	}
	o, err := s.rehearse(ctx, a, patch)
	if err != nil {
		return StagedConfig{}, err
	}
	err = s.store.Stage(ctx, a.ID, actor.Email, patch.describe(), func(rows []StagedRow) ([]byte, error) {
		have, err := openStaged(s.keyring, o.key, a.ID, rows)
		if err != nil {
			return nil, err
		}
		return s.keyring.SealStaged(o.key, a.ID, ConfigPatch{Vars: patch.Vars, Files: patch.Files}.over(have))
	})
	if err != nil {
		return StagedConfig{}, err
	}
	return s.staged(ctx, a)
}

// Unstage drops what waits for the next release: the named vars and files, or
// without names all of it. A name is KEY or a path; of a process type's own
// vars it is "type/KEY".
func (s *Service) Unstage(ctx context.Context, actor Actor, app string, names []string) (StagedConfig, error) {
	a, err := s.app(ctx, actor, app, PermOperate)
	if err != nil {
		return StagedConfig{}, err
	}
	key, err := s.store.DataKey(ctx, a.ID)
	if err != nil {
		return StagedConfig{}, err
	}
	what := "all"
	if len(names) > 0 {
		slices.Sort(names)
		what = strings.Join(names, ", ")
	}
	err = s.store.Stage(ctx, a.ID, actor.Email, what, func(rows []StagedRow) ([]byte, error) {
		have, err := openStaged(s.keyring, key, a.ID, rows)
		if err != nil {
			return nil, err
		}
		if have.empty() {
			return nil, &Error{ID: ErrInvalid, Message: a.Name + " has no staged config. Nothing was changed.", Next: "Stage some: paas config:set KEY=VALUE --no-restart -a " + a.Name}
		}
		if err := have.drop(names); err != nil || have.empty() {
			return nil, err
		}
		return s.keyring.SealStaged(key, a.ID, have)
	})
	if err != nil {
		return StagedConfig{}, err
	}
	return s.staged(ctx, a)
}

// drop takes names out of a patch, all without any.
func (p *ConfigPatch) drop(names []string) error {
	if len(names) == 0 {
		*p = ConfigPatch{}
	}
	for _, n := range names {
		_, isVar := p.Vars[n]
		_, isFile := p.Files[n]
		if !isVar && !isFile {
			have := slices.Concat(slices.Sorted(maps.Keys(p.Vars)), slices.Sorted(maps.Keys(p.Files)))
			return Errorf(ErrNotFound, "%q is not staged; staged are %s.%s", n, strings.Join(have, ", "), kept)
		}
		delete(p.Vars, n)
		delete(p.Files, n)
	}
	return nil
}

// ApplyStaged makes a release of what is staged, now.
func (s *Service) ApplyStaged(ctx context.Context, actor Actor, app string) (Deploy, error) {
	a, err := s.app(ctx, actor, app, PermOperate)
	if err != nil {
		return Deploy{}, err
	}
	st, err := s.staged(ctx, a)
	if err != nil {
		return Deploy{}, err
	}
	if st.Patch.empty() {
		return Deploy{}, &Error{ID: ErrInvalid, Message: a.Name + " has no staged config. Nothing was changed.", Next: "Stage some: paas config:set KEY=VALUE --no-restart -a " + a.Name}
	}
	o, err := s.rehearse(ctx, a, ConfigPatch{})
	if err != nil {
		return Deploy{}, err
	}
	return s.deployPatch(ctx, actor, o, ConfigPatch{}, st.Patch.describe())
}
