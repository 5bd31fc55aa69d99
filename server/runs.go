package server

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
)

// RunRequest is a one-off as a person asks for it.
type RunRequest struct {
	// Command is a line as a Procfile has it, or the name of a process type,
	// whose command then runs.
	Command   string
	OfType    bool              // Command must be the name of a process type
	Size      string            // empty: the default
	Env       map[string]string // besides the config, and stronger
	Attach    bool              // its streams are the caller's, who comes with Open
	TTY       bool
	TimeLimit time.Duration // 0: none
}

const (
	maxCommand   = 32 << 10 // bytes of a command line
	maxTimeLimit = 7 * 24 * time.Hour
)

// StartRun starts a command in an instance of its own, with the image and the
// config of the current release. It returns as soon as that is written down:
// AwaitRun tells how it ends.
func (s *Service) StartRun(ctx context.Context, actor Actor, app string, r RunRequest) (Run, error) {
	a, err := s.app(ctx, actor, app, PermDeploy)
	if err != nil {
		return Run{}, err
	}
	if err := s.checkRun(r); err != nil {
		return Run{}, err
	}
	rel, err := s.runnable(ctx, a, r)
	if err != nil {
		return Run{}, err
	}
	size, _ := findSize(s.cfg.Sizes, r.Size)
	n := NewRun{ID: uuid.NewString(), AppID: a.ID, ReleaseID: rel.ID, Type: RunType, Size: size.Name,
		Attach: r.Attach, TTY: r.TTY, UserID: actor.ID, Actor: actor.Email, TimeLimit: r.TimeLimit}
	if n.Command, n.Argv = resolveCommand(rel, r.Command); n.Command == "" {
		return Run{}, &Error{ID: ErrInvalid, Message: "There is no command to run. Nothing was started.", Next: "For instance: paas run -a " + a.Name + " -- bash"}
	}
	key, err := s.store.DataKey(ctx, a.ID)
	if err != nil {
		return Run{}, err
	}
	if n.Env, err = s.sealRunEnv(key, a.ID, n.ID, r.Env); err != nil {
		return Run{}, err
	}
	if n.Command, err = s.shownCommand(ctx, key, rel, r, n.Command); err != nil {
		return Run{}, err
	}
	var run Run
	err = Patiently(ctx, patience, func() (err error) { run, err = s.store.CreateRun(ctx, n); return err })
	if err != nil {
		return Run{}, err
	}
	s.logs.Append(AppLine(a.ID, "api", fmt.Sprintf("Starting process with command `%s` by user %s", run.Command, actor.Email)))
	return run, nil
}

// checkRun refuses what cannot be run before anything is written.
func (s *Service) checkRun(r RunRequest) error {
	const kept = " Nothing was started."
	switch {
	case len(r.Command) > maxCommand:
		return Errorf(ErrInvalid, "The command is longer than %d bytes.%s", maxCommand, kept)
	case strings.ContainsRune(r.Command, 0) || !utf8.ValidString(r.Command):
		return Errorf(ErrInvalid, "The command holds a NUL byte or is not UTF-8.%s", kept)
	case r.TimeLimit < 0 || r.TimeLimit > maxTimeLimit:
		return Errorf(ErrInvalid, "The time limit must be between 0 (none) and %s.%s", maxTimeLimit, kept)
	case r.TTY && !r.Attach:
		return Errorf(ErrInvalid, "A terminal needs a client that is attached.%s", kept)
	}
	if r.Size != "" {
		if _, ok := findSize(s.cfg.Sizes, r.Size); !ok {
			return Errorf(ErrInvalid, "There is no size %q; there are %s.%s", r.Size, sizeNames(s.cfg.Sizes), kept)
		}
	}
	return checkEnv(r.Env, kept)
}

// checkEnv holds variables of one process to the rules of config vars.
func checkEnv(env map[string]string, kept string) error {
	total := 0
	patch := map[string]*string{}
	for k, v := range env {
		total += len(k) + len(v)
		patch[k] = &v
	}
	if total > MaxConfigBytes {
		return Errorf(ErrInvalid, "The variables hold %d bytes; there may be %d.%s", total, MaxConfigBytes, kept)
	}
	if len(env) == 0 {
		return nil
	}
	return checkPatch(patch)
}

// runnable is the app's current release if it has code to run, and what is asked for.
func (s *Service) runnable(ctx context.Context, a App, r RunRequest) (Release, error) {
	var rel Release
	var err error
	if a.Current != "" {
		if rel, err = s.store.Release(ctx, a.ID, a.Current); err != nil {
			return rel, err
		}
	}
	if rel.Image.Digest == "" {
		return rel, &Error{ID: ErrInvalid, Message: a.Name + " has no code yet, so there is nothing to run. Nothing was started.", Next: "Deploy first: git push paas main"}
	}
	if _, ok := rel.Processes[r.Command]; r.OfType && !ok {
		return rel, Errorf(ErrInvalid, "Couldn't find that process type (%s). The app has: %s. Nothing was started.", r.Command, strings.Join(slices.Sorted(maps.Keys(rel.Processes)), ", "))
	}
	return rel, nil
}

// resolveCommand is what a line runs in a release, for people and as argv. No
// argv is the image's own command.
func resolveCommand(rel Release, line string) (string, []string) {
	line = strings.TrimSpace(line)
	if p, ok := rel.Processes[line]; ok {
		return CommandLine(rel, line), p.Command
	}
	argv := Argv(line)
	if argv == nil {
		return "", nil
	}
	return line, argv
}

