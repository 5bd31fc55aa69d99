package server

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"time"

	"paas/builder"
)

// rejected begins every refusal of a push for what its commit says.
const rejected = "Push rejected: "

// manifest reads what a commit says about how it is run and refuses, before
// anything is built, what could not be deployed.
func (p *Pipeline) manifest(ctx context.Context, d Deploy, tree fs.FS, out io.Writer) (builder.Manifest, error) {
	m, warnings, err := builder.ReadManifest(tree)
	for _, w := range warnings {
		fmt.Fprintf(out, " !     %s\n", w)
	}
	var f *builder.Failure
	if errors.As(err, &f) {
		return m, Errorf(ErrInvalid, "%s%s.", rejected, f.Reason)
	}
	if err != nil {
		return m, err
	}
	if err := p.checkManifest(m); err != nil {
		return m, err
	}
	config, err := p.configNow(ctx, d.AppID)
	if err != nil {
		return m, err
	}
	patch, err := envPatch(config, m.Env, d.App)
	if err != nil {
		return m, err
	}
	if len(patch) > 0 {
		fmt.Fprintf(out, "-----> Config vars set from app.json: %s\n", strings.Join(slices.Sorted(maps.Keys(patch)), ", "))
	}
	return m, nil
}

// checkManifest refuses what the files may say but this installation cannot
// do, and spells the names of sizes as the installation does.
func (p *Pipeline) checkManifest(m builder.Manifest) error {
	for _, t := range m.Types() {
		if line, ok := m.Processes[t]; ok && Argv(line) == nil {
			return Errorf(ErrInvalid, "%sProcfile: the command of %s has no word in it.", rejected, t)
		}
	}
	for _, t := range slices.Sorted(maps.Keys(m.Formation)) {
		f := m.Formation[t]
		if f.Quantity != nil && *f.Quantity > MaxQuantity {
			return Errorf(ErrInvalid, "%sapp.json: formation.%s.quantity is %d; a process type runs 0 to %d instances.", rejected, t, *f.Quantity, MaxQuantity)
		}
		if f.Size == "" {
			continue
		}
		z, ok := findSize(p.cfg.Sizes, f.Size)
		if !ok {
			return Errorf(ErrInvalid, "%sapp.json: formation.%s.size: there is no size %q; there are %s.", rejected, t, f.Size, sizeNames(p.cfg.Sizes))
		}
		f.Size = z.Name // as it is spelt
		m.Formation[t] = f
	}
	for _, key := range slices.Sorted(maps.Keys(m.Env)) {
		if err := checkKey(key); err != nil {
			return Errorf(ErrInvalid, "%sapp.json: env: %s", rejected, strings.TrimSuffix(err.Error(), " Nothing was changed."))
		}
	}
	return nil
}

// configNow is the config that a release written now would be based on.
func (p *Pipeline) configNow(ctx context.Context, appID string) (map[string]string, error) {
	app, err := p.store.App(ctx, appID)
	if err != nil {
		return nil, err
	}
	key, err := p.store.DataKey(ctx, appID)
	if err != nil {
		return nil, err
	}
	sealed, err := p.store.ReleaseConfig(ctx, app.Current)
	if err != nil {
		return nil, err
	}
	config, err := p.keyring.OpenConfig(key, appID, app.Current, sealed)
	if err != nil {
		return nil, err
	}
	rows, err := p.store.Staged(ctx, appID)
	if err != nil {
		return nil, err
	}
	staged, err := openStaged(p.keyring, key, appID, rows)
	if err != nil {
		return nil, err
	}
	return mergeConfig(config, staged.Vars)
}

// envPatch is what app.json adds to a config: values and secrets of keys that
// are not set. It refuses when a required one is missing.
func envPatch(config map[string]string, env map[string]builder.EnvSpec, app string) (map[string]*string, error) {
	patch := map[string]*string{}
	var missing, assign []string
	for _, key := range slices.Sorted(maps.Keys(env)) {
		spec := env[key]
		if _, set := config[key]; set {
			continue
		}
		switch {
		case spec.Value != nil:
			patch[key] = spec.Value
		case spec.Generator == "secret":
			secret := generateSecret()
			patch[key] = &secret
		case spec.Required:
			missing, assign = append(missing, key), append(assign, key+"=…")
		}
	}
	if len(missing) > 0 {
		return nil, Errorf(ErrInvalid, "%sapp.json requires %s, not set in the config.\nSet and push again: paas config:set %s -a %s",
			rejected, strings.Join(missing, ", "), strings.Join(assign, " "), app)
	}
	return patch, nil
}

// generateSecret is what app.json's generator makes: 64 hex digits.
func generateSecret() string {
	b := make([]byte, 32)
	rand.Read(b)
	return hex.EncodeToString(b)
}

// takeManifest fills in what a commit says of how it is run, and gives the
// config with what app.json adds to it.
func (c *Content) takeManifest(m builder.Manifest, config map[string]string, app string) (map[string]string, error) {
	c.Processes = map[string]Process{}
	for _, t := range m.Types() {
		line := m.Processes[t]
		c.Processes[t] = Process{Command: Argv(line), Line: line, Health: m.Health[t]}
	}
	c.Crons, c.Formation = m.Crons, m.Formation
	patch, err := envPatch(config, m.Env, app)
	if err != nil {
		return nil, err
	}
	return mergeConfig(config, patch)
}

// tellTypes says in Heroku's words which process types there are.
func tellTypes(m builder.Manifest, out io.Writer) {
	fmt.Fprintln(out, "-----> Discovering process types")
	if m.Processes == nil {
		fmt.Fprintf(out, "       Default types for image     -> %s\n", strings.Join(m.Types(), ", "))
		return
	}
	fmt.Fprintf(out, "       Procfile declares types     -> %s\n", strings.Join(m.Types(), ", "))
}

// bootTimeout is how long a process type may take to come up: as app.json has
// it, else the app's own limit, else the installation's.
func bootTimeout(h builder.HealthSpec, s AppSettings, standard time.Duration) time.Duration {
	switch {
	case h.Timeout > 0:
		return time.Duration(h.Timeout) * time.Second
	case s.BootTimeout > 0:
		return time.Duration(s.BootTimeout) * time.Second
	}
	return standard
}

// stopTimeout is how long a process may take to end after SIGTERM.
func stopTimeout(s AppSettings, standard time.Duration) time.Duration {
	if s.StopTimeout > 0 {
		return time.Duration(s.StopTimeout) * time.Second
	}
	return standard
}
