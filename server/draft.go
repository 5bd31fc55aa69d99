package server

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// draft makes the content of a deploy's release from what it is based on. It
// runs under the app's lock, so the config it copies is the newest there is.
func (p *Pipeline) draft(ctx context.Context, d Draft) (Content, error) {
	var c Content
	s, err := p.openSettings(d)
	if err != nil {
		return c, err
	}
	switch d.Deploy.Kind {
	case KindPush:
		if err := p.repos.CanFollow(ctx, d.Deploy.AppID, d.Deploy.Ref, d.Deploy.Old, d.Deploy.Commit); err != nil {
			return c, err
		}
		c.Description = and("Deploy "+d.Deploy.Commit[:8], s.staged.describe())
		c.Commit, c.BuildID, c.Image, c.Mounts = d.Deploy.Commit, d.Build.ID, d.Build.Image, d.Current.Mounts
		if s.config, err = c.takeManifest(d.Build.Manifest, s.config, d.Deploy.App); err != nil {
			return c, err
		}
	case KindConfig:
		change, err := p.keyring.OpenPatch(d.DataKey, d.Deploy.AppID, d.Deploy.ID, d.Patch)
		if err != nil {
			return c, fmt.Errorf("open config change: %w", err)
		}
		if err := s.change(change, d.Current); err != nil {
			return c, err
		}
		c.Description = change.over(s.staged).describe()
		c.copyCode(d.Current)
		c.Mounts = changeMounts(c.Mounts, change.Mounts)
	case KindRollback:
		c.Description = fmt.Sprintf("Rollback to v%d", d.Source.Version)
		c.copyCode(d.Source)
	case KindRetry:
		if d.Version != d.Source.Version+1 {
			return c, Errorf(ErrConflict, "%s is no longer the newest release, so it is not tried again.", d.Source.Name())
		}
		c.Description = and(fmt.Sprintf("Retry of v%d", d.Source.Version), s.staged.describe())
		c.copyCode(d.Source)
	}
	if err := checkRendered(s.files, s.config); err != nil {
		return c, err
	}
	if err := checkMounts(c.Mounts, d.Volumes, s.files); err != nil {
		return c, err
	}
	c.Deadline = bootTimeout(c.Processes[webType].Health, d.Settings, p.cfg.BootTimeout) + bootSlack
	if len(c.Mounts) > 0 { // the old one is drained and stopped before
		c.Deadline += mountSlack + stopTimeout(d.Settings, mountSlack)
	}
	return c, p.sealSettings(d, s, &c)
}

// mountSlack is how long requests in flight may hold up what has a volume.
const mountSlack = 30 * time.Second

// drafted is the config of a release that is being made.
type drafted struct {
	config map[string]string
	files  map[string]ConfigFile
	staged ConfigPatch // what waited for a release and is in it now
}

// openSettings opens the config that the release begins with: of the current
// release, or of the one that is rolled back to or tried again, and over it
// what was staged. A rollback takes nothing with it: it goes back.
func (p *Pipeline) openSettings(d Draft) (s drafted, err error) {
	base, config, files := d.Current.ID, d.CurrentConfig, d.CurrentFiles
	if d.Deploy.Kind == KindRollback || d.Deploy.Kind == KindRetry {
		base, config, files = d.Source.ID, d.SourceConfig, d.SourceFiles
	}
	if s.config, err = p.keyring.OpenConfig(d.DataKey, d.Deploy.AppID, base, config); err != nil {
		return s, fmt.Errorf("open config of the release it is based on: %w", err)
	}
	if s.files, err = p.keyring.OpenFiles(d.DataKey, d.Deploy.AppID, base, files); err != nil {
		return s, fmt.Errorf("open config files of the release it is based on: %w", err)
	}
	if !d.Deploy.Kind.TakesStaged() {
		return s, nil
	}
	if s.staged, err = openStaged(p.keyring, d.DataKey, d.Deploy.AppID, d.Staged); err != nil {
		return s, err
	}
	return s, s.apply(s.staged)
}

// TakesStaged says whether a release of that kind brings staged config with it.
func (k DeployKind) TakesStaged() bool { return k != KindRollback }

// change applies what a config deploy is to change.
func (s *drafted) change(patch ConfigPatch, current Release) error {
	if patch.Expect != 0 && patch.Expect != current.Version {
		return changedMeanwhile(patch.Expect, current)
	}
	if patch.empty() && s.staged.empty() {
		return &Error{ID: ErrConflict, Message: "There is no staged config any more: another release took it. Nothing was changed.", Next: "See: paas releases -a " + current.App}
	}
	return s.apply(patch)
}

func (s *drafted) apply(patch ConfigPatch) error {
	config, err := mergeConfig(s.config, patch.Vars)
	if err != nil {
		return err
	}
	files, err := mergeFiles(s.files, patch.Files)
	if err != nil {
		return err
	}
	s.config, s.files = config, files
	return nil
}

func (p *Pipeline) sealSettings(d Draft, s drafted, c *Content) error {
	config, err := p.keyring.SealConfig(d.DataKey, d.Deploy.AppID, d.ReleaseID, s.config)
	files, ferr := p.keyring.SealFiles(d.DataKey, d.Deploy.AppID, d.ReleaseID, s.files)
	c.Config, c.Files = config, files
	return errors.Join(err, ferr)
}

// changedMeanwhile refuses a change made from a release that serves no more.
func changedMeanwhile(from int, current Release) error {
	return &Error{ID: ErrConflict, Message: fmt.Sprintf("The config was changed meanwhile: you began from v%d, and v%d (%s, by %s) serves now. Nothing was changed.", from, current.Version, current.Description, current.User),
		Next: fmt.Sprintf("See what changed: paas releases:diff v%d v%d -a %s", from, current.Version, current.App)}
}

// and joins two sentences of a description.
func and(first, second string) string {
	if second == "" {
		return first
	}
	return first + "; " + second
}

func (c *Content) copyCode(from Release) {
	c.Commit, c.BuildID, c.Image, c.Processes, c.Crons, c.Mounts = from.Commit, from.BuildID, from.Image, from.Processes, from.Crons, from.Mounts
}
