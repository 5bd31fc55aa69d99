package server

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"paas/scheduler/agent"
)

// contents is what a release's sealed parts say, opened. It never changes.
type contents struct {
	vars  map[string]string // keys as in ConfigPatch.Vars
	files map[string]ConfigFile
	mask  *Masker
}

// contents opens what a placed instance's release holds.
func (k *Keyring) contents(pl Placed) (*contents, error) {
	vars, err := k.OpenConfig(pl.DataKey, pl.Instance.AppID, pl.Release.ID, pl.Config)
	if err != nil {
		return nil, err
	}
	files, err := k.OpenFiles(pl.DataKey, pl.Instance.AppID, pl.Release.ID, pl.Files)
	if err != nil {
		return nil, fmt.Errorf("config files: %w", err)
	}
	return &contents{vars: vars, files: files, mask: NewMasker(vars)}, nil
}

// env is the config a placed instance gets: that of its process type. A
// one-off that runs the command of a process type gets that one's.
func (c *contents) env(pl Placed) map[string]string {
	typ := pl.Instance.Type
	if pl.Run != nil && typ == RunType {
		for _, t := range slices.Sorted(maps.Keys(pl.Release.Processes)) {
			if pl.Run.Command == CommandLine(pl.Release, t) {
				typ = t
				break
			}
		}
	}
	return ConfigFor(c.vars, typ)
}

// render gives the config files as a placed instance with that environment
// finds them. Variables of a one-off that would make a file too large stay out
// of it: what its release holds was checked, and always fits.
func (c *contents) render(pl Placed, env map[string]string) ([]agent.File, error) {
	if len(c.files) == 0 {
		return nil, nil
	}
	port := strconv.Itoa(cmp.Or(pl.Release.Image.Port, defaultPort))
	files, err := renderAll(c.files, env, port)
	if err == nil || pl.RunEnv == nil {
		return files, err
	}
	own := c.env(pl)
	for _, name := range platformVars {
		own[name] = env[name]
	}
	return renderAll(c.files, own, port)
}

// maskers knows what to mask in the lines of each instance. Lines come after
// their instance has gone, so each is kept for a while.
type maskers struct {
	mu    sync.Mutex
	byID  map[string]*instanceMask
	swept time.Time
}

type instanceMask struct {
	appID string
	mask  *Masker
	seen  time.Time
}

// keepMask is how long after an instance has gone its last lines may come.
const keepMask = 30 * time.Minute

// note keeps the masker of an instance that is there now. env is what it gets:
// that of a one-off may hold more than its release.
func (m *maskers) note(pl Placed, c *contents, env map[string]string) {
	now := time.Now()
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.byID == nil {
		m.byID = map[string]*instanceMask{}
	}
	if have, ok := m.byID[pl.Instance.ID]; ok {
		have.seen = now
		return
	}
	mask := c.mask
	if pl.RunEnv != nil {
		all := maps.Clone(c.vars)
		for k, v := range env {
			if !slices.Contains(platformVars, k) {
				all[typedKey(RunType, k)] = v
			}
		}
		mask = NewMasker(all)
	}
	m.byID[pl.Instance.ID] = &instanceMask{appID: pl.Instance.AppID, mask: mask, seen: now}
	if now.Sub(m.swept) > time.Minute { // each time would be each one for each one
		m.swept = now
		maps.DeleteFunc(m.byID, func(_ string, i *instanceMask) bool { return now.Sub(i.seen) > keepMask })
	}
}

// mask masks a line of an instance; of one that is not known (any more), with
// all that is known of its app.
func (m *maskers) mask(l agent.Line) string {
	m.mu.Lock()
	if have, ok := m.byID[l.Instance]; ok {
		m.mu.Unlock()
		return have.mask.Mask(l.Text)
	}
	var all []*Masker
	for _, i := range m.byID {
		if i.appID == l.AppID && i.mask != nil {
			all = append(all, i.mask)
		}
	}
	m.mu.Unlock()
	for _, one := range all {
		l.Text = one.Mask(l.Text)
	}
	return l.Text
}