func (s *Service) sealRunEnv(key []byte, appID, runID string, env map[string]string) ([]byte, error) {
	if len(env) == 0 {
		return nil, nil
	}
	return s.keyring.SealEnv(key, appID, runID, env)
}

// shownCommand is a command line as it is told from now on: in the log, in
// events and in the list of runs, which people see who may not read config.
// What of it is a secret of the app is masked; the argv that runs is whole.
func (s *Service) shownCommand(ctx context.Context, key []byte, rel Release, r RunRequest, command string) (string, error) {
	if _, ok := rel.Processes[strings.TrimSpace(r.Command)]; ok {
		return command, nil // the Procfile's
	}
	sealed, err := s.store.ReleaseConfig(ctx, rel.ID)
	if err != nil {
		return "", err
	}
	config, err := s.keyring.OpenConfig(key, rel.AppID, rel.ID, sealed)
	if err != nil {
		return "", err
	}
	secrets := map[string]string{}
	maps.Copy(secrets, config)
	for k, v := range r.Env {
		secrets[typedKey(RunType, k)] = v
	}
	return NewMasker(secrets).Mask(command), nil
}

// Runs lists one-offs, newest first; f chooses.
func (s *Service) Runs(ctx context.Context, actor Actor, app string, f RunFilter) ([]Run, error) {
	a, err := s.App(ctx, actor, app)
	if err != nil {
		return nil, err
	}
	return s.store.Runs(ctx, a.ID, f)
}

// Run finds a one-off by id or name ("run.1001"), also one that has ended.
func (s *Service) Run(ctx context.Context, actor Actor, app, ident string) (Run, error) {
	a, err := s.App(ctx, actor, app)
	if err != nil {
		return Run{}, err
	}
	return s.run(ctx, a, ident)
}

func (s *Service) run(ctx context.Context, a App, ident string) (Run, error) {
	r, err := s.store.Run(ctx, a.ID, ident)
	if IsID(err, ErrNotFound) {
		return r, &Error{ID: ErrNotFound, Message: "Couldn't find that dyno.", Next: "See which there are: paas ps -a " + a.Name}
	}
	return r, err
}

// AwaitRun returns when the one-off has ended, or ctx has.
func (s *Service) AwaitRun(ctx context.Context, actor Actor, app, ident string) (Run, error) {
	ctx, done := s.WhileAllowed(ctx, actor, app, PermView)
	defer done()
	r, err := s.Run(ctx, actor, app, ident)
	if err != nil {
		return r, allowedError(ctx, err)
	}
	r, err = awaitRun(ctx, s.store, s.bell, r, func(r Run) bool { return r.State.Final() })
	return r, allowedError(ctx, err)
}

// awaitRun reads a run again and again until it is as wanted.
func awaitRun(ctx context.Context, store RunStore, bell *Bell, r Run, until func(Run) bool) (Run, error) {
	wake, stop := bell.Listen(AppTopic(r.AppID))
	defer stop()
	for {
		var now Run
		err := Patiently(ctx, patience, func() (err error) { now, err = store.Run(ctx, r.AppID, r.ID); return err })
		if IsID(err, ErrNotFound) {
			return r, Errorf(ErrNotFound, "%s is gone: its app was destroyed.", r.Name())
		}
		if err != nil {
			return r, err
		}
		if r = now; until(r) {
			return r, nil
		}
		select {
		case <-wake:
		case <-time.After(time.Second): // notices may be lost with a connection
		case <-ctx.Done():
			return r, ctx.Err()
		}
	}
}

// StopDyno ends instances at once: one ("web.1" or an id) or those of a type.
// In the place of those of the formation the planner starts others; a one-off
// has ended then.
func (s *Service) StopDyno(ctx context.Context, actor Actor, app, ident string) error {
	a, err := s.App(ctx, actor, app)
	if err != nil {
		return err
	}
	list, err := s.store.Instances(ctx, a.ID)
	if err != nil {
		return err
	}
	list = slices.DeleteFunc(list, func(in Instance) bool { return !in.Is(ident) })
	for _, in := range list {
		need := PermOperate
		if in.OneOff {
			need = PermDeploy
		}
		if _, err := s.app(ctx, actor, a.ID, need); err != nil {
			return err
		}
	}
	if len(list) == 0 {
		return s.nothingToStop(ctx, a, ident)
	}
	for _, in := range list {
		if in.OneOff {
			err = s.store.StopRun(ctx, a.ID, in.ID, actor.Email, "stopped by "+actor.Email)
		} else {
			err = s.store.StopInstance(ctx, a.ID, in.ID, actor.Email)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) nothingToStop(ctx context.Context, a App, ident string) error {
	next := "See which there are: paas ps -a " + a.Name
	if r, err := s.store.Run(ctx, a.ID, ident); err == nil && r.State.Final() {
		return &Error{ID: ErrConflict, Message: fmt.Sprintf("%s has ended already (%s). Nothing was stopped.", r.Name(), r.State), Next: next}
	}
	return &Error{ID: ErrNotFound, Message: "Couldn't find that dyno. Nothing was stopped.", Next: next}
}

// Is says that an instance is meant by an id, its name ("web.1") or its type.
func (in Instance) Is(ident string) bool {
	return ident == in.ID || ident == instanceName(in.Type, in.Ordinal) || ident == in.Type
}
