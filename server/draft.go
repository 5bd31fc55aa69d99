package server

import (
	"context"
	"fmt"
)

// draft makes the content of a deploy's release from what it is based on. It
// runs under the app's lock, so the config it copies is the newest there is.
func (p *Pipeline) draft(ctx context.Context, d Draft) (Content, error) {
	c := Content{Deadline: p.cfg.BootTimeout + bootSlack}
	config, err := p.openConfig(d, d.Current.ID, d.CurrentConfig)
	if err != nil {
		return c, err
	}
	switch d.Deploy.Kind {
	case KindPush:
		if err := p.repos.CanFollow(ctx, d.Deploy.AppID, d.Deploy.Ref, d.Deploy.Old, d.Deploy.Commit); err != nil {
			return c, err
		}
		c.Description = "Deploy " + d.Deploy.Commit[:8]
		c.Commit, c.BuildID, c.Image = d.Deploy.Commit, d.Build.ID, d.Build.Image
		c.Processes = map[string]Process{webType: {}}
	case KindConfig:
		patch, err := p.keyring.OpenPatch(d.DataKey, d.Deploy.AppID, d.Deploy.ID, d.Patch)
		if err != nil {
			return c, fmt.Errorf("open config change: %w", err)
		}
		if config, err = mergeConfig(config, patch); err != nil {
			return c, err
		}
		c.Description = describePatch(patch)
		c.copyCode(d.Current)
	case KindRollback:
		if config, err = p.openConfig(d, d.Source.ID, d.SourceConfig); err != nil {
			return c, err
		}
		c.Description = fmt.Sprintf("Rollback to v%d", d.Source.Version)
		c.copyCode(d.Source)
	}
	c.Config, err = p.keyring.SealConfig(d.DataKey, d.Deploy.AppID, d.ReleaseID, config)
	return c, err
}

func (p *Pipeline) openConfig(d Draft, releaseID string, sealed []byte) (map[string]string, error) {
	config, err := p.keyring.OpenConfig(d.DataKey, d.Deploy.AppID, releaseID, sealed)
	if err != nil {
		return nil, fmt.Errorf("open config of the release it is based on: %w", err)
	}
	return config, nil
}

func (c *Content) copyCode(from Release) {
	c.Commit, c.BuildID, c.Image, c.Processes = from.Commit, from.BuildID, from.Image, from.Processes
}
