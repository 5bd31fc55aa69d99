package server

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/google/uuid"
)

// Config is what the current release, or another (id or version), holds for
// all processes.
func (s *Service) Config(ctx context.Context, actor Actor, app, release string) (map[string]string, error) {
	return s.TypeConfig(ctx, actor, app, release, "")
}

// TypeConfig is what a release holds for processes of that type alone.
func (s *Service) TypeConfig(ctx context.Context, actor Actor, app, release, typ string) (map[string]string, error) {
	o, err := s.openRelease(ctx, actor, app, release)
	if err != nil {
		return nil, err
	}
	return configOf(o.config, typ), nil
}

// Files are the config files of the current release, or of another.
func (s *Service) Files(ctx context.Context, actor Actor, app, release string) (map[string]ConfigFile, error) {
	o, err := s.openRelease(ctx, actor, app, release)
	if err != nil {
		return nil, err
	}
	return o.files, nil
}

// File is one of them.
func (s *Service) File(ctx context.Context, actor Actor, app, release, path string) (ConfigFile, error) {
	files, err := s.Files(ctx, actor, app, release)
	if err != nil {
		return ConfigFile{}, err
	}
	f, ok := files[path]
	if !ok {
		return f, noFile(app, path)
	}
	return f, nil
}

func noFile(app, path string) error {
	return &Error{ID: ErrNotFound, Message: fmt.Sprintf("%s has no config file %q. Nothing was changed.", app, path), Next: "See which there are: paas files -a " + app}
}

// opened is a release with its sealed parts opened.
type opened struct {
	app     App
	release Release
	key     []byte // wrapped data key of the app
	config  map[string]string
	files   map[string]ConfigFile
}

// openRelease opens a release for someone who may read config; "" is the
// current one.
func (s *Service) openRelease(ctx context.Context, actor Actor, app, release string) (opened, error) {
	a, err := s.appToRead(ctx, actor, app, PermDeploy)
	if err != nil {
		return opened{}, err
	}
	return s.open(ctx, a, release)
}

func (s *Service) open(ctx context.Context, a App, ident string) (o opened, err error) {
	if ident == "" {
		ident = a.Current
	}
	o.app = a
	if o.release, err = s.release(ctx, a, ident); err != nil {
		return o, err
	}
	if o.key, err = s.store.DataKey(ctx, a.ID); err != nil {
		return o, err
	}
	sealed, err := s.store.ReleaseConfig(ctx, o.release.ID)
	if err != nil {
		return o, err
	}
	if o.config, err = s.keyring.OpenConfig(o.key, a.ID, o.release.ID, sealed); err != nil {
		return o, err
	}
	if sealed, err = s.store.ReleaseFiles(ctx, o.release.ID); err != nil {
		return o, err
	}
	o.files, err = s.keyring.OpenFiles(o.key, a.ID, o.release.ID, sealed)
	return o, err
}

// SetConfig is ChangeConfig of vars for all processes.
func (s *Service) SetConfig(ctx context.Context, actor Actor, app string, vars map[string]*string) (Deploy, error) {
	return s.ChangeConfig(ctx, actor, app, ConfigRequest{Vars: vars})
}

// ChangeConfig starts a deploy that sets vars and files (nil removes) and
// returns when its release is written; the deploy goes on until live or failed.
func (s *Service) ChangeConfig(ctx context.Context, actor Actor, app string, r ConfigRequest) (Deploy, error) {
	a, err := s.app(ctx, actor, app, PermOperate)
	if err != nil {
		return Deploy{}, err
	}
	patch, err := r.patch()
	if err != nil {
		return Deploy{}, err
	}
	o, err := s.rehearse(ctx, a, patch)
	if err != nil {
		return Deploy{}, err
	}
	return s.deployPatch(ctx, actor, o, patch, patch.describe())
}

func (s *Service) deployPatch(ctx context.Context, actor Actor, o opened, patch ConfigPatch, what string) (Deploy, error) {
	d := Deploy{ID: uuid.NewString(), AppID: o.app.ID, Kind: KindConfig, UserID: actor.ID, Description: what}
	sealed, err := s.keyring.SealPatch(o.key, o.app.ID, d.ID, patch)
	if err != nil {
		return Deploy{}, err
	}
	if d, err = s.queue(ctx, d, sealed); err != nil {
		return Deploy{}, err
	}
	return s.awaitRelease(ctx, d)
}

// patch checks what is asked for, before anything is read or written.
func (r ConfigRequest) patch() (ConfigPatch, error) {
	p := ConfigPatch{Vars: map[string]*string{}, Files: r.Files, Expect: r.Expect}
	for name, v := range r.Vars {
		if strings.Contains(name, "/") {
			return p, checkKey(name)
		}
		p.Vars[typedKey(r.Type, name)] = v
	}
	if p.empty() {
		return p, Errorf(ErrInvalid, "There is no config var to set. Nothing was changed.")
	}
	if r.Type != "" && !processType.MatchString(r.Type) {
		return p, Errorf(ErrInvalid, "%q is no name of a process type.%s", r.Type, kept)
	}
	if err := checkTypedPatch(p.Vars); err != nil {
		return p, err
	}
	return p, checkPatchFiles(p.Files)
}

// rehearse does to the current release what the draft will do, and refuses
// early what could not be. The draft is what decides.
func (s *Service) rehearse(ctx context.Context, a App, patch ConfigPatch) (opened, error) {
	o, err := s.open(ctx, a, "")
	if err != nil {
		return o, err
	}
	if patch.Expect != 0 && patch.Expect != o.release.Version {
		return o, changedMeanwhile(patch.Expect, o.release)
	}
	rows, err := s.store.Staged(ctx, a.ID)
	if err != nil {
		return o, err
	}
	d := drafted{config: o.config, files: o.files}
	if d.staged, err = openStaged(s.keyring, o.key, a.ID, rows); err != nil {
		return o, err
	}
	return o, d.rehearse(o, patch)
}

func (d *drafted) rehearse(o opened, patch ConfigPatch) error {
	if err := d.apply(d.staged); err != nil {
		return err
	}
	if err := checkTypes(o.release, patch); err != nil {
		return err
	}
	for path, f := range patch.Files {
		if _, have := d.files[path]; f == nil && !have {
			return noFile(o.app.Name, path)
		}
	}
	if err := d.apply(patch); err != nil {
		return err
	}
	return checkRendered(d.files, d.config)
}

// checkTypes refuses to set a value for a process type that the app has not.
// Before the first deploy nobody knows which it will have.
func checkTypes(r Release, patch ConfigPatch) error {
	for _, key := range slices.Sorted(maps.Keys(patch.Vars)) {
		typ, _ := splitKey(key)
		_, have := r.Processes[typ]
		oneOff := slices.Contains([]string{RunType, ReleaseType, PostdeployType, SchedulerType}, typ)
		if typ == "" || have || oneOff || len(r.Processes) == 0 || patch.Vars[key] == nil {
			continue
		}
		return &Error{ID: ErrNotFound, Message: fmt.Sprintf("%s has no process type %s; it has %s.%s", r.App, typ, strings.Join(slices.Sorted(maps.Keys(r.Processes)), ", "), kept),
			Next: "See them: paas ps:scale -a " + r.App}
	}
	return nil
}
