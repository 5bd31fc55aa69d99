package server

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// MaxQuantity bounds the instances of one process type.
const MaxQuantity = 100

// Formation lists the process types of the current release.
func (s *Service) Formation(ctx context.Context, actor Actor, app string) ([]Formation, error) {
	a, err := s.App(ctx, actor, app)
	if err != nil {
		return nil, err
	}
	return s.formation(ctx, a)
}

func (s *Service) formation(ctx context.Context, a App) ([]Formation, error) {
	list, err := s.store.Formation(ctx, a.ID)
	if err != nil || a.Current == "" {
		return nil, err
	}
	r, err := s.store.Release(ctx, a.ID, a.Current)
	if err != nil {
		return nil, err
	}
	list = slices.DeleteFunc(list, func(f Formation) bool { _, ok := r.Processes[f.Type]; return !ok })
	for i := range list {
		list[i].App = a.Name
		list[i].Command = CommandLine(r, list[i].Type)
	}
	return list, nil
}

// CommandLine is what a process type of a release runs, for people.
func CommandLine(r Release, typ string) string {
	switch p := r.Processes[typ]; {
	case p.Line != "":
		return p.Line
	case p.Command != nil:
		return strings.Join(p.Command, " ")
	}
	return strings.Join(slices.Concat(r.Image.Entrypoint, r.Image.Cmd), " ")
}

// Scaling is one change of a formation; nil leaves as it is.
type Scaling struct {
	Type     string // or the formation's id
	Quantity *int
	Size     *string
}

// Scale changes quantities and sizes, all or none.
func (s *Service) Scale(ctx context.Context, actor Actor, app string, changes []Scaling) ([]Formation, error) {
	a, err := s.app(ctx, actor, app, PermOperate)
	if err != nil {
		return nil, err
	}
	list, err := s.formation(ctx, a)
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, &Error{ID: ErrInvalid, Message: "No process types on app. Nothing was changed.", Next: "Deploy first: git push paas main"}
	}
	current, err := s.store.Release(ctx, a.ID, a.Current)
	if err != nil {
		return nil, err
	}
	var said []string
	for _, c := range changes {
		f, err := s.apply(list, c)
		if err == nil {
			err = checkSingle(current, f)
		}
		if err != nil {
			return nil, err
		}
		said = append(said, fmt.Sprintf("%s@%d:%s", f.Type, f.Quantity, f.Size))
	}
	if err := s.store.SetFormation(ctx, a.ID, actor.Email, list); err != nil {
		return nil, err
	}
	s.logs.Append(AppLine(a.ID, "api", fmt.Sprintf("Scaled to %s by user %s", strings.Join(said, " "), actor.Email)))
	return s.formation(ctx, a)
}

func (s *Service) apply(list []Formation, c Scaling) (Formation, error) {
	if c.Type == ReleaseType {
		return Formation{}, Errorf(ErrInvalid, "The release command runs once for each release and cannot be scaled. Nothing was changed.")
	}
	i := slices.IndexFunc(list, func(f Formation) bool { return f.Type == c.Type || f.ID == c.Type })
	if i < 0 {
		var have []string
		for _, f := range list {
			have = append(have, f.Type)
		}
		return Formation{}, Errorf(ErrNotFound, "Couldn't find that process type (%s). The app has: %s. Nothing was changed.", c.Type, strings.Join(have, ", "))
	}
	if c.Quantity != nil {
		if *c.Quantity < 0 || *c.Quantity > MaxQuantity {
			return Formation{}, Errorf(ErrInvalid, "A process type runs 0 to %d instances, not %d. Nothing was changed.", MaxQuantity, *c.Quantity)
		}
		list[i].Quantity = *c.Quantity
	}
	if c.Size != nil {
		size, ok := s.size(*c.Size)
		if !ok {
			return Formation{}, Errorf(ErrInvalid, "There is no size %q; there are %s. Nothing was changed.", *c.Size, s.sizeNames())
		}
		list[i].Size = size.Name
	}
	return list[i], nil
}

func (s *Service) size(name string) (Size, bool) { return findSize(s.cfg.Sizes, name) }

func (s *Service) sizeNames() string { return sizeNames(s.cfg.Sizes) }

// Instances lists what runs, is starting, stopping or crashed.
func (s *Service) Instances(ctx context.Context, actor Actor, app string) ([]Instance, error) {
	a, err := s.App(ctx, actor, app)
	if err != nil {
		return nil, err
	}
	return s.store.Instances(ctx, a.ID)
}

// Instance finds by id or name ("web.1"); of two with a name, the newer.
func (s *Service) Instance(ctx context.Context, actor Actor, app, ident string) (Instance, error) {
	list, err := s.Instances(ctx, actor, app)
	if err != nil {
		return Instance{}, err
	}
	for _, in := range slices.Backward(list) {
		if in.ID == ident || instanceName(in.Type, in.Ordinal) == ident {
			return in, nil
		}
	}
	return Instance{}, &Error{ID: ErrNotFound, Message: "Couldn't find that dyno.", Next: "See which there are: paas ps -a " + app}
}

// Restart replaces instances start-first: all ("" ), those of a type, or one
// ("web.1" or its id).
func (s *Service) Restart(ctx context.Context, actor Actor, app, ident string) error {
	a, err := s.app(ctx, actor, app, PermOperate)
	if err != nil {
		return err
	}
	n, err := s.store.Replace(ctx, a.ID, ident, actor.Email)
	if err != nil {
		return err
	}
	if n == 0 && ident != "" {
		return &Error{ID: ErrNotFound, Message: fmt.Sprintf("Couldn't find that dyno (%s). Nothing was restarted.", ident), Next: "See which there are: paas ps -a " + a.Name}
	}
	return nil
}
