package server

import (
	"context"
	"maps"
)

// ConfigSheet is all of an app's config at one moment, from one release.
type ConfigSheet struct {
	Release Release                      // the current one
	Newest  int                          // version of the newest release, which may have failed
	Vars    map[string]map[string]string // by process type; "" is what all get
	Files   map[string]ConfigFile
	Staged  StagedConfig // what waits for the next release
}

// ConfigSheet reads it for someone who may read config.
func (s *Service) ConfigSheet(ctx context.Context, actor Actor, app string) (ConfigSheet, error) {
	o, err := s.openRelease(ctx, actor, app, "")
	if err != nil {
		return ConfigSheet{}, err
	}
	sheet := ConfigSheet{Release: o.release, Newest: o.release.Version, Files: o.files, Vars: map[string]map[string]string{"": configOf(o.config, "")}}
	for _, typ := range configTypes(o.config) {
		sheet.Vars[typ] = configOf(o.config, typ)
	}
	newest, err := s.store.Releases(ctx, o.app.ID, Page{Max: 1, Desc: true})
	if err != nil {
		return ConfigSheet{}, err
	}
	if len(newest) > 0 {
		sheet.Newest = newest[0].Version
	}
	sheet.Staged, err = s.staged(ctx, o.app)
	return sheet, err
}

// Next are the vars that a process type alone will have with the next release,
// as far as it is known now: those of the current one, and what is staged.
func (c ConfigSheet) Next(typ string) map[string]string {
	vars := maps.Clone(c.Vars[typ])
	if vars == nil {
		vars = map[string]string{}
	}
	for key, v := range c.Staged.Patch.Vars {
		t, name := splitKey(key)
		switch {
		case t != typ:
		case v == nil:
			delete(vars, name)
		default:
			vars[name] = *v
		}
	}
	return vars
}

// RehearseConfig refuses what ChangeConfig would refuse, and changes nothing.
func (s *Service) RehearseConfig(ctx context.Context, actor Actor, app string, r ConfigRequest) error {
	a, err := s.app(ctx, actor, app, PermOperate)
	if err != nil {
		return err
	}
	patch, err := r.patch()
	if err != nil {
		return err
	}
	_, err = s.rehearse(ctx, a, patch)
	return err
}
